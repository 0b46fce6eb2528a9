"""What a check of a table reports; whoever stores the table is handed the check and does not know who wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from wheeltapper.config import Plant


@dataclass(frozen=True)
class Findings:
    """Which promises a table broke."""

    ok: bool
    """Whether every critical promise was kept; if not, the batch must not go on."""
    failures: tuple[str, ...]
    """The critical promises that were broken, as sentences."""
    rejected: pd.DataFrame
    """Rows to put aside, one line each: row, expectation (the first broken promise), reason (all of them)."""
    notes: tuple[str, ...]
    """Observations that change nothing, as sentences."""
    docs: Path | None = None
    """Start page of the Data Docs; None if none were written."""


class TableCheck(Protocol):
    """Checks a table of a plant before it is stored."""

    def __call__(self, rows: pd.DataFrame, plant: Plant, docs: Path | None, /) -> Findings:
        """Return what is wrong with the rows; write the Data Docs into the folder ``docs``, None writes none."""
        ...
