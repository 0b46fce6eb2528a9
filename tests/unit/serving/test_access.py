"""Who comes in, and what they may do: over a real connection, as clients and browsers do it."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI

from tests.unit.serving.conftest import Serve, Service
from wheeltapper.errors import ConfigError
from wheeltapper.serving.access import (
    ANYONE,
    Access,
    allowed_hosts,
    is_loopback,
    plain_text_warning,
    require,
    require_safe_address,
    routes_without_scope,
)
from wheeltapper.serving.errors import Refused

READ, WRITE, DECIDE = "/v1/state/pump-07", "/v1/readings", "/v1/alarms/a1/confirm"
BODY = {"readings": [{"flow": 1.0}]}


def ask(client: httpx.Client, path: str) -> httpx.Response:
    return client.get(path) if path == READ else client.post(path, json=BODY)


@pytest.mark.parametrize("scope", ["read", "write", "decide"])
def test_a_scope_opens_its_own_routes_only(service: Service, scope: str) -> None:
    """No scope implies another; the answer names what is needed."""
    client = service.client(service.keys.create(f"only_{scope}", [scope]).text)
    for needed, path in (("read", READ), ("write", WRITE), ("decide", DECIDE)):
        answer = ask(client, path)
        if needed == scope:
            assert answer.status_code == 200
            continue
        assert answer.status_code == 403
        assert f"'{needed}'" in answer.json()["error"]["message"]
        assert f'scope="{needed}"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("path", [READ, WRITE, DECIDE, "/", "/docs", "/openapi.json", "/nothing", "/healthz/../x"])
def test_without_a_key_everything_is_closed(service: Service, path: str) -> None:
    """Also what does not exist: nobody learns what there is."""
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        answer = service.client("").request(method, path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="wheeltapper"'
        assert answer.json()["error"]["code"] == "key_needed"


def test_health_needs_no_key(service: Service) -> None:
    assert service.client("").get("/healthz").json() == {"alive": True}


def test_both_headers_are_understood(service: Service) -> None:
    """``Authorization: Bearer`` in any case, and ``X-API-Key``; both at once are one too many."""
    key = service.all_scopes
    client = service.client("")
    for headers in ({"authorization": f"bearer {key}"}, {"x-api-key": key}):
        assert client.get(READ, headers=headers).status_code == 200
    assert client.get(READ, headers={"authorization": f"Bearer {key}", "x-api-key": "wrong"}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer wt_" + "A" * 43},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "Bearer"},
        {"x-api-key": ""},
        {"x-api-key": "*"},
        {"cookie": "wheeltapper_session=abc"},
        {"cookie": "wheeltapper_session="},
    ],
)
def test_what_is_no_key_is_refused(service: Service, headers: dict[str, str]) -> None:
    assert service.client("").get(READ, headers=headers).status_code == 401


def test_the_key_itself_in_a_cookie_is_none(service: Service) -> None:
    """A cookie holds a session's id; a key there, or basic authentication with it, is not accepted."""
    client = service.client("")
    for headers in (
        {"cookie": f"wheeltapper_session={service.all_scopes}"},
        {"authorization": f"Basic {service.all_scopes}"},
    ):
        assert client.get(READ, headers=headers).status_code == 401


def test_a_key_in_an_address_is_refused_and_never_logged(service: Service) -> None:
    """Even beside the right header, so that nobody gets used to it."""
    for url in (f"{READ}?key={service.all_scopes}", f"/v1/state/{service.all_scopes}"):
        answer = service.client().get(url)
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "key_in_address"
        assert service.all_scopes not in answer.text
    assert not any(service.all_scopes in line for line in service.log.texts)


def test_revoking_and_rotating_need_no_restart(service: Service) -> None:
    """The next request counts."""
    made = service.keys.create("visitor", ["read"])
    client = service.client(made.text)
    assert client.get(READ).json()["caller"] == "visitor"
    rotated = service.keys.rotate("visitor")
    assert client.get(READ).status_code == 401
    assert service.client(rotated.text).get(READ).status_code == 200
    service.keys.revoke("visitor")
    assert service.client(rotated.text).get(READ).status_code == 401


def test_a_stream_ends_with_its_key(service: Service) -> None:
    """Who follows events hears nothing more once the key is revoked, or the person is signed out."""
    made = service.keys.create("follower", ["read"])
    page = signed_in(service)
    for client, end in (
        (service.client(made.text), lambda: service.keys.revoke("follower")),
        (page, lambda: page.delete("/v1/session", headers={"origin": service.url})),
    ):
        before = len(service.log.texts)
        with client.stream("GET", "/v1/endless/events") as answer:
            parts = answer.iter_text()
            assert "secret" in next(parts)
            end()
            with pytest.raises(httpx.RemoteProtocolError):
                for _ in parts:
                    pass
        assert service.line_of(answer)["status"] == 200
        assert not any('"failure"' in line for line in service.log.texts[before:])


def test_damaged_keys_close_the_service(serve: Serve) -> None:
    """503, not 500 and not open; the file's place is not told to clients; health still answers."""
    with serve() as service:
        service.keys.path.write_text("{")
        for answer in (service.client().get(READ), service.client("").post("/v1/session", json={"key": "wt_x"})):
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "keys_unreadable"
            assert "keys.json" not in answer.text
        assert service.client("").get("/healthz").status_code == 200


# ------------------------------------------------------------------ the page


def signed_in(service: Service, key: str | None = None) -> httpx.Client:
    client = service.client("")
    answer = client.post("/v1/session", json={"key": key or service.all_scopes}, headers={"origin": service.url})
    assert answer.status_code == 200, answer.text
    return client


def test_a_person_signs_in_once_and_out(service: Service) -> None:
    """The cookie is HttpOnly and SameSite=Strict, and holds nothing of the key; signed out, it opens nothing."""
    client = service.client("")
    answer = client.post("/v1/session", json={"key": service.all_scopes})
    assert answer.json() == {"name": "first", "scopes": ["decide", "read", "write"]}
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie and "Domain" not in cookie
    session = client.cookies["wheeltapper_session"]
    assert len(session) >= 43 and session[:10] not in service.all_scopes
    assert service.all_scopes not in answer.text + cookie
    assert client.get(READ).json()["caller"] == "first" and client.get("/v1/session").json()["name"] == "first"
    assert client.delete("/v1/session", headers={"origin": service.url}).status_code == 204
    assert "wheeltapper_session" not in client.cookies
    client.cookies.set("wheeltapper_session", session)
    assert client.get(READ).status_code == 401
    assert client.get("/v1/session").status_code == 401


def test_only_a_hash_of_the_session_is_stored(service: Service) -> None:
    session = signed_in(service).cookies["wheeltapper_session"]
    path = service.keys.path.with_name("sessions.json")
    assert session not in path.read_text() and path.stat().st_mode & 0o777 == 0o600


def test_a_session_ends_with_its_key(service: Service) -> None:
    made = service.keys.create("operator", ["read"])
    client = signed_in(service, made.text)
    assert client.get(READ).json()["caller"] == "operator"
    assert client.post(DECIDE, headers={"origin": service.url}).status_code == 403
    service.keys.revoke("operator")
    assert client.get(READ).status_code == 401


def test_a_session_survives_a_restart(serve: Serve, tmp_path: Path) -> None:
    """People need not sign in again because the service was updated."""
    with serve() as service:
        session = signed_in(service).cookies["wheeltapper_session"]
        keys = service.keys.path.read_bytes()
    service.keys.path.unlink()
    with serve() as again:
        again.keys.path.write_bytes(keys)
        client = again.client("", cookie=f"wheeltapper_session={session}")
        assert client.get(READ).json()["caller"] == "first"


def test_a_wrong_key_signs_nobody_in(service: Service) -> None:
    client = service.client("")
    for body in ({"key": "wt_" + "A" * 43}, {"key": ""}):
        answer = client.post("/v1/session", json=body)
        assert answer.status_code == 401 and not client.cookies
    answer = client.post("/v1/session", json={"key": "x" * 201})
    assert answer.status_code == 422 and "xxx" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://localhost"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_a_foreign_page_changes_nothing_with_the_cookie(service: Service, headers: dict[str, str]) -> None:
    """Another origin, another port of the same machine, or no origin at all; reading is still allowed."""
    client = signed_in(service)
    answer = client.post(DECIDE, headers=headers)
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "foreign_origin"
    assert client.delete("/v1/session", headers=headers).status_code == 403
    assert client.get(READ, headers=headers).status_code == 200


def test_our_own_page_changes_things_with_the_cookie(service: Service) -> None:
    client = signed_in(service)
    for headers in ({"origin": service.url}, {"sec-fetch-site": "same-origin"}):
        assert client.post(DECIDE, headers=headers).json() == {"by": "first"}


def test_a_foreign_page_signs_nobody_in(service: Service) -> None:
    """Else it could put its visitor into a session of the attacker's."""
    answer = service.client("").post(
        "/v1/session", json={"key": service.all_scopes}, headers={"origin": "https://evil.example"}
    )
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_a_program_with_a_key_needs_no_origin(service: Service) -> None:
    assert service.client().post(DECIDE, headers={"origin": "https://tools.example"}).status_code == 200


def test_a_foreign_host_name_is_refused(service: Service) -> None:
    """A name of the world that leads to loopback (DNS rebinding) opens nothing, with or without a key."""
    for host in ("evil.example", f"evil.example:{service.port}", "", "127.0.0.1.evil.example", "[::1"):
        for key in ("", None):
            assert service.client(key).get(READ, headers={"host": host}).status_code in {400, 421}
    for host in ("localhost", f"LOCALHOST:{service.port}", "[::1]:80", "127.0.0.1"):
        assert service.client().get(READ, headers={"host": host}).status_code == 200


def test_two_host_headers_are_refused(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(
            b"GET /v1/state/a HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\nx-api-key: "
            + service.all_scopes.encode()
            + b"\r\n\r\n"
        )
        assert connection.recv(100).split()[1] in {b"400", b"421"}


# ------------------------------------------------------------------ keys off, and where to listen


def test_with_keys_off_programs_come_in_and_foreign_pages_do_not(serve: Serve) -> None:
    """As the reference contracts run on loopback: curl needs nothing; a page of the world cannot post by a form."""
    with serve(has_keys=False) as service:
        client = service.client("")
        assert client.get(READ).json()["caller"] == "anyone"
        assert client.post(WRITE, json=BODY).status_code == 200
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert client.post(WRITE, json=BODY, headers=headers).status_code == 403
        assert client.get(READ, headers={"host": "evil.example"}).status_code == 421
        assert client.post("/v1/session", json={"key": "a"}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    require_safe_address(host, has_keys=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.168.1.4", "10.0.0.1", "8.8.8.8", "host.invalid"])
def test_without_keys_it_listens_on_loopback_only(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="Turn keys on, or listen on"):
        require_safe_address(host, has_keys=False)
    require_safe_address(host, has_keys=True)


def test_keys_in_the_clear_are_warned_of() -> None:
    assert plain_text_warning("127.0.0.1", has_tls=False) == "" == plain_text_warning("0.0.0.0", has_tls=True)
    assert "without TLS" in plain_text_warning("0.0.0.0", has_tls=False)


def test_a_name_that_also_leads_elsewhere_is_not_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address of a name counts."""
    places = [("127.0.0.1", 0), ("192.168.1.4", 0)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(None, None, None, "", place) for place in places])
    assert not is_loopback("localhost")


def test_an_origin_that_is_none_matches_no_missing_host() -> None:
    """``null`` has no host name, and neither has a request without a Host header."""
    access = Access(None)
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [(b"origin", b"null")]}
    with pytest.raises(Refused, match="another page"):
        access.admit(scope, ANYONE)


def test_elsewhere_the_operator_names_the_hosts() -> None:
    assert allowed_hosts("0.0.0.0") is None
    assert allowed_hosts("0.0.0.0", ["Plant.example"]) == {"plant.example"}
    assert allowed_hosts("127.0.0.1", ["plant.example"]) >= {"plant.example", "localhost"}


def test_a_route_that_forgot_its_scope_is_found(service: Service) -> None:
    """Also one in a router that was put into the application, whose other routes require theirs."""
    assert routes_without_scope(service.app, service.access) == []
    app, inner, guarded = FastAPI(), APIRouter(), APIRouter(dependencies=[Depends(require("read"))])

    async def nothing() -> None: ...

    app.get("/forgotten")(nothing)
    app.get("/kept", dependencies=[Depends(require("read"))])(nothing)
    app.get("/healthz")(nothing)
    inner.post("/too")(nothing)
    guarded.get("/guarded")(nothing)
    app.include_router(inner, prefix="/forgotten")
    app.include_router(guarded)
    assert routes_without_scope(app, service.access) == ["GET /forgotten", "POST /forgotten/too"]


def test_the_document_says_what_needs_a_key(service: Service) -> None:
    """`/docs` then has a button to give it."""
    document = service.client().get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert document["paths"]["/v1/readings"]["post"]["security"] == [{"key": []}]
    assert "security" not in document["paths"]["/healthz"]["get"]
    assert {"401", "403", "408", "413", "422", "429", "503"} <= set(
        document["paths"]["/v1/readings"]["post"]["responses"]
    )


def test_an_unknown_scope_is_a_mistake_of_ours() -> None:
    with pytest.raises(ConfigError, match="read, write, decide"):
        require("admin")


def test_without_its_protection_an_application_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    """A route that requires a scope stays closed if somebody forgot the middleware."""
    import asyncio

    from wheeltapper.serving import errors

    app = FastAPI()
    errors.install(app)

    @app.get("/kept", dependencies=[Depends(require("read"))])
    async def kept() -> None: ...

    async def ask() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return (await client.get("/kept")).status_code

    caplog.set_level(logging.CRITICAL)
    assert asyncio.run(ask()) == 401
