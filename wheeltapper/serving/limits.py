"""Limits: what one request may take, and how many requests there may be. What goes beyond is refused at once.

A body is taken in as a whole before the application sees it. Size and nesting are therefore decided in one place,
before anything is parsed.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Message, Receive, Scope

from wheeltapper.serving import json_shape
from wheeltapper.serving.errors import Refused

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What the service takes from its clients."""

    body_bytes: int = 5 * MIB
    """Size of a body, in bytes."""
    larger_bodies: Mapping[str, int] = field(default_factory=dict)
    """End of a path, such as ``/score`` → size of a body there, in bytes."""
    held_bytes: int = 64 * MIB
    """Bodies of all requests that are received or worked on, together, in bytes."""
    nesting: int = 32
    """Levels of lists and objects in a JSON body."""
    body_seconds: float = 20.0
    """From the end of the headers to the end of the body, in seconds."""

    header_bytes: int = 32 * 1024
    """Request line and headers, in bytes."""
    header_seconds: float = 10.0
    """From the connection, or the first byte of a further request, to the end of the headers, in seconds."""
    idle_seconds: int = 30
    """How long a connection stays open between two requests, in seconds."""
    write_seconds: float = 30.0
    """How long a client may read nothing of its answer, or next to nothing, in seconds."""
    connections: int = 1000
    """Connections at the same time. A further one takes the place of the oldest that waits for a request."""
    drain_seconds: int = 8
    """How long requests may still take after SIGTERM, in seconds."""

    requests_per_second: float = 2000.0
    """Of one key, in the long run."""
    burst: int = 4000
    """Requests of one key at once, after a pause."""
    anonymous_per_second: float = 20.0
    """Of one address without a key, in the long run: signing in, files of the page, wrong keys."""
    anonymous_burst: int = 100
    """Requests of one address without a key at once, after a pause."""
    in_progress: int = 512
    """Requests that are worked on or wait for it, of all keys."""
    in_progress_per_key: int = 384
    """Requests that are worked on or wait for it, of one key: others always find room."""
    streams: int = 100
    """Streams of events at the same time."""
    stream_paths: tuple[str, ...] = ("/events",)
    """Ends of paths that answer with a stream and count as `streams`."""

    def body_limit(self, path: str) -> int:
        """Return the size that a body may have at a path, in bytes."""
        for end, size in self.larger_bodies.items():
            if path.endswith(end):
                return size
        return self.body_bytes


class Rates:
    """How many requests each key, and each address without one, may send: a bucket of tokens each.

    Parameters
    ----------
    limits : Limits
    clock : callable
        Returns seconds that never run backwards.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._buckets: OrderedDict[tuple[bool, str], tuple[float, float]] = OrderedDict()

    def take(self, name: str, is_key: bool) -> None:
        """Count one request of a key or an address.

        Raises
        ------
        Refused
            429 if there were too many.
        """
        limits = self._limits
        rate, burst = (
            (limits.requests_per_second, limits.burst)
            if is_key
            else (limits.anonymous_per_second, limits.anonymous_burst)
        )
        now = self._clock()
        tokens, since = self._buckets.get((is_key, name), (float(burst), now))
        tokens = min(float(burst), tokens + (now - since) * rate)
        is_refused = tokens < 1.0
        self._buckets[is_key, name] = (tokens if is_refused else tokens - 1.0, now)
        self._buckets.move_to_end((is_key, name))
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if is_refused:
            raise too_many(
                f"More than {rate:g} requests per second came from this {'key' if is_key else 'address'}.",
                (1.0 - tokens) / rate,
            )


_MOST_BUCKETS = 10_000


class InProgress:
    """How many requests are worked on at the same time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._per_key: Counter[str] = Counter()
        self._streams = 0
        self._all = 0

    @contextmanager
    def hold(self, name: str, path: str) -> Iterator[None]:
        """Count a request while it is worked on.

        Raises
        ------
        Refused
            429 if there are too many.
        """
        if path.endswith(self._limits.stream_paths):
            with self._stream():
                yield
            return
        if self._all >= self._limits.in_progress:
            raise too_many(f"{self._all} requests are being worked on; the service takes no more.", 1.0)
        if self._per_key[name] >= self._limits.in_progress_per_key:
            raise too_many(f"{self._per_key[name]} requests of '{name}' are being worked on; wait for answers.", 1.0)
        self._all += 1
        self._per_key[name] += 1
        try:
            yield
        finally:
            self._all -= 1
            self._per_key[name] -= 1
            if not self._per_key[name]:
                del self._per_key[name]

    @contextmanager
    def _stream(self) -> Iterator[None]:
        if self._streams >= self._limits.streams:
            raise too_many(f"{self._streams} clients follow events; the service takes no more.", 30.0)
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1


class Bodies:
    """Takes in bodies, each of them limited, and all of them together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @contextmanager
    def room(self) -> Iterator[Held]:
        """Yield what counts the bytes of one request while they are held."""
        held = Held(self, self._limits.held_bytes)
        try:
            yield held
        finally:
            self._held -= held.size

    async def read(self, scope: Scope, receive: Receive, held: Held) -> bytes | None:
        """Return the body of a request; None if it has none.

        How long it may take is decided by the server's protocol (`wheeltapper.serving.deadlines`).

        Raises
        ------
        Refused
            413 if it is too large or nested too deeply, 415 if it is compressed, 422 if it holds a number that is none,
            429 if too many bodies are held.
        Gone
            If the client closed the connection, or was too slow.
        """
        headers = dict(scope["headers"])
        declared = declared_length(headers)
        if declared == 0:
            return None
        limit = self._limits.body_limit(scope["path"])
        if declared is not None and declared > limit:
            raise _too_large(limit)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refused(415, "compressed_body", "A compressed body is not accepted; send it as it is.")
        body = await _receive_all(receive, limit, held)
        if not headers.get(b"content-type", b"").startswith(_BINARY):
            json_shape.require_plain(body, self._limits.nesting)
        return body

    def add(self, size: int) -> bool:
        """Count bytes; False if there is no room for them."""
        self._held += size
        return self._held <= self._limits.held_bytes


class Held:
    """The bytes that are held for one request."""

    def __init__(self, bodies: Bodies, limit: int) -> None:
        self._bodies, self._limit = bodies, limit
        self.size = 0

    def add(self, size: int) -> None:
        """Count bytes.

        Raises
        ------
        Refused
            429 if all requests together hold too many.
        """
        self.size += size
        if not self._bodies.add(size):
            raise too_many(f"Bodies of more than {self._limit} bytes are being worked on.", 1.0)


class Gone(Exception):  # noqa: N818 - no failure of ours
    """There is nobody to answer: the client closed the connection, or may not hear more of a stream."""


_BINARY = (b"application/vnd.apache.parquet", b"application/octet-stream")


def too_many(message: str, seconds: float) -> Refused:
    """Return the answer to a request that is one too many, and when to come again."""
    wait = max(1, math.ceil(seconds))
    return Refused(429, "too_many_requests", f"{message} Try again in {wait} s.", headers={"retry-after": str(wait)})


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that first gives the whole body, and from then on what the connection gives."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again


async def _receive_all(receive: Receive, limit: int, held: Held) -> bytes:
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        held.add(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def declared_length(headers: Mapping[bytes, bytes]) -> int | None:
    """Return the length that a request announces, in bytes; None if it comes in chunks of unknown number."""
    if b"transfer-encoding" in headers:
        return None
    text = headers.get(b"content-length", b"0")
    return int(text) if text.isdigit() else None


def _too_large(limit: int) -> Refused:
    return Refused(413, "body_too_large", f"The body is larger than {limit} bytes. Send it in parts.", "body")


def state_of(scope: Scope) -> dict[str, Any]:
    """Return what belongs to a request besides what came with it."""
    state: dict[str, Any] = scope.setdefault("state", {})
    return state
