"""Access: who calls, and what they may do.

Everything is closed but the paths that are named open. A program sends its key with each request; a person signs in
once (`wheeltapper.serving.session_routes`), and a cookie stands for the key. Browsers send cookies by themselves, so
what is asked with a cookie must come from our own page. A key in an address is refused: addresses end up in logs.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from starlette.types import Scope

from wheeltapper.errors import ConfigError
from wheeltapper.serving.errors import RETRY_SECONDS, Refused
from wheeltapper.serving.keys import SCOPES, Key, KeyFile
from wheeltapper.serving.logs import log_failure
from wheeltapper.serving.sessions import Sessions

SESSION_PATH = "/v1/session"
HEALTH_PATHS = ("/healthz", "/readyz")
DOCS_PATHS = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/static-offline-docs/")
"""How the service is used is no secret; what it knows is."""
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
REALM = 'Bearer realm="wheeltapper"'

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY_IN_ADDRESS = re.compile(rb"wt_[A-Za-z0-9_-]{43}")
_COOKIE = "wheeltapper_session"


@dataclass(frozen=True)
class Caller:
    """Who sent a request."""

    name: str
    """Name of the key; it stands in logs and beside decisions."""
    scopes: frozenset[str]
    by_header: bool
    """The key came with the request itself; a browser does not send it by itself as it does with a cookie."""


ANYONE = Caller("anyone", frozenset(SCOPES), by_header=False)
"""Who sends a request where keys are off."""


class Access:
    """Decides who may come in.

    Parameters
    ----------
    keys : KeyFile or None
        None where keys are off, which is for loopback only (`require_safe_address`).
    sessions : Sessions, optional
        Who is signed in to the page; without it there is no page to sign in to.
    open_paths : collection of str
        Paths that need no key. One that ends with ``/`` stands for everything below it.
    hosts : collection of str, optional
        Names under which the service may be addressed (`allowed_hosts`), without ports; by default all.
    origins : collection of str
        Addresses of pages besides our own that may act for who is signed in, such as ``https://plant.example``.
    """

    def __init__(
        self,
        keys: KeyFile | None,
        sessions: Sessions | None = None,
        *,
        open_paths: Collection[str] = (*HEALTH_PATHS, SESSION_PATH),
        hosts: Collection[str] | None = None,
        origins: Collection[str] = (),
    ) -> None:
        self.keys, self.sessions = keys, sessions
        self._open = frozenset(path for path in open_paths if path == "/" or not path.endswith("/"))
        self._open_below = tuple(path for path in open_paths if path != "/" and path.endswith("/"))
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._origins = frozenset(urlsplit(origin).netloc.lower() for origin in origins)

    def identify(self, scope: Scope) -> Caller | None:
        """Return who sent a request; None if they show no key, or one that is not accepted.

        Raises
        ------
        Refused
            503 if the file of the keys cannot be used: then nobody comes in.
        """
        if self.keys is None:
            return ANYONE
        sent = _sent(scope)
        if sent.keys:
            # Two keys are one too many: nobody can tell which of them is meant.
            key = self.find_key(sent.keys[0]) if len(sent.keys) == 1 else None
            return _caller(key, by_header=True)
        if sent.session and self.sessions is not None:
            with _readable():
                return _caller(self.sessions.find(sent.session), by_header=False)
        return None

    def find_key(self, text: str) -> Key | None:
        """Return the key with this text; None if it is not accepted, or keys are off.

        Raises
        ------
        Refused
            As by `identify`.
        """
        with _readable():
            return None if self.keys is None else self.keys.find(text)

    def admit(self, scope: Scope, caller: Caller | None) -> None:
        """Refuse a request that may not come in.

        Raises
        ------
        Refused
            400 for a key in the address, 401 without a key, 403 from a foreign page, 421 for a foreign host name.
        """
        if _KEY_IN_ADDRESS.search(scope["query_string"]) or _KEY_IN_ADDRESS.search(scope["path"].encode()):
            raise Refused(
                400,
                "key_in_address",
                "There is a key in the address, where logs and histories keep it. Send it in the header "
                "'Authorization: Bearer …', and replace it: wheeltapper keys rotate NAME",
            )
        self._require_host(scope)
        if caller is None and not self.is_open(scope["path"]):
            raise unauthorized(was_sent=bool(_sent(scope).keys or _sent(scope).session))
        if scope["method"] not in _SAFE and not (caller is not None and caller.by_header):
            self._require_own_page(scope, is_signed_in=caller is not None and self.keys is not None)

    def is_open(self, path: str) -> bool:
        """Tell whether a path needs no key."""
        return path in self._open or path.startswith(self._open_below)

    def _require_host(self, scope: Scope) -> None:
        if self._hosts is None:
            return
        host = _host_name(_header(scope, b"host"))
        if host not in self._hosts:
            raise Refused(
                421,
                "wrong_host",
                "This service does not answer under that host name. Use one of: " + ", ".join(sorted(self._hosts)),
            )

    def _require_own_page(self, scope: Scope, is_signed_in: bool) -> None:
        origin = _header(scope, b"origin")
        if origin:
            netloc = urlsplit(origin).netloc.lower()
            is_own = bool(netloc) and (netloc == _header(scope, b"host").lower() or netloc in self._origins)
        else:
            site = _header(scope, b"sec-fetch-site")
            # Without a cookie a request that no browser made is as good as any other.
            is_own = site == "same-origin" or (not site and not is_signed_in)
        if not is_own:
            raise Refused(
                403,
                "foreign_origin",
                "This was asked from another page than that of this service. Programs send a key in the header "
                "'Authorization: Bearer …' instead of a cookie; behind a proxy, let it pass on the Host header.",
            )


class Require(SecurityBase):
    """A FastAPI dependency that lets callers with a scope pass, and returns who they are; made by `require`.

    FastAPI sees a security scheme in it, so that the OpenAPI document says which routes need a key.
    """

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.scheme_name = "key"
        self.model = HTTPBearerModel(
            description="An API key, here or in the header `X-API-Key`. Its scopes say what it is for: read (scores, "
            "alarms, models), write (send readings), decide (answer alarms)."
        )

    async def __call__(self, request: Request) -> Caller:
        """Return who sent a request.

        Raises
        ------
        Refused
            401 without a key, 403 without the scope.
        """
        caller = caller_of(request)
        if self.scope in caller.scopes:
            return caller
        raise Refused(
            403,
            "scope_missing",
            f"The key '{caller.name}' is not for this: the scope '{self.scope}' is needed "
            f"(it has: {', '.join(sorted(caller.scopes))}).",
            headers={"www-authenticate": f'{REALM}, error="insufficient_scope", scope="{self.scope}"'},
        )


def require(scope: str) -> Require:
    """Return a dependency that lets callers with a scope pass, and returns who they are.

    For a route ``caller: Annotated[Caller, Depends(require("decide"))]``, for a whole router
    ``APIRouter(dependencies=[Depends(require("read"))])``.

    Raises
    ------
    ConfigError
        If there is no such scope.
    """
    if scope not in SCOPES:
        raise ConfigError(f"expected one of the scopes {', '.join(SCOPES)}, got {scope!r}")
    return Require(scope)


def caller_of(request: Request) -> Caller:
    """Return who sent a request.

    Raises
    ------
    Refused
        401 if nobody is known, also where the application runs without its protection.
    """
    caller = getattr(request.state, "caller", None)
    if caller is None:
        raise unauthorized(was_sent=False)
    assert isinstance(caller, Caller)
    return caller


def unauthorized(was_sent: bool) -> Refused:
    """Return the answer to a request without a key that is accepted."""
    if was_sent:
        text = "This key, or this session, is not accepted: it is wrong, was revoked, or has ended."
        headers = {"www-authenticate": f'{REALM}, error="invalid_token"'}
    else:
        text = "A key is needed. Send it in the header 'Authorization: Bearer …' or 'X-API-Key: …'."
        headers = {"www-authenticate": REALM}
    return Refused(401, "key_needed", text, headers=headers)


def cookie_name(scheme: str) -> str:
    """Return the name of the session's cookie; over TLS, one that no other host can set."""
    return f"__Host-{_COOKIE}" if scheme == "https" else _COOKIE


def session_of(scope: Scope) -> str:
    """Return the session's id that came with a request; empty if there is none."""
    return _sent(scope).session


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on can be reached from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0"), is_loopback("")
    (True, False, False)
    """
    if not host:
        return False
    addresses = list(_addresses(host))
    return bool(addresses) and all(address.is_loopback for address in addresses)


def require_safe_address(host: str, has_keys: bool) -> None:
    """Refuse to listen where others can reach the service, unless they need a key.

    Raises
    ------
    ConfigError
    """
    if not has_keys and not is_loopback(host):
        raise ConfigError(
            f"without keys the service listens on this machine only, not on {host or 'every address'}. "
            "Turn keys on, or listen on 127.0.0.1."
        )


def plain_text_warning(host: str, has_tls: bool) -> str:
    """Return what to tell the operator if keys cross a network in the clear; empty if they do not."""
    if has_tls or is_loopback(host):
        return ""
    return (
        f"The service listens on {host or 'every address'} without TLS: whoever can listen to that network reads keys "
        "and readings. Give a certificate and its private key, or listen on 127.0.0.1 behind a proxy that has them."
    )


def allowed_hosts(host: str, more: Collection[str] = ()) -> frozenset[str] | None:
    """Return the host names under which a service that listens on an address may be addressed.

    On loopback these are the names of loopback, so that no page of the world can reach it by a name of its own that
    leads here (DNS rebinding). Elsewhere it is what the operator names; None, which is all, if they name nothing.
    """
    if is_loopback(host):
        return LOOPBACK_HOSTS | {host.lower().strip("[]"), *(name.lower() for name in more)}
    return frozenset(name.lower() for name in more) or None


def routes_without_scope(app: FastAPI, access: Access) -> list[str]:
    """Return the documented routes that neither require a scope nor are open: somebody forgot `require`."""
    return [
        f"{method.upper()} {path}"
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if not access.is_open(path) and not operation.get("security")
    ]


@contextmanager
def _readable() -> Iterator[None]:
    """Answer 503 if a file of keys or sessions cannot be used: then nobody comes in."""
    try:
        yield
    except (ConfigError, OSError) as error:
        log_failure(error)
        retry = {"retry-after": str(RETRY_SECONDS)}
        text = "The keys of this service cannot be read. Its log says why."
        raise Refused(503, "keys_unreadable", text, headers=retry) from error


class _Sent(NamedTuple):
    """What a request shows of who sent it."""

    keys: list[str]
    session: str


def _sent(scope: Scope) -> _Sent:
    keys, session, session_cookie = list[str](), "", cookie_name(scope["scheme"])
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, text = value.decode("latin-1").partition(" ")
            keys.append(text.strip() if kind.lower() == "bearer" else "")
        elif name == b"x-api-key":
            keys.append(value.decode("latin-1").strip())
        elif name == b"cookie":
            session = _cookie(value.decode("latin-1"), session_cookie) or session
    return _Sent(keys, session)


def _cookie(header: str, cookie: str) -> str:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == cookie:
            return value
    return ""


def _caller(key: Key | None, by_header: bool) -> Caller | None:
    return None if key is None else Caller(key.name, key.scopes, by_header)


def _header(scope: Scope, header: bytes) -> str:
    """Return a header; empty if it is missing, or if there are several of which one could hide another."""
    values = [value for name, value in scope["headers"] if name == header]
    return values[0].decode("latin-1").strip() if len(values) == 1 else ""


def _host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _addresses(host: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        addresses = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for *_, place in addresses:
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        yield mapped or address
