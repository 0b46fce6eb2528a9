"""JSON shape: what is wrong with a body can be seen before it is parsed, and in less time.

Only what stands outside of strings counts. What is not JSON at all is left to the parser, which says where.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from wheeltapper.serving.errors import Refused, field_path

_NOT_FINITE = re.compile(rb"NaN|Infinity|[eE]\+?0*[1-9]\d{2}|\d{300}")
"""What Python's parser takes for NaN or an infinity, or may take for one: 1.8e308 is the largest number."""
_EXPONENT = re.compile(rb"[eE][+\d]")
_SHORT = 2000
"""Bytes."""
_BLOCK = 150
"""Bytes; among 300 digits in a row there is a whole block of them."""
_NEITHER_BRACKETS_NOR_QUOTES = bytes(code for code in range(256) if code not in b'[]{}"')
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
    if body.count(b"[") + body.count(b"{") > most_levels and depth(body) > most_levels:
        raise Refused(413, "nested_too_deeply", f"The body has more than {most_levels} levels of nesting.", "body")
    if _may_hold_what_is_no_number(body) and _NOT_FINITE.search(without_strings(body)):
        _require_finite(body)


def depth(body: bytes) -> int:
    """Return how many lists and objects are open at once, at most.

    >>> depth(b'[{}, [["]"]]]')
    3
    """
    marks = _without_escapes(body).translate(None, _NEITHER_BRACKETS_NOR_QUOTES)
    # Two quotes with nothing between them open and close nothing: mostly none are left, and nothing is to be cut out.
    outside = without_strings(marks.replace(b'""', b""))
    steps = _STEP[np.frombuffer(outside, np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def without_strings(body: bytes) -> bytes:
    """Return what stands outside of strings; a string without an end reaches to the end of the body.

    >>> without_strings(b'{"a[": [1, "]"]}')
    b'{: [1, ]}'
    """
    return b"".join(_without_escapes(body).split(b'"')[::2])


def _without_escapes(body: bytes) -> bytes:
    """Return a body in which every quote begins or ends a string."""
    return body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body


def _may_hold_what_is_no_number(body: bytes) -> bool:
    """Tell whether it is worth the time to look closer."""
    if b"NaN" in body or b"Infinity" in body:
        return True
    if _has_exponent(body):
        return True
    return any(body[start : start + _BLOCK].isdigit() for start in range(0, len(body) - _BLOCK, _BLOCK))


def _has_exponent(body: bytes) -> bool:
    if len(body) < _SHORT:  # where the expression is faster than what goes before NumPy's loops
        return _EXPONENT.search(body) is not None
    codes = np.frombuffer(body, np.uint8)
    is_e, after = (codes[:-1] | 32) == ord("e"), codes[1:]
    return bool((is_e & ((after - np.uint8(ord("0")) < 10) | (after == ord("+")))).any())


def _require_finite(body: bytes) -> None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):  # the parser of the application says where it is wrong
        return
    place = _first_not_finite(content, ("body",))
    if place is not None:
        path, value = place
        text = f"{value} is no number that can be measured. Leave a missing value out, or send null."
        raise Refused(422, "not_a_number", text, path)


def _first_not_finite(content: Any, place: tuple[int | str, ...]) -> tuple[str, float] | None:
    if isinstance(content, float) and not math.isfinite(content):
        return field_path(place), content
    parts: Any = ()
    if isinstance(content, dict):
        parts = content.items()
    elif isinstance(content, list):
        parts = enumerate(content)
    for name, part in parts:
        place_in_part = _first_not_finite(part, (*place, name))
        if place_in_part is not None:
            return place_in_part
    return None
