"""What is wrong with which row: collected check by check, with a sentence only where there is something to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

_QUOTED = 120
"""Letters of a value that a sentence quotes."""


class Found:
    """Collects what is wrong with which row: vectorised checks say where, and only there is a sentence written."""

    def __init__(self, length: int) -> None:
        self.bad: Flags = np.zeros(length, dtype=bool)
        self._parts: list[pd.DataFrame] = []

    def add(self, where: Flags, expectation: str, say: Callable[[NDArray[np.int64]], Iterable[str]]) -> None:
        """Note the rows in ``where``; ``say`` turns their places into reasons."""
        places = np.flatnonzero(where)
        if len(places):
            self.bad |= where
            reasons = list(say(places))
            self._parts.append(pd.DataFrame({"row": places, "expectation": expectation, "reason": reasons}))

    def table(self) -> pd.DataFrame:
        """Return one line a row: its first broken promise, and all reasons joined."""
        if not self._parts:
            return pd.DataFrame({"row": pd.Series(dtype="int64"), "expectation": "", "reason": ""}).head(0)
        parts = pd.concat(self._parts, ignore_index=True)
        if not parts["row"].duplicated().any():
            return parts.sort_values("row", kind="stable", ignore_index=True)
        grouped = parts.groupby("row")
        joined = grouped.agg(expectation=("expectation", "first"), reason=("reason", "; ".join))
        return joined.reset_index()


def short(value: Any) -> str:
    """Quote a value in a sentence; the row's content has all of it."""
    text = str(value)
    return f"'{text}'" if len(text) <= _QUOTED else f"'{text[:_QUOTED]}…' ({len(text):,} letters)"
