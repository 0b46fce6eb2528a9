"""Connections that keep the service waiting: raw sockets against both of uvicorn's parsers."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.serving.conftest import Serve, Service, wait_for
from tests.unit.serving.test_limits import read_answer
from wheeltapper.errors import ConfigError
from wheeltapper.serving.deadlines import h11_protocol, httptools_protocol, server_options
from wheeltapper.serving.limits import Limits

PROTOCOLS = [
    pytest.param(h11_protocol, id="h11"),
    pytest.param(
        httptools_protocol,
        id="httptools",
        marks=pytest.mark.skipif(not importlib.util.find_spec("httptools"), reason="httptools is not installed"),
    ),
]
Protocol = Callable[[Limits], Any]


@pytest.fixture(params=PROTOCOLS)
def start(request: pytest.FixtureRequest, serve: Serve) -> Serve:
    return lambda limits, **options: serve(limits, http=request.param(limits), **options)


def drip(connection: socket.socket, content: bytes, pause: float) -> threading.Thread:
    """Send a byte now and then, until the service has enough of it."""

    def send() -> None:
        with contextlib.suppress(OSError):
            for code in content:
                connection.sendall(bytes([code]))
                time.sleep(pause)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def ask(service: Service, path: str = "/v1/state/a", more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {service.all_scopes}\r\n{more}\r\n".encode()


def read_one(connection: socket.socket) -> bytes:
    """Return one answer, up to the end of its JSON body."""
    content = b""
    while not content.endswith(b"}"):
        part = connection.recv(65536)
        assert part, content
        content += part
    return content


def test_slow_headers_are_given_up(start: Serve) -> None:
    """A byte now and then never makes a request: 408, the connection is closed, and the log says so."""
    with start(Limits(header_seconds=0.5)) as service, service.connect() as connection:
        thread = drip(connection, b"GET / HTTP/1.1\r\n" + b"x-header: value\r\n" * 100, 0.02)
        answer = read_answer(connection)
        thread.join()
    assert answer.startswith(b"HTTP/1.1 408 ") and b'"slow_headers"' in answer and b"connection: close" in answer
    assert service.requests()[-1]["status"] == 408


def test_a_slow_body_is_given_up(start: Serve) -> None:
    """A client that sends a byte now and then is answered 408; others are served meanwhile."""
    with start(Limits(body_seconds=0.5)) as service, service.connect() as connection:
        head = f"POST /v1/readings HTTP/1.1\r\nhost: localhost\r\nx-api-key: {service.all_scopes}\r\n"
        connection.sendall(f"{head}content-length: 1000000\r\n\r\n".encode())
        assert service.client().get("/v1/state/a").status_code == 200
        thread = drip(connection, b"x" * 1000, 0.02)
        answer = read_answer(connection)
        thread.join()
        assert answer.startswith(b"HTTP/1.1 408 ") and b'"slow_body"' in answer and answer.count(b"HTTP/1.1") == 1
        wait_for(lambda: [line["status"] for line in service.requests()] == [200, 408, 499])
        assert not any('"failure"' in line for line in service.log.texts)


def test_a_body_in_parts_is_taken_if_it_is_in_time(start: Serve) -> None:
    """The deadline of one request does not end the next one on its connection."""
    with start(Limits(body_seconds=0.5)) as service, service.connect() as connection:
        head = (
            f"POST /v1/readings HTTP/1.1\r\nhost: localhost\r\nx-api-key: {service.all_scopes}\r\n"
            "content-type: application/json\r\ncontent-length: 16\r\n\r\n"
        )
        for _ in range(4):
            connection.sendall(head.encode())
            time.sleep(0.1)
            connection.sendall(b'{"readings"')
            time.sleep(0.1)
            connection.sendall(b": []}")
            assert b'{"taken":0}' in read_one(connection)


def test_the_deadline_of_a_body_ends_with_it(start: Serve) -> None:
    """What the service then does with it may take longer."""
    from tests.unit.serving import conftest

    with start(Limits(body_seconds=0.3)) as service, service.connect() as connection:
        head = f"POST /v1/wait HTTP/1.1\r\nhost: localhost\r\nx-api-key: {service.all_scopes}\r\n"
        connection.sendall(f"{head}content-type: application/json\r\ncontent-length: 16\r\n\r\n".encode())
        time.sleep(0.1)
        connection.sendall(b'{"readings": []}')
        assert conftest.entered.acquire(timeout=20)
        time.sleep(0.6)
        conftest.leave.set()
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_silent_connection_is_closed(start: Serve) -> None:
    """Without a word, as nothing was asked."""
    with start(Limits(header_seconds=0.3)) as service, service.connect() as connection:
        assert read_answer(connection) == b""


def test_empty_lines_are_no_request(start: Serve) -> None:
    """The parsers skip them; the deadline does not."""
    with start(Limits(header_seconds=0.5)) as service, service.connect() as connection:
        thread = drip(connection, b"\r\n" * 2000, 0.02)
        read_answer(connection)
        thread.join()


def test_the_second_request_of_a_connection_has_a_deadline_too(start: Serve) -> None:
    with start(Limits(header_seconds=0.5)) as service, service.connect() as connection:
        connection.sendall(ask(service))
        assert read_one(connection).startswith(b"HTTP/1.1 200 ")
        thread = drip(connection, b"GET / HTTP/1.1\r\n" + b"x-header: value\r\n" * 100, 0.02)
        assert read_answer(connection).startswith(b"HTTP/1.1 408 ")
        thread.join()


def test_a_request_that_takes_longer_than_its_headers_may_is_served(start: Serve) -> None:
    """The deadline is for headers, not for what the service does, nor for the pause until the next request."""
    from tests.unit.serving import conftest

    with start(Limits(header_seconds=0.3)) as service, service.connect() as connection:
        connection.sendall(ask(service, "/v1/wait"))
        assert conftest.entered.acquire(timeout=20)
        time.sleep(0.6)
        conftest.leave.set()
        connection.settimeout(20)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.6)
        connection.sendall(ask(service))
        assert b'"asset":"a"' in read_one(connection)


def test_slow_clients_do_not_keep_others_out(start: Serve) -> None:
    """As many slow connections as there may be: whoever sends a whole request is served at once all the same."""
    with start(Limits(header_seconds=30, connections=20)) as service, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(service.connect()) for _ in range(60)]
        for connection in slow:
            with contextlib.suppress(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nhost:")
        for _ in range(5):
            assert service.client().get("/v1/state/a").status_code == 200
        assert len(service.server.server_state.connections) <= 21


def test_where_all_connections_are_at_work_another_is_told_so(start: Serve) -> None:
    from tests.unit.serving import conftest

    with start(Limits(connections=2)) as service, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(service.connect()).sendall(ask(service, "/v1/wait"))
            assert conftest.entered.acquire(timeout=20)
        answer = read_answer(stack.enter_context(service.connect()))
        assert answer.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in answer
        conftest.leave.set()


def test_large_headers_are_refused(start: Serve) -> None:
    with start(Limits(header_bytes=10_000)) as service, service.connect() as connection:
        with contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\n")
            for _ in range(100):
                connection.sendall(b"x-header: " + b"y" * 1000 + b"\r\n")
                time.sleep(0.005)
        answer = read_answer(connection)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
        assert service.client().get("/v1/state/a").status_code == 200


def test_the_headers_of_each_request_count_anew(start: Serve) -> None:
    """A connection that is kept for long is not refused for all the headers that it has sent."""
    with start(Limits(header_bytes=1000)) as service, service.connect() as connection:
        for _ in range(20):
            content = ask(service)
            connection.sendall(content[:20])
            time.sleep(0.005)
            connection.sendall(content[20:])
            assert read_one(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
    ],
)
def test_nonsense_is_answered_in_the_one_form(start: Serve, nonsense: bytes) -> None:
    with start(Limits()) as service, service.connect() as connection:
        connection.sendall(nonsense)
        answer = read_answer(connection)
    assert answer.startswith(b"HTTP/1.1 400 ") and b'"not_http"' in answer and b'"request_id"' in answer


def test_a_client_that_does_not_read_is_given_up(start: Serve) -> None:
    """50 MB of an answer, of which it takes nothing: its connection ends, and with it the request."""
    with start(Limits(write_seconds=0.5)) as service, service.connect() as connection:
        connection.sendall(ask(service, "/v1/large?size=50000000"))
        wait_for(lambda: any(line["route"] == "/v1/large" for line in service.requests()))
        wait_for(lambda: not service.server.server_state.connections)


def test_a_client_that_reads_slowly_gets_all_of_it(start: Serve) -> None:
    """It takes more than twice as long as a client may take that reads nothing; then it may ask again."""
    with start(Limits(write_seconds=0.3)) as service, service.connect() as connection:
        connection.sendall(ask(service, "/v1/large?size=30000000"))
        began, size = time.monotonic(), 0
        while size < 30_000_000:
            part = connection.recv(200_000)
            assert part
            size += len(part)
            if time.monotonic() < began + 0.8 and size < 20_000_000:
                time.sleep(0.01)
        wait_for(lambda: len(service.requests()) == 1)
        time.sleep(0.4)
        connection.sendall(ask(service))
        while b'"asset":"a"' not in part:
            part = connection.recv(65536)
            assert part


def test_the_end_of_an_answer_that_nobody_reads_is_given_up(start: Serve) -> None:
    """The service is done with it, and what is left is too little to wait for before the next is written."""
    with socket.socket() as listening, socket.socket() as connection:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with start(Limits(write_seconds=0.5, idle_seconds=1), sockets=[listening]) as service:
            connection.connect(("127.0.0.1", service.port))
            connection.sendall(ask(service, "/v1/large?size=60000"))
            wait_for(lambda: any(line["route"] == "/v1/large" for line in service.requests()))
            assert service.server.server_state.connections
            wait_for(lambda: not service.server.server_state.connections)


def test_a_refused_client_cannot_go_on_sending_its_body(start: Serve) -> None:
    """A byte of it now and then would keep the connection for hours, though it is answered already."""
    with start(Limits()) as service, service.connect() as connection:
        connection.sendall(b"POST /v1/readings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\r\n")
        thread = drip(connection, b"x" * 60_000, 0.05)
        assert read_answer(connection).startswith(b"HTTP/1.1 401 ")
        thread.join()


def test_what_is_asked_before_the_answer_is_served_in_turn(start: Serve) -> None:
    """Three requests in one packet (pipelining), the last of them in two halves."""
    with start(Limits(header_seconds=5)) as service, service.connect() as connection:
        content = ask(service) * 3
        connection.sendall(content[:-10])
        first = read_one(connection)
        connection.sendall(content[-10:])
        while first.count(b"HTTP/1.1 200 ") < 3:
            first += connection.recv(65536)


def test_a_refused_body_leaves_its_connection_usable(start: Serve) -> None:
    """The rest of the refused body comes together with the headers of the next request, whose body comes later."""
    with start(Limits(body_bytes=1000)) as service, service.connect() as connection:
        head = (
            f"POST /v1/readings HTTP/1.1\r\nhost: localhost\r\nx-api-key: {service.all_scopes}\r\n"
            "content-type: application/json\r\ncontent-length: "
        )
        connection.sendall(f"{head}40000\r\n\r\n".encode())
        assert read_one(connection).startswith(b"HTTP/1.1 413 ")
        connection.sendall(b"x" * 40000 + f"{head}16\r\n\r\n".encode())
        wait_for(lambda: len(service.requests()) == 1)
        connection.sendall(b'{"readings": []}')
        assert b'{"taken":0}' in read_one(connection)


def test_a_stop_lets_requests_end(start: Serve) -> None:
    """What is worked on is answered after the order to stop; new connections are not taken."""
    from tests.unit.serving import conftest

    with start(Limits()) as service, service.connect() as connection:
        connection.sendall(ask(service, "/v1/wait"))
        assert conftest.entered.acquire(timeout=20)
        service.server.should_exit = True
        wait_for(lambda: not service.server.servers[0].is_serving())
        conftest.leave.set()
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")


def test_over_tls_everything_is_the_same(start: Serve, tmp_path: Path) -> None:
    """Deadlines hold, and the cookie is one that only this host can set and that never goes out in the clear."""
    certificate, private_key = self_signed(tmp_path)
    tls = server_options(certificate=certificate, private_key=private_key)
    options = {name: value for name, value in tls.items() if name.startswith("ssl_")}
    trusting = ssl.create_default_context(cafile=str(certificate))
    with start(Limits(header_seconds=0.5), **options) as service:
        url = f"https://localhost:{service.port}"
        with httpx.Client(base_url=url, verify=trusting, trust_env=False) as client:
            answer = client.post("/v1/session", json={"key": service.all_scopes})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-wheeltapper_session=") and "Secure" in cookie
            assert client.post("/v1/alarms/a/confirm", headers={"origin": url}).json() == {"by": "first"}
            weak = {"cookie": "wheeltapper_session=" + client.cookies["__Host-wheeltapper_session"]}
        with httpx.Client(base_url=url, verify=trusting, trust_env=False, headers=weak) as client:
            assert client.get("/v1/session").status_code == 401
        with trusting.wrap_socket(service.connect(), server_hostname="localhost") as connection:
            thread = drip(connection, b"GET / HTTP/1.1\r\n" + b"x-header: value\r\n" * 100, 0.02)
            assert read_answer(connection).startswith(b"HTTP/1.1 408 ")
            thread.join()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for localhost, and its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "private_key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    return paths


def test_files_for_tls_are_checked_at_the_start(tmp_path: Path) -> None:
    certificate, private_key = self_signed(tmp_path)
    with pytest.raises(ConfigError, match="both"):
        server_options(certificate=certificate)
    with pytest.raises(ConfigError, match=r"missing\.pem"):
        server_options(certificate=certificate, private_key=tmp_path / "missing.pem")
    with pytest.raises(ConfigError, match="swapped"):
        server_options(certificate=private_key, private_key=certificate)
    server_options(certificate=certificate, private_key=private_key)


def test_web_sockets_are_not_spoken(start: Serve) -> None:
    """Asked to change to them, the service answers as if it had been asked for the path."""
    with start(Limits()) as service, service.connect() as connection:
        upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        connection.sendall(ask(service, more=f"{upgrade}sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))
        assert b'"asset":"a"' in read_one(connection)


def test_options_for_the_server() -> None:
    """No header that names the software, no log line with addresses, and no proxy that is believed unasked."""
    options = server_options(Limits(drain_seconds=7))
    assert options["server_header"] is False and options["access_log"] is False and options["proxy_headers"] is False
    assert options["timeout_graceful_shutdown"] == 7
    assert server_options(proxies=["10.0.0.1"])["forwarded_allow_ips"] == ["10.0.0.1"]
