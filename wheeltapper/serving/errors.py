"""Errors: every refusal is one JSON answer that says what is wrong and shows nothing of the inside.

``{"error": {"code": "…", "message": "…", "field": "…"}, "request_id": "…"}``; ``field`` only where there is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from wheeltapper.errors import (
    BundleError,
    ConfigError,
    DataError,
    NoChampionError,
    NotFittedError,
    RefusedReadingError,
    SourceError,
    StoreError,
    WheeltapperError,
)
from wheeltapper.serving.logs import log_failure

RETRY_SECONDS = 5
"""When a client may try again after a 503."""
_LONGEST = 2000
"""Characters of a message."""


class ErrorContent(BaseModel):
    """What is wrong."""

    code: str = Field(description="Short name of the kind of error, for programs.", examples=["wrong_field"])
    message: str = Field(
        description="What was expected, what came and what to do.", examples=["Input should be a valid number"]
    )
    field: str | None = Field(
        None, description="Where in the request it is, if it is in one place.", examples=["readings[3].values.flow"]
    )


class ErrorAnswer(BaseModel):
    """The body of every answer with a status of 400 or above."""

    error: ErrorContent
    request_id: str = Field(description="Stands in the log of the service, too.", examples=["5f1c9a0e2b7d4c33"])


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": text}
    for status, text in {
        400: "The request is wrong.",
        401: "There is no key, or it is not accepted.",
        403: "The key is not for this.",
        408: "The request did not arrive in time.",
        413: "The body is too large or nested too deeply.",
        422: "A field is wrong.",
        429: "Too many requests; Retry-After says when to come again.",
        503: "There is no model, or nothing can be stored at the moment.",
    }.items()
}
"""For ``responses=`` of a route or router, so that the OpenAPI document names what may come."""


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """A request is answered with an error.

    Parameters
    ----------
    status : int
        400 or above.
    code : str
        Short name of the kind of error, for programs.
    message : str
        For people: what was expected, what came and what to do.
    field : str, optional
        Where in the request it is.
    headers : mapping of str to str, optional
        More headers of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field = status, code, message, field
        self.headers = dict(headers or {})

    @classmethod
    def not_found(cls, message: object) -> Refused:
        """Return the answer that something named in the address does not exist; an error's text says what."""
        return cls(404, "not_found", str(message))

    def body(self, request_id: str) -> bytes:
        """Return the JSON body of the answer."""
        error = {"code": self.code, "message": self.message[:_LONGEST]}
        if self.field is not None:
            error["field"] = self.field[:_LONGEST]
        return json.dumps({"error": error, "request_id": request_id}).encode()

    def raw_headers(self, length: int) -> list[tuple[bytes, bytes]]:
        """Return the headers of the answer as ASGI has them."""
        headers = {"content-type": "application/json", "content-length": str(length), **self.headers}
        return [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]


INTERNAL = Refused(
    500, "internal_error", "The service failed. Its log says why, under this request_id; please report both."
)


def install(app: FastAPI, answers: Mapping[type[WheeltapperError], Callable[[Any], Refused]] | None = None) -> None:
    """Give an application the handlers that answer every error in the one form.

    Parameters
    ----------
    app : FastAPI
    answers : mapping of WheeltapperError to callable, optional
        What to answer where the kind alone does not say it: ``{UnknownPlantError: Refused.not_found}``, or a function
        that takes the error and names a field.
    """
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    for error, to_refused in (answers or {}).items():
        app.add_exception_handler(error, _answering(to_refused))


def _answering(to_refused: Callable[[Any], Refused]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        return answer(to_refused(error), request_id_of(request))

    return handle


def field_path(location: Sequence[int | str]) -> str:
    """Write the place of a wrong value as a person would; what is not in the body says where it is.

    >>> field_path(("body", "readings", 3, "values", "flow"))
    'readings[3].values.flow'
    >>> field_path(("query", "limit"))
    'query.limit'
    """
    path = ""
    for part in location[1:] if location and location[0] == "body" else location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".") or "body"


def from_validation(error: RequestValidationError) -> Refused:
    """Return the answer to a request that does not have the form that the route expects.

    The values that came are left out: they may be large, secret, or not expressible in JSON (NaN).
    """
    problems = error.errors()
    first = problems[0]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        where = next((part for part in first["loc"][1:] if isinstance(part, int)), 0)
        return Refused(422, "invalid_json", f"The body is not JSON: {reason} at character {where}.", "body")
    more = len(problems) - 1
    text = str(first["msg"]) + (f" ({more} more fields are wrong)" if more else "")
    return Refused(422, "wrong_field", text, field_path(first["loc"]))


def from_http(error: HTTPException) -> Refused:
    """Return the answer to what FastAPI, or a route, refused."""
    phrase = _phrase(error.status_code)
    text = error.detail if isinstance(error.detail, str) and error.detail else phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_").replace("'", "")
    return Refused(error.status_code, code, text, headers=error.headers)


def from_wheeltapper(error: WheeltapperError) -> Refused:
    """Return the answer to what the library refused: 400 wrong request, 422 wrong field, 503 not possible now."""
    message = without_folders(str(error))
    if isinstance(error, RefusedReadingError):
        place = f"[{error.place}]" if error.place or error.field else ""
        return Refused(422, "wrong_reading", message, f"{place}.{error.field}".strip(".") or None)
    for kind, (status, code) in _KINDS.items():
        if isinstance(error, kind):
            headers = {"retry-after": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
            return Refused(status, code, message, headers=headers)
    return INTERNAL


def without_folders(text: str) -> str:
    """Shorten absolute paths to their last part: folders of the machine are nobody's business.

    >>> without_folders("/srv/plant/store/readings (90 bytes) could not be written")
    'readings (90 bytes) could not be written'
    """
    return _ABSOLUTE.sub(lambda match: match[1], text)


_ABSOLUTE = re.compile(r"(?<![\w.:/])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'\",;:()]+)+[/\\]([^\s/\\'\",;:()]+)")

_KINDS: dict[type[WheeltapperError], tuple[int, str]] = {
    NoChampionError: (503, "no_model"),
    NotFittedError: (503, "no_model"),
    BundleError: (503, "model_refused"),
    StoreError: (503, "storage_unavailable"),
    SourceError: (503, "source_unavailable"),
    ConfigError: (400, "wrong_request"),
    DataError: (400, "wrong_data"),
}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "error"


def answer(refused: Refused, request_id: str) -> Response:
    """Return a refusal as a response."""
    body = refused.body(request_id)
    response = Response(body, refused.status)
    response.raw_headers = refused.raw_headers(len(body))
    return response


def request_id_of(request: Request) -> str:
    """Return the id that the protection gave to a request; empty where there is no protection."""
    return str(getattr(request.state, "request_id", ""))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return answer(error, request_id_of(request))


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(from_validation(error), request_id_of(request))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer(from_http(error), request_id_of(request))


async def _wheeltapper(request: Request, error: Exception) -> Response:
    assert isinstance(error, WheeltapperError)
    refused = from_wheeltapper(error)
    if refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log_failure(error, request_id_of(request))
    return answer(refused, request_id_of(request))


_HANDLERS: dict[type[Exception], Any] = {
    Refused: _refused,
    RequestValidationError: _validation,
    HTTPException: _http,
    WheeltapperError: _wheeltapper,
}
