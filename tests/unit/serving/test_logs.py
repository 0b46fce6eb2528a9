"""The log: one JSON object a line, and nothing that a client can use."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from tests.unit.serving.conftest import Service, wait_for
from wheeltapper.errors import StoreError
from wheeltapper.serving.logs import JsonLines, clean, csv_text


def test_a_request_is_one_line(service: Service) -> None:
    """With the route's template in place of the address, and the key's name in place of the key."""
    answer = service.client().get("/v1/state/pump-07?limit=2")
    line = service.line_of(answer)
    assert line["ms"] >= 0 and line["client"] == "127.0.0.1" and line["time"].endswith("+00:00")
    assert {name: line[name] for name in ("request_id", "method", "route", "status", "key", "level")} == {
        "request_id": answer.headers["x-request-id"],
        "method": "GET",
        "route": "/v1/state/{asset}",
        "status": 200,
        "key": "first",
        "level": "info",
    }
    assert "pump-07" not in json.dumps(line)


def test_the_template_is_the_whole_one(service: Service) -> None:
    """Also for a route of a router that was put below a prefix; what no route took has none."""
    assert service.line_of(service.client().get("/v2/assets/pump-07"))["route"] == "/v2/assets/{asset}"
    assert service.line_of(service.client().get("/nothing"))["route"] == "-"


def test_nothing_that_was_sent_stands_in_the_log(service: Service) -> None:
    """Neither bodies, nor addresses, nor keys, right or wrong."""
    before = len(service.log.texts)
    service.client().post("/v1/readings", json={"readings": [{"flow": 12345.5, "note": "a payload"}]})
    service.client().post("/v1/readings", json={"readings": "a payload"})
    service.client("wt_" + "B" * 43).get("/a-payload?a=payload")
    service.client("").post("/v1/session", json={"key": service.all_scopes})
    wait_for(lambda: len(service.log.texts) == before + 4)
    text = "".join(service.log.texts[before:])
    assert not any(word in text for word in ("12345", "payload", "BBBB", service.all_scopes[:12]))


def test_a_client_cannot_write_a_line_of_its_own(service: Service) -> None:
    """Line ends and commands of terminals in a method, an address or a header stay inside of one line."""
    before = len(service.log.texts)
    with service.connect() as connection:
        connection.sendall(
            b"GET /%0a%7b%22event%22:1%7d%1b[2J HTTP/1.1\r\nhost: localhost\r\nx-request-id: \x1b[2J\r\n\r\n"
        )
        connection.recv(1000)
    for line in service.log.texts[before:]:
        assert json.loads(line) and line.isascii() and line.isprintable()


def test_control_characters_are_written_out() -> None:
    record = logging.LogRecord(
        "uvicorn.error", logging.WARNING, "", 1, "a\nb\x1b[31m\u2028\u202e %s", ("wt_" + "k" * 43,), None
    )
    line = JsonLines().format(record)
    assert line.isascii() and "\n" not in line
    assert json.loads(line)["event"] == r"a\nb\x1b[31m\u2028\u202e wt_…kkkk"


def test_long_texts_are_cut() -> None:
    assert len(clean("x" * 10_000_000)) == 2001


def test_a_failure_says_where_and_not_what() -> None:
    """The message of our own errors is written for people and stays; that of others may repeat what was sent."""
    lines = []
    for error in (StoreError("no space"), KeyError("secret")):
        try:
            raise error
        except Exception as raised:
            record = logging.LogRecord("x", logging.ERROR, "", 1, "failure", (), (type(raised), raised, None))
        lines.append(json.loads(JsonLines().format(record)))
    assert (lines[0]["error"], lines[0]["message"]) == ("StoreError", "no space")
    assert (
        lines[1]["error"] == "KeyError" and "secret" not in json.dumps(lines[1]) and "test_logs.py" in lines[1]["at"][0]
    )


def test_uvicorn_writes_the_same_lines() -> None:
    """Its own access log, which would hold addresses, is off. It has a process: handlers of others are closed."""
    program = r"""
import logging.config
from wheeltapper.serving.logs import log_config
logging.config.dictConfig(log_config())
logging.getLogger("uvicorn.error").info("started\nall is well")
logging.getLogger("uvicorn.access").info("GET /?key=1")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == [r"started\nall is well"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("pump-07", "pump-07"),
        ("", ""),
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1+1", "'  =1+1"),
        ("\t=1", "'\t=1"),
        ("\n=1", "'\n=1"),
        ("＝1+1", "'＝1+1"),
        ("|calc", "'|calc"),
        ("-3.5", "-3.5"),
        ("+1e-5", "+1e-5"),
        ("-.5", "-.5"),
        ("a=1", "a=1"),
        ("seen by night shift\nagain", "seen by night shift\nagain"),
        ("a\x00b\x1bc", r"a\x00b\x1bc"),
    ],
)
def test_no_text_becomes_a_formula(text: str, cell: str) -> None:
    """Not with spaces before it, nor in full-width letters; numbers stay numbers."""
    assert csv_text(text) == cell
