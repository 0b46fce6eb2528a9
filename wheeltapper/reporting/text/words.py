"""Words: numbers, times and spans as a person writes them. An unknown value is written as such, never as 0 or nan."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

NOT_JUDGED = "not judged"
_THIN_SPACE = "\u202f"
_TIED = "\u00a0"
"""A space at which no line breaks: between a figure and its unit."""
INTERVAL = f"95{_TIED}% interval"


def is_known(value: Any) -> bool:
    """Tell whether there is a figure at all: neither None nor NaN, and finite."""
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with this many significant digits and a space between thousands: ``12 400``, ``0.83``, ``7``."""
    text = _rounded(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def rough(value: float | None) -> str:
    """Write a number that is only certain to two digits, such as a rate from few events: ``1.0``, ``61``."""
    return _rounded(value, 2)


def _rounded(value: float | None, digits: int) -> str:
    if value is None or not is_known(value):
        return NOT_JUDGED
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{round(value, places):,.{places}f}".replace(",", _THIN_SPACE).replace("-", "−")


def count(value: int | None) -> str:
    """Write a whole number with a space between thousands."""
    return NOT_JUDGED if value is None else f"{value:,}".replace(",", _THIN_SPACE)


def percent(value: float | None) -> str:
    """Write a share from 0 to 1 in percent; only an exact 0 or 1 is written as 0 % or 100 %."""
    if value is None or not is_known(value):
        return NOT_JUDGED
    if 0 < value < 0.001:
        return f"<{_TIED}0.1{_TIED}%"
    if 0.999 < value < 1:
        return f">{_TIED}99.9{_TIED}%"
    digits = 1 if 0 < value < 0.1 or 0.99 < value < 1 else 0
    return f"{value * 100:.{digits}f}{_TIED}%"


def between(low: float | None, high: float | None, kind: str = "number") -> str:
    """Write an interval, ``0.3 to 1.9``; empty where there is none."""
    if not is_known(low) or not is_known(high):
        return ""
    write = percent if kind == "percent" else rough
    return f"{write(low)} to {write(high)}"


def ratio(value: float | None) -> str:
    """Write a figure between 0 and 1 with three decimals, so that a column of them lines up."""
    return f"{value:.3f}" if value is not None and is_known(value) else NOT_JUDGED


def minutes(value: float | None) -> str:
    """Write a duration given in minutes: ``35 s``, ``4 min``, ``3.5 h``, ``2.1 days``."""
    if value is None or not is_known(value):
        return NOT_JUDGED
    if value < 2:
        return f"{number(value * 60, 2)}{_TIED}s"
    if value < 120:
        return f"{number(value, 2)}{_TIED}min"
    return f"{number(value / 60, 2)}{_TIED}h" if value < 48 * 60 else f"{number(value / 1440, 2)}{_TIED}days"


def spans(low: float | None, high: float | None) -> str:
    """Write the interval of a duration in minutes, to follow other words; empty where there is none."""
    if low is None or high is None or not is_known(low) or not is_known(high):
        return ""
    return f"; {INTERVAL} {minutes(low)} to {minutes(high)}"


def instant(value: datetime | pd.Timestamp | str) -> str:
    """Write an instant in UTC to the second, without seconds where they are zero."""
    moment = pd.Timestamp(value)
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    return f"{moment:%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def things(number: int, singular: str, plural: str | None = None) -> str:
    """Write ``1 fault``, ``3 faults``, ``no faults``."""
    plural = plural or f"{singular}s"
    return f"no {plural}" if number == 0 else f"{count(number)} {singular if number == 1 else plural}"


def listing(names: list[str], most: int = 12) -> str:
    """Write names with commas, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {count(len(names) - most)} more"


def spaced(name: object) -> str:
    """Write a name from a table for reading: ``bearing_wear`` becomes ``bearing wear``."""
    return str(name).replace("_", " ")


def is_address(text: str) -> bool:
    """Tell whether a text is a web or file address that is safe to click, rather than a command to type."""
    if any(letter.isspace() for letter in text) or not ("/" in text or "." in text):
        return False
    try:
        return urlsplit(text).scheme in ("", "http", "https", "file")
    except ValueError:
        return False


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names as people do: pump-2 before pump-10."""
    return sorted(names, key=_natural)


def _natural(name: str) -> tuple[list[tuple[str, int]], str]:
    return [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", name)], name
