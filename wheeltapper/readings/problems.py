"""Problems of rows: collected check by check; a sentence is written only for the rows that have a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

_QUOTED = 120
"""Letters of a value that a sentence quotes."""


class RowProblems:
    """Collects the problems of rows: vectorised checks mark the rows, and only for those a reason is written."""

    def __init__(self, length: int) -> None:
        self.bad: Flags = np.zeros(length, dtype=bool)
        """Which rows have a problem."""
        self._parts: list[pd.DataFrame] = []

    def add(self, where: Flags, expectation: str, describe: Callable[[NDArray[np.int64]], Iterable[str]]) -> None:
        """Note the rows in ``where``; ``describe`` turns their places into reasons."""
        places = np.flatnonzero(where)
        if len(places):
            self.bad |= where
            reasons = list(describe(places))
            self._parts.append(pd.DataFrame({"row": places, "expectation": expectation, "reason": reasons}))

    def table(self) -> pd.DataFrame:
        """Return one line for each row with a problem: the first promise that it broke, and all reasons joined."""
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
