"""Deadlines: how long the server waits for a request, and for its client to read the answer.

uvicorn waits for ever for the headers and the body of a request, and for a client that does not read its answer. A
handful of such clients would take all connections. These subclasses of its protocols end them; nothing else is changed.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Collection
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheeltapper.errors import ConfigError
from wheeltapper.serving.errors import Refused
from wheeltapper.serving.limits import Limits
from wheeltapper.serving.logs import log_config, log_request

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Protocol
else:
    _Protocol = object


_LEAST_READ = 1024
"""Bytes a second that a client must read to be waited for."""


class _Deadlines(_Protocol):
    """Goes before a protocol of uvicorn."""

    limits: Limits
    _header_timer: asyncio.TimerHandle | None = None
    _body_timer: asyncio.TimerHandle | None = None
    _end_timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _since = 0.0

    def is_awaiting_headers(self) -> bool:
        """Tell whether the headers of the next request are not complete."""
        raise NotImplementedError

    def has_unread_body(self) -> bool:
        """Tell whether the body of the present request is not complete."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._header_timer = self.loop.call_later(self.limits.header_seconds, self._end_slow_headers)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_timer()
        self._stop_body_timer()
        self._stop_end_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_awaiting_headers():
            self._header_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self.is_awaiting_headers():
            self._stop_header_timer()
            self._header_bytes = 0
            self._time_body()
        elif self._header_bytes > self.limits.header_bytes:
            self._refuse(_HEADERS_TOO_LARGE)
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(self.limits.header_seconds, self._end_slow_headers)

    def _time_body(self) -> None:
        """Give a body its deadline if it did not come together with its headers, as most do."""
        if not self.has_unread_body():
            self._stop_body_timer()
        elif self._body_timer is None:
            self._body_timer = self.loop.call_later(self.limits.body_seconds, self._end_slow_body)

    def on_response_complete(self) -> None:
        self._stop_body_timer()
        # What the client still sends of a body that nobody reads must not keep the connection open.
        is_unread = self.has_unread_body()
        super().on_response_complete()
        self._since = self.loop.time()
        if is_unread:
            self.transport.close()
        if self.transport.is_closing():
            self._end_later()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._end_later()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._end_later()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_end_timer()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says it in JSON
        self._refuse(_NOT_HTTP)

    def _end_slow_headers(self) -> None:
        self._header_timer = None
        if self._header_bytes:
            text = f"The headers did not arrive within {self.limits.header_seconds:g} s."
            self._refuse(Refused(408, "slow_headers", text))
        else:
            self._close()

    def _end_slow_body(self) -> None:
        self._body_timer = None
        if not self.cycle.response_started:
            text = f"The body did not arrive within {self.limits.body_seconds:g} s."
            self._answer(Refused(408, "slow_body", text))
        self._close()

    def _make_room(self) -> None:
        """End the connection that has waited longest for a request; this one, if all others are at work."""
        others = [other for other in self.connections if isinstance(other, _Deadlines) and other is not self]
        waiting = [other for other in others if other.is_awaiting_headers() and not other.transport.is_closing()]
        if waiting:
            min(waiting, key=lambda other: other._since)._close()
        else:
            self._refuse(_FULL)

    def _refuse(self, refused: Refused) -> None:
        """Answer without the application, if no answer is under way, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self._answer(refused)
        self._close()

    def _answer(self, refused: Refused) -> None:
        request_id = secrets.token_hex(8)
        self.transport.write(_raw_answer(refused, request_id))
        log_request(
            request_id=request_id,
            method="-",
            route="-",
            status=refused.status,
            milliseconds=(self.loop.time() - self._since) * 1000,
            key=None,
            client=self.client[0] if self.client else None,
        )

    def _close(self) -> None:
        self._stop_header_timer()
        self.transport.close()
        self._end_later()

    def _end_later(self) -> None:
        """End the connection if its client stops reading what is written to it."""
        if self._end_timer is None:
            unsent = self.transport.get_write_buffer_size()
            self._end_timer = self.loop.call_later(self.limits.write_seconds, self._end_if_stuck, unsent)

    def _end_if_stuck(self, unsent_before: int) -> None:
        self._end_timer = None
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent_before - unsent >= _LEAST_READ * self.limits.write_seconds:
            self._end_later()
        else:
            self.transport.abort()

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _stop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _stop_end_timer(self) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None


def server_options(
    limits: Limits | None = None,
    *,
    proxies: Collection[str] = (),
    certificate: Path | None = None,
    private_key: Path | None = None,
) -> dict[str, Any]:
    """Return options for ``uvicorn.Config(app, host=…, port=…, **server_options(limits))``.

    Parameters
    ----------
    limits : Limits, optional
        The same as the protection of the application has.
    proxies : collection of str
        Addresses of proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed; by default none.
    certificate, private_key : Path, optional
        PEM files for TLS; the certificate's file also holds those between it and its root.

    Raises
    ------
    ConfigError
        If there is one of the two files only, or they cannot be used.
    """
    limits = limits or Limits()
    return {
        "http": protocol(limits),
        "ws": "none",
        "timeout_keep_alive": limits.idle_seconds,
        "timeout_graceful_shutdown": limits.drain_seconds,
        "h11_max_incomplete_event_size": limits.header_bytes,
        "proxy_headers": bool(proxies),
        "forwarded_allow_ips": list(proxies),
        "server_header": False,
        "access_log": False,
        "log_config": log_config(),
        **_tls_options(certificate, private_key),
    }


def _tls_options(certificate: Path | None, private_key: Path | None) -> dict[str, Any]:
    if certificate is None and private_key is None:
        return {}
    if certificate is None or private_key is None:
        raise ConfigError("TLS needs both a certificate and its private key, each a PEM file; one of them is missing.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, password="")
    except OSError as error:  # an SSLError is one, too
        raise ConfigError(
            f"TLS cannot use the certificate {certificate} with the private key {private_key}: {error}. "
            "Both must be PEM files that this user may read and that belong together; see that they are not swapped."
        ) from error
    return {"ssl_certfile": str(certificate), "ssl_keyfile": str(private_key)}


def protocol(limits: Limits) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with deadlines: that of httptools where it is installed, else that of h11."""
    try:
        return httptools_protocol(limits)
    except ImportError:
        return h11_protocol(limits)


def h11_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol on h11, with deadlines."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class H11Deadlines(_Deadlines, H11Protocol):
        def is_awaiting_headers(self) -> bool:
            return self.conn.their_state is h11.IDLE

        def has_unread_body(self) -> bool:
            return self.conn.their_state is h11.SEND_BODY

    H11Deadlines.limits = limits
    return H11Deadlines


def httptools_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol on httptools, with deadlines.

    Raises
    ------
    ImportError
        If httptools is not installed.
    """
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class HttpToolsDeadlines(_Deadlines, HttpToolsProtocol):  # type: ignore[misc]
        _is_in_headers = False

        def on_message_begin(self) -> None:
            self._is_in_headers = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._is_in_headers = False
            super().on_headers_complete()

        def is_awaiting_headers(self) -> bool:
            return self._is_in_headers or self.cycle is None or self.cycle.response_complete

        def has_unread_body(self) -> bool:
            # Where a further request has come (pipelining), `cycle` is that one, and the present one was complete.
            return not self.pipeline and self.cycle is not None and self.cycle.more_body

    HttpToolsDeadlines.limits = limits
    return HttpToolsDeadlines


_NOT_HTTP = Refused(400, "not_http", "This is not a valid HTTP request.")
_HEADERS_TOO_LARGE = Refused(431, "headers_too_large", "The request line and headers are too large.")
_FULL = Refused(503, "too_many_connections", "The service has no free connection.", headers={"retry-after": "1"})


def _raw_answer(refused: Refused, request_id: str) -> bytes:
    body = refused.body(request_id)
    headers = [*refused.raw_headers(len(body)), (b"connection", b"close"), (b"x-request-id", request_id.encode())]
    lines = [f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", body])
