"""Requests to a server that answers, refuses, or is not Prefect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from wheeltapper.errors import WheeltapperError
from wheeltapper.station.prefect_api import PrefectApi

ANSWERS = {
    "/api/health": (200, b"true"),
    "/api/refused": (409, b"a pool of that name exists"),
    "/api/nothing": (204, b""),
    "/other/health": (200, b"<html>another program</html>"),
    "/closed/health": (401, b"who are you?"),
}


class _Handler(BaseHTTPRequestHandler):
    """Gives the answers above; a POST comes back as it was sent."""

    def do_GET(self) -> None:
        self._answer(*ANSWERS[self.path])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, json.dumps([self.path, json.loads(body)]).encode())

    def _answer(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the terminal free."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_request_with_a_body_is_a_post(address: str) -> None:
    """The body arrives as JSON, the answer comes back as Python's values; an empty answer is None."""
    api = PrefectApi(f"{address}/api/")
    assert api.request("flows/filter", {"limit": 200}) == ["/api/flows/filter", {"limit": 200}]
    assert api.request("health") is True
    assert api.request("nothing") is None


def test_a_refusal_holds_the_server_s_answer(address: str) -> None:
    """Code and text of the refusal are in the message."""
    with pytest.raises(WheeltapperError, match="refused GET refused: 409 a pool of that name exists"):
        PrefectApi(f"{address}/api").request("refused")


def test_another_program_is_not_taken_for_prefect(address: str) -> None:
    """An answer that is not JSON does not come from Prefect."""
    with pytest.raises(WheeltapperError, match="does not answer health"):
        PrefectApi(f"{address}/other").request("health")


@pytest.mark.parametrize(
    ("place", "answers"), [("/api", True), ("/closed", True), ("/other", False), (":no-port", False)]
)
def test_a_server_answers_or_does_not(address: str, place: str, answers: bool) -> None:
    """A refusal is an answer; a page of another program and an address that is none are not."""
    assert PrefectApi(f"{address}{place}").answers() is answers
