"""Values of a column that grows with every insert: written as JSON, read back, and a step before one of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

_TIME = "time:"
_NUMBER = "number:"

ROWS_AGAIN = 1_000
"""Numbers that are read again: rows that were numbered earlier may become visible later."""
TIME_AGAIN = timedelta(minutes=10)
"""The same for times of insertion; a transaction should not stay open for longer."""


def as_json(value: Any) -> Any:
    """Return a plain JSON value that `from_json` turns back."""
    if isinstance(value, datetime):
        return _TIME + value.isoformat()
    return _NUMBER + str(value) if isinstance(value, Decimal) else value


def from_json(value: Any) -> Any:
    """Return the value that `as_json` wrote."""
    if isinstance(value, str) and value.startswith(_TIME):
        return datetime.fromisoformat(value.removeprefix(_TIME))
    if isinstance(value, str) and value.startswith(_NUMBER):
        return Decimal(value.removeprefix(_NUMBER))
    return value


def look_back(value: Any) -> Any:
    """Return a value a little before this one; a text, which cannot be counted back, stays as it is."""
    if isinstance(value, datetime):
        return value - TIME_AGAIN
    return value - ROWS_AGAIN if isinstance(value, int | float | Decimal) else value
