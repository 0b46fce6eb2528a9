"""JSON shape: what is wrong with a body can be seen before it is parsed, at the speed of C.

Only what stands outside of strings counts. What is not JSON at all is left to the parser, which says where.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from wheeltapper.serving.errors import Refused, field_path

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
"""A string, or the rest of the body where its end is missing. It never looks at a byte twice."""
_NOT_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_MAYBE_NOT_FINITE = re.compile(rb"NaN|Infinity|[eE]\+?0*\d{3}|\d{300}")
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1


def require_plain(body: bytes, most_levels: int) -> None:
    """Refuse a body that is nested too deeply, or holds a number that is none.

    Parameters
    ----------
    body : bytes
        The JSON text of a request.
    most_levels : int
        Levels of lists and objects.

    Raises
    ------
    Refused
        413 if it is nested too deeply; 422 with the field's path for NaN, an infinity or a number beyond what a
        computer's number can be; 415 if it is not UTF-8.
    """
    if b"\0" in body[:4]:
        raise Refused(415, "not_utf8", "JSON is sent as UTF-8; this body looks like UTF-16 or UTF-32.", "body")
    may_be_deep = body.count(b"[") + body.count(b"{") > most_levels
    may_be_infinite = _MAYBE_NOT_FINITE.search(body) is not None
    if not may_be_deep and not may_be_infinite:
        return
    outside = without_strings(body)
    if may_be_deep and depth(outside) > most_levels:
        raise Refused(413, "nested_too_deeply", f"The body has more than {most_levels} levels of nesting.", "body")
    if may_be_infinite and _MAYBE_NOT_FINITE.search(outside):
        _require_finite(body)


def without_strings(body: bytes) -> bytes:
    """Return what stands outside of strings.

    >>> without_strings(b'{"a[": [1, "]"]}')
    b'{: [1, ]}'
    """
    if b"\\" in body:
        return _STRING.sub(b"", body)
    return b"".join(body.split(b'"')[::2])


def depth(outside: bytes) -> int:
    """Return how many levels of brackets are open at most.

    >>> depth(b"[{},[[]]]")
    3
    """
    brackets = np.frombuffer(outside.translate(None, _NOT_BRACKETS), np.uint8)
    return int(np.cumsum(_STEP[brackets], dtype=np.int64).max(initial=0))


def _require_finite(body: bytes) -> None:
    try:
        content = json.loads(body)
    except ValueError:  # the parser of the application says where it is wrong
        return
    place = _first_not_finite(content, ("body",))
    if place is not None:
        path, value = place
        raise Refused(
            422, "not_a_number", f"{value} is no number that can be measured. Leave a missing value out.", path
        )


def _first_not_finite(content: Any, place: tuple[int | str, ...]) -> tuple[str, float] | None:
    if isinstance(content, float) and not math.isfinite(content):
        return field_path(place), content
    parts: Any = ()
    if isinstance(content, dict):
        parts = content.items()
    elif isinstance(content, list):
        parts = enumerate(content)
    for name, part in parts:
        found = _first_not_finite(part, (*place, name))
        if found is not None:
            return found
    return None
