"""Names in text: sorted as people do, and shortened where there are many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names as people do.

    >>> in_order(["pump-10", "pump-2"])
    ['pump-2', 'pump-10']
    """
    return sorted(names, key=_natural)


def listing(names: Sequence[str], most: int = 12) -> str:
    """Write names with commas, and how many more there are.

    >>> listing(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _natural(name: str) -> tuple[list[tuple[str, int]], str]:
    return [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", name)], name
