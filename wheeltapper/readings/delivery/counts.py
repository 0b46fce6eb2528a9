"""Counts of one run: how many rows arrived, how many were put aside, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass
class Counts:
    """How many rows arrived, how many were put aside, and why."""

    rows: int = 0
    quarantined: int = 0
    superseded: int = 0
    """Rows behind which another row of the same asset and time has arrived in the same run."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Broken promise → rows that were put aside for it."""
    notes: Counter[str] = field(default_factory=Counter)
    """Remark on rows that are kept → how many rows."""
    readings_by_origin: Counter[str] = field(default_factory=Counter)
    """File or query → readings of it that were kept."""
    reasons_by_origin: dict[str, Counter[str]] = field(default_factory=dict)
    """File or query → broken promise → rows of it that were put aside."""

    def add(self, rows: int, readings: pd.DataFrame, rejected: pd.DataFrame) -> None:
        """Count one delivery: the rows that arrived, the readings that were kept, and the rows put aside."""
        self.rows += rows
        self.quarantined += len(rejected)
        self.readings_by_origin.update(_frequencies(readings["origin"]))
        for origin, promises in rejected.groupby("origin")["expectation"]:
            self.reasons_by_origin.setdefault(str(origin), Counter()).update(_frequencies(promises))
        self.reasons.update(_frequencies(rejected["expectation"]))

    @property
    def kept(self) -> int:
        """How many readings there are now of the rows that arrived."""
        return self.rows - self.quarantined - self.superseded

    def lost_origins(self) -> list[str]:
        """Name each file of which no row was kept, with the most frequent reason: its machine is not watched."""
        lost = {origin: why for origin, why in self.reasons_by_origin.items() if not self.readings_by_origin[origin]}
        return [
            f"not one row of {origin} was kept: {why.total():,} put aside, most often {why.most_common(1)[0][0]}"
            for origin, why in sorted(lost.items())
        ]


def most_frequent(counts: Counter[str], length: int) -> dict[str, int]:
    """Return the most frequent entries, without those that never came; equally frequent ones by name."""
    return dict(sorted((+counts).items(), key=lambda entry: (-entry[1], entry[0]))[:length])


def _frequencies(values: pd.Series[Any]) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}
