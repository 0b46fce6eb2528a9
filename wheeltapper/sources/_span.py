"""The span of time that is asked for: which rows and faults belong to it, and faults that come with a later batch."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd

from wheeltapper.sources import Batch


class Span:
    """From ``start`` (inclusive) to ``end`` (exclusive); an open side is None."""

    def __init__(self, start: datetime | None, end: datetime | None) -> None:
        self._start, self._end = start, end

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """Start (inclusive) and end (exclusive)."""
        return self._start, self._end

    @property
    def is_open_at_start(self) -> bool:
        """Tell whether the span begins with the first row there is."""
        return self._start is None

    def holds(self, times: pd.Series[Any]) -> pd.Series[bool]:
        """Say which rows belong to the span: those inside, and all without a time."""
        inside = pd.Series(True, index=times.index)
        if self._start is not None:
            inside &= ~(times < self._start)
        if self._end is not None:
            inside &= ~(times >= self._end)
        return inside

    def overlapping(self, faults: pd.DataFrame) -> pd.DataFrame:
        """Return the faults that touch the span, whole."""
        outside = pd.Series(False, index=faults.index)
        if self._start is not None:
            outside |= faults["end"] < self._start
        if self._end is not None:
            outside |= faults["start"] >= self._end
        return faults[~outside].reset_index(drop=True)


def with_faults(batch: Batch, faults: pd.DataFrame) -> Batch:
    """Return the batch with further faults."""
    if not len(faults):
        return batch
    together = pd.concat([batch.faults, faults], ignore_index=True) if len(batch.faults) else faults
    together = together.sort_values(["asset_id", "start", "end"], kind="stable")
    together = together.drop_duplicates(["asset_id", "start", "kind"], keep="last").reset_index(drop=True)
    return replace(batch, faults=together)
