"""Spelling: which of the allowed names was probably meant by a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near_miss(name: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the allowed name that is most alike, or an empty text.

    >>> near_miss("presure", ["pressure", "flow"])
    " Did you mean 'pressure'?"
    >>> near_miss("zzz", ["pressure", "flow"])
    ''
    """
    matches = get_close_matches(name, list(allowed), n=1)
    return f" Did you mean '{matches[0]}'?" if matches else ""
