"""Logs: one JSON object a line, with what happened and never with what was sent.

JSON escapes every control character and every letter beyond ASCII, so that nothing that a client sends can begin a
line of its own, or move the cursor of the terminal that shows it.
"""

from __future__ import annotations

import json
import logging
import re
import time
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii
from typing import Any

from wheeltapper.errors import WheeltapperError

LOGGER = "wheeltapper.serving"
REQUEST_ID: ContextVar[str] = ContextVar("wheeltapper_request_id", default="")
"""Id of the request that is worked on."""

_LONGEST = 2000
"""Characters of one text in a line."""
_SECRET = re.compile(r"wt_[A-Za-z0-9_-]{20,}([A-Za-z0-9_-]{4})")
_FORMULA = re.compile(r"^\s*[=+\-@＝＋－＠|%\t\r]")
_NUMBER = re.compile(r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_log = logging.getLogger(LOGGER)


class JsonLines(logging.Formatter):
    """Write log records as JSON, one a line: those of the service, and those of uvicorn."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        ready = getattr(record, "line", None)
        if ready is not None:
            return str(ready)
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": clean(record.getMessage()),
        }
        request_id = REQUEST_ID.get()
        if request_id:
            line["request_id"] = request_id
        fields = getattr(record, "fields", None)
        if fields:
            line |= {name: clean(value) if isinstance(value, str) else value for name, value in fields.items()}
        if record.exc_info and record.exc_info[1] is not None:
            line |= describe(record.exc_info[1])
        return json.dumps(line)


def log_config(level: str = "INFO") -> dict[str, Any]:
    """Return the ``log_config`` for uvicorn: everything as JSON on standard error; its own line a request is off."""
    quiet = {"handlers": ["lines"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "loggers": {
            LOGGER: quiet,
            "uvicorn": quiet,
            "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }


def log_request(
    *, request_id: str, method: str, route: str, status: int, milliseconds: float, key: str | None, client: str | None
) -> None:
    """Write the line of one request.

    Parameters
    ----------
    request_id, method : str
    route : str
        Template of the route, such as ``/v1/plants/{plant}/readings``: the address itself may carry anything.
    status : int
    milliseconds : float
        From the end of the headers to the end of the answer.
    key : str or None
        Name of the key; None for a client without one.
    client : str or None
        Address of the client.
    """
    if not _log.isEnabledFor(logging.INFO):
        return
    record = _RequestRecord()
    # Put together by hand: a line for each request, and most of them are answered in less than a millisecond.
    record.line = (
        f'{{"time": "{_time(record)}", "level": "info", "logger": "{LOGGER}", "event": "request", '
        f'"request_id": {_quoted(request_id)}, "method": {_quoted(method)}, "route": {_quoted(route)}, '
        f'"status": {status}, "ms": {milliseconds:.3f}, "key": {_quoted(key)}, "client": {_quoted(client)}}}'
    )
    _log.handle(record)


_RECORD = vars(logging.LogRecord(LOGGER, logging.INFO, "", 0, "request", (), None))


class _RequestRecord(logging.LogRecord):
    """A record that does not look for its place in the code, its process and its thread: they are always the same."""

    def __init__(self) -> None:
        vars(self).update(_RECORD)
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.line = ""


def _quoted(text: str | None) -> str:
    return "null" if text is None else encode_basestring_ascii(clean(text))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def log_failure(error: BaseException, request_id: str = "") -> None:
    """Write why a request failed: kind and place of the error, and its message only if it is one of ours."""
    fields = {"request_id": request_id} if request_id else {}
    _log.error("failure", extra={"fields": fields | describe(error)})


def describe(error: BaseException) -> dict[str, Any]:
    """Return kind and place of an error for a line of the log.

    A foreign error's message may repeat what was sent, and is left out; our own messages are written for people.
    """
    frames = traceback.extract_tb(error.__traceback__)
    content: dict[str, Any] = {
        "error": type(error).__name__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
    }
    if isinstance(error, WheeltapperError):
        content["message"] = clean(str(error))
    cause = error.__cause__ or error.__context__
    if cause is not None:
        content["caused_by"] = type(cause).__name__
    return content


def clean(text: str) -> str:
    r"""Return a text that may stand in a log: without keys, without control characters, and not too long.

    >>> print(clean("pump-07" + chr(10) + "all is well"))
    pump-07\nall is well
    """
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    if "wt_" in text:
        text = _SECRET.sub(r"wt_…\1", text)
    return text if text.isprintable() else _CONTROL.sub(_escaped, text)


def csv_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; numbers stay as they are.

    >>> csv_text("=HYPERLINK(A1)"), csv_text("-3.5"), csv_text("pump-07")
    ("'=HYPERLINK(A1)", '-3.5', 'pump-07')
    """
    text = _CONTROL.sub(lambda match: match[0] if match[0] in "\t\n\r" else _escaped(match), text)
    if _FORMULA.match(text) and not _NUMBER.match(text):
        return "'" + text
    return text


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
