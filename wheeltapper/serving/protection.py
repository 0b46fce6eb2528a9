"""Protection: what every request passes before the application sees it, and every answer on its way out.

Pure ASGI, so that streams of events stay streams. ``app.add_middleware(Protection, access=access, limits=limits)``
and ``errors.install(app)`` protect an application; ``deadlines.server_options(limits)`` its server.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wheeltapper.serving.access import HEALTH_PATHS, Access, Caller
from wheeltapper.serving.errors import INTERNAL, Refused
from wheeltapper.serving.limits import Bodies, Gone, InProgress, Limits, Rates, declared_length, replay, state_of
from wheeltapper.serving.logs import REQUEST_ID, log_failure, log_request

CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What a page may load and do, unless its route sets a stricter one: nothing from another machine."""

LINGER_SECONDS = 1.0
"""How long the rest of a refused body is read, so that its client reads the answer before the connection ends."""
LINGER_BYTES = 16 * 1024 * 1024
_SHORT_BODY = 64 * 1024
"""Bytes; a refused body that is no longer is read to its end, and the connection stays."""
_CLIENT_GONE = 499
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ADDED = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
_ADDED_TO_PAGES = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
"""What says to a browser how to treat a page; a program's answers go without them."""


class Protection:
    """ASGI middleware: access, limits, one form of errors, one line in the log.

    Parameters
    ----------
    app : ASGI application
    access : Access
    limits : Limits, optional
    """

    def __init__(self, app: ASGIApp, *, access: Access, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self._app, self._access = app, access
        self._rates, self._bodies, self._in_progress = Rates(limits), Bodies(limits), InProgress(limits)
        self._stream_paths = limits.stream_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever happens, it is answered in the one form and stands in the log."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        token = REQUEST_ID.set(exchange.request_id)
        try:
            await self._serve(exchange)
        except Refused as refused:
            await exchange.refuse(refused)
        except Exception as error:
            if not _is_gone(error):
                log_failure(error)
                await exchange.refuse(INTERNAL)
        finally:
            exchange.log()
            REQUEST_ID.reset(token)

    async def _serve(self, exchange: _Exchange) -> None:
        scope, path = exchange.scope, exchange.scope["path"]
        caller = exchange.identified(self._access.identify(scope))
        name = caller.name if caller else exchange.client
        if path in HEALTH_PATHS:  # answered under any load
            self._access.admit(scope, caller)
            await self._app(scope, exchange.receive, exchange.send)
            return
        self._rates.take(name, is_key=caller is not None)
        self._access.admit(scope, caller)
        with self._bodies.room() as held:
            body = await self._bodies.read(scope, exchange.receive, held)
            with self._in_progress.hold(name, path):
                receive = exchange.receive if body is None else replay(body, exchange.receive)
                await self._app(scope, receive, self._while_known(exchange))

    def _while_known(self, exchange: _Exchange) -> Send:
        """Return the ``send`` of an exchange; that of a stream ends when its key or session does."""
        if not exchange.scope["path"].endswith(self._stream_paths):
            return exchange.send

        async def send(message: Message) -> None:
            if exchange.caller is not None and self._access.identify(exchange.scope) is None:
                raise Gone
            await exchange.send(message)

        return send

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:  # nothing here talks over web sockets
            await send({"type": "websocket.close", "code": 1008})


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.request_id = _request_id(scope)
        self.client = scope["client"][0] if scope.get("client") else ""
        self._began = time.perf_counter()
        self._status = _CLIENT_GONE
        self._has_begun = False
        self.caller: Caller | None = None
        state_of(scope)["request_id"] = self.request_id

    def identified(self, caller: Caller | None) -> Caller | None:
        """Keep who sent the request, for the application and the log."""
        state_of(self.scope)["caller"] = caller
        self.caller = caller
        return caller

    async def receive(self) -> Message:
        """Take the next part of the request."""
        message = await self._receive()
        if not message.get("more_body", False):
            self._is_whole = True
        return message

    async def send(self, message: Message) -> None:
        """Give the next part of the answer, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self._has_begun, self._status = True, message["status"]
            headers = dict(message.get("headers", ()))
            added = _ADDED if _is_json(headers) else _ADDED + _ADDED_TO_PAGES
            message["headers"] = [
                *message.get("headers", ()),
                *[pair for pair in added if pair[0] not in headers],
                (b"x-request-id", self.request_id.encode()),
            ]
        await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        """Answer with an error, unless the answer has begun; then the server closes the connection."""
        if self._has_begun:
            return
        body = refused.body(self.request_id)
        headers = refused.raw_headers(len(body))
        length = declared_length(dict(self.scope["headers"]))
        is_unread = length != 0 and not self._is_whole
        if is_unread and (length is None or length > _SHORT_BODY):
            headers = [pair for pair in headers if pair[0] != b"connection"] + [(b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": is_unread})
        if is_unread:
            if not self._waits_for_consent():
                await self._linger()
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _waits_for_consent(self) -> bool:
        """Tell whether the client sends nothing until it is told to go on."""
        return any(name == b"expect" for name, _ in self.scope["headers"])

    async def _linger(self) -> None:
        size = 0
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._is_whole and size <= LINGER_BYTES:
                    size += len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass

    def log(self) -> None:
        """Write the line of this request."""
        log_request(
            request_id=self.request_id,
            method=self.scope["method"],
            route=_template(self.scope),
            status=self._status,
            milliseconds=(time.perf_counter() - self._began) * 1000,
            key=self.caller.name if self.caller else None,
            client=self.client,
        )

    _is_whole = False


def _is_json(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").startswith(b"application/json")


def _is_gone(error: BaseException) -> bool:
    """Tell whether there is nobody to answer; what sends a stream may have put the exception into a group."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_gone(part) for part in error.exceptions)
    return isinstance(error, Gone)


def _template(scope: Scope) -> str:
    """Return the template of the route that took a request; the address itself may carry anything."""
    # FastAPI keeps a route as its router has it, and beside it where that router was put into the application.
    placed: Any = scope.get("fastapi", {}).get("effective_route_context")
    return str(getattr(placed, "path", "") or getattr(scope.get("route"), "path", "")) or "-"


def _request_id(scope: Scope) -> str:
    """Return the id that the client gave to the request, if it is one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode("ascii"))
    return secrets.token_hex(8)
