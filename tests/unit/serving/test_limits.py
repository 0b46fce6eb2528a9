"""What one request may take, and how many there may be."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.unit.serving import conftest
from tests.unit.serving.conftest import Serve, Service, wait_for
from wheeltapper.serving import json_shape
from wheeltapper.serving.errors import Refused
from wheeltapper.serving.limits import Limits, Rates

READINGS = "/v1/readings"


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def sized(size: int) -> bytes:
    """A valid body of so many bytes."""
    start, end = b'{"readings": [{"flow": 1, "note": "', b'"}]}'
    return start + b"x" * (size - len(start) - len(end)) + end


JSON = {"content-type": "application/json"}


def read_answer(connection: socket.socket) -> bytes:
    """Return everything until the service closes."""
    connection.settimeout(20)
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


# ------------------------------------------------------------------ size


def test_a_body_may_have_the_limit_and_no_byte_more(serve: Serve) -> None:
    """With a length announced, and in chunks without one."""
    with serve(Limits(body_bytes=10_000)) as service:
        client = service.client()

        def chunks(content: bytes) -> Iterator[bytes]:
            for start in range(0, len(content), 999):
                yield content[start : start + 999]

        assert client.post(READINGS, content=sized(10_000), headers=JSON).json() == {"taken": 1}
        assert client.post(READINGS, content=chunks(sized(10_000)), headers=JSON).json() == {"taken": 1}
        for content in (sized(10_001), chunks(sized(10_001))):
            assert refusal(client.post(READINGS, content=content, headers=JSON)) == (413, "body_too_large")


def test_a_path_may_take_larger_bodies(serve: Serve) -> None:
    with serve(Limits(body_bytes=100, larger_bodies={"/readings": 1000})) as service:
        assert service.client().post(READINGS, content=sized(1000), headers=JSON).status_code == 200
        assert service.client().post(READINGS, content=sized(1001), headers=JSON).status_code == 413
        assert service.client().post("/v1/alarms/a/confirm", content=sized(101), headers=JSON).status_code == 413


def test_an_announced_giant_is_refused_before_it_is_sent(service: Service) -> None:
    """The answer comes while the client has sent nothing but headers, and the connection is closed."""
    with service.connect() as connection:
        connection.sendall(
            f"POST {READINGS} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {service.all_scopes}\r\n"
            f"content-length: {10**12}\r\nexpect: 100-continue\r\n\r\n".encode()
        )
        answer = read_answer(connection)
    assert b"HTTP/1.1 413 " in answer and b"connection: close" in answer.lower()


@pytest.mark.parametrize("key", ["known", "unknown"])
def test_an_endless_body_is_cut_off(service: Service, key: str) -> None:
    """Chunks without end: the answer is read by a client that goes on sending, then the connection is closed."""
    key = service.all_scopes if key == "known" else "wt_" + "A" * 43
    sent = 0
    with service.connect() as connection:
        connection.sendall(
            f"POST {READINGS} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )
        try:
            while sent < 200_000_000:
                connection.sendall(b"10000\r\n" + b"[" * 65536 + b"\r\n")
                sent += 65536
        except ConnectionError:
            pass
    assert sent < 60_000_000


def test_a_client_reads_why_its_large_body_was_refused(serve: Serve) -> None:
    """It sends all of its body before it looks for an answer, and takes a broken connection for a failure."""
    with serve(Limits(body_bytes=1000)) as service, service.connect() as connection:
        connection.sendall(
            f"POST {READINGS} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {service.all_scopes}\r\n"
            "content-length: 8000000\r\n\r\n".encode()
        )
        connection.sendall(b"x" * 8_000_000)
        answer = read_answer(connection)
        assert answer.startswith(b"HTTP/1.1 413 ") and b"body_too_large" in answer


def test_a_compressed_body_is_refused(service: Service) -> None:
    answer = service.client().post(READINGS, content=b"x", headers=JSON | {"content-encoding": "gzip"})
    assert refusal(answer) == (415, "compressed_body")


def test_all_bodies_together_are_limited(serve: Serve) -> None:
    """Two bodies of 6 kB that arrive at the same time are more than 10 kB: the second is told to come again."""
    with serve(Limits(body_bytes=10_000, held_bytes=10_000)) as service:
        head = f"POST {READINGS} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {service.all_scopes}\r\n"
        with service.connect() as first:
            first.sendall(f"{head}content-length: 6001\r\n\r\n".encode() + b"x" * 6000)
            client = service.client()
            wait_for(lambda: client.post(READINGS, content=sized(6000), headers=JSON).status_code == 429)
            answer = client.post(READINGS, content=sized(6000), headers=JSON)
            assert refusal(answer) == (429, "too_many_requests") and answer.headers["retry-after"] == "1"
        wait_for(lambda: client.post(READINGS, content=sized(6000), headers=JSON).status_code == 200)


def test_a_client_that_leaves_is_no_failure(service: Service) -> None:
    """It closes in the midst of its body: nothing is answered, and the log says so."""
    before = len(service.log.texts)
    with service.connect() as connection:
        connection.sendall(
            f"POST {READINGS} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {service.all_scopes}\r\n"
            "content-length: 100\r\n\r\nabc".encode()
        )
    wait_for(lambda: len(service.log.texts) > before)
    line = json.loads(service.log.texts[-1])
    assert line["status"] == 499 and "error" not in line


# ------------------------------------------------------------------ nesting


def test_nesting_is_limited(service: Service) -> None:
    """Whatever hides it: strings with brackets and escapes, missing ends, or 5 MB of nothing but brackets."""
    client = service.client()
    for content in (
        b"[" * 33,
        b"[" * 4_000_000,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b'["\\"", ' + b"[" * 33,
        b'["\\\\", ' + b"[" * 33,
        b'"' + b'\\"' * 1_000_000 + b'"' + b"[" * 33,
    ):
        assert refusal(client.post(READINGS, content=content, headers=JSON)) == (413, "nested_too_deeply")


def test_brackets_in_strings_are_no_nesting(service: Service) -> None:
    """Nor are many lists side by side."""
    client = service.client()
    note = "[" * 50 + '\\"{{' + "\\" + '"'
    body = {"readings": [{"flow": 1, "note": note}, {"flow": 2, "note": "{" * 40}] + [{"flow": 3}] * 100}
    assert client.post(READINGS, json=body).json() == {"taken": 102}


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("", 0),
        ("1", 0),
        ("[]", 1),
        ('{"a": [1, {"b": []}]}', 4),
        ("[[[", 3),
        ("]]][", 0),
        ('["]", "[", ["a"]]', 2),
        (r'["\"[[[\\", []]', 2),
        ('["[[[[', 1),
    ],
)
def test_depth_counts_what_is_open_at_once(text: str, levels: int) -> None:
    assert max(0, json_shape.depth(json_shape.without_strings(text.encode()))) == levels


def test_other_encodings_than_utf8_are_refused(service: Service) -> None:
    """Python's parser would take them, and they could hide what is looked for."""
    body = json.dumps({"readings": []})
    for encoding in ("utf-16", "utf-16-be", "utf-32", "utf-32-le"):
        answer = service.client().post(READINGS, content=body.encode(encoding), headers=JSON)
        assert refusal(answer) == (415, "not_utf8")


def test_binary_bodies_are_not_searched(service: Service) -> None:
    """A parquet file may hold any bytes; this route refuses it for its type, not for its brackets."""
    for kind in ("application/vnd.apache.parquet", "application/octet-stream"):
        answer = service.client().post(READINGS, content=b"[" * 40, headers={"content-type": kind})
        assert refusal(answer) == (422, "wrong_field")


# ------------------------------------------------------------------ rates


def test_a_key_has_a_rate_of_its_own(serve: Serve) -> None:
    """Who asks too often is told when to come again; others, and health, are not disturbed."""
    with serve(Limits(requests_per_second=0.01, burst=3)) as service:
        greedy = service.client(service.keys.create("greedy", ["read"]).text)
        answers = [greedy.get("/v1/state/a") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert refusal(answers[-1]) == (429, "too_many_requests")
        assert int(answers[-1].headers["retry-after"]) in {99, 100}
        assert service.client().get("/v1/state/a").status_code == 200
        assert [greedy.get("/healthz").status_code for _ in range(9)] == [200] * 9


def test_guessing_keys_is_slowed_down(serve: Serve) -> None:
    """By address; a right key from the same address still comes in."""
    with serve(Limits(anonymous_per_second=0.01, anonymous_burst=3)) as service:
        codes = [service.client(f"wt_{n:043}").get("/v1/state/a").status_code for n in range(5)]
        assert codes == [401, 401, 401, 429, 429]
        assert service.client("").post("/v1/session", json={"key": "wt_x"}).status_code == 429
        assert service.client().get("/v1/state/a").status_code == 200


def test_tokens_come_back_with_time() -> None:
    """Two a second: after half a second one more request passes, after a long pause as many as the burst."""
    now = 0.0
    rates = Rates(Limits(requests_per_second=2.0, burst=2), lambda: now)

    def passes() -> bool:
        try:
            rates.take("a", is_key=True)
        except Refused:
            return False
        return True

    assert [passes(), passes(), passes()] == [True, True, False]
    now = 0.5
    assert [passes(), passes()] == [True, False]
    now = 1000.0
    assert [passes(), passes(), passes()] == [True, True, False]


def test_a_million_addresses_take_no_memory() -> None:
    rates = Rates(Limits())
    for number in range(30_000):
        rates.take(str(number), is_key=False)
    assert len(rates._buckets) == 10_000


# ------------------------------------------------------------------ requests in progress


def wait_in_background(client: httpx.Client, codes: list[int]) -> threading.Thread:
    thread = threading.Thread(target=lambda: codes.append(client.get("/v1/wait").status_code))
    thread.start()
    return thread


@pytest.mark.parametrize("limits", [Limits(in_progress=2), Limits(in_progress_per_key=2)])
def test_requests_in_progress_are_bounded(serve: Serve, limits: Limits) -> None:
    """The third is told to come again and the first two are finished; their places are free again then."""
    codes: list[int] = []
    with serve(limits) as service:
        threads = [wait_in_background(service.client(), codes) for _ in range(2)]
        for _ in threads:
            assert conftest.entered.acquire(timeout=20)
        answer = service.client().get("/v1/state/a")
        assert refusal(answer) == (429, "too_many_requests") and answer.headers["retry-after"] == "1"
        assert service.client().get("/healthz").status_code == 200
        other = service.client(service.keys.create("other", ["read"]).text).get("/v1/state/a").status_code
        assert other == (429 if limits.in_progress == 2 else 200)
        conftest.leave.set()
        for thread in threads:
            thread.join()
        assert codes == [200, 200] and service.client().get("/v1/state/a").status_code == 200


def test_streams_stay_streams_and_are_bounded(serve: Serve) -> None:
    """They arrive unchanged and take no place of ordinary requests."""
    with serve(Limits(in_progress=1, streams=0)) as service:
        assert refusal(service.client().get("/v1/events")) == (429, "too_many_requests")
    service.keys.path.unlink()
    with serve(Limits(in_progress=0, streams=1)) as service:
        assert service.client().get("/v1/events").text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert service.client().get("/v1/state/a").status_code == 429
