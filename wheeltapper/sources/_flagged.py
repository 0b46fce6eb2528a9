"""From flagged rows to faults: consecutive flagged readings of one asset are one fault."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from wheeltapper import tables


@dataclass(frozen=True)
class _Run:
    """Consecutive flagged readings of one asset, so far."""

    asset_id: str
    kind: str
    start: pd.Timestamp
    last: pd.Timestamp


class FlaggedRuns:
    """Folds flags into faults, chunk after chunk: a fault that crosses chunks comes out whole."""

    def __init__(self) -> None:
        self._open: dict[str, _Run] = {}

    def add(self, asset_id: pd.Series[str], times: pd.Series[pd.Timestamp], kind: pd.Series[str]) -> pd.DataFrame:
        """Take the next rows and return the faults that ended in them, as rows of `tables.FAULTS`.

        Parameters
        ----------
        asset_id, times, kind : Series of shape (n_rows,)
            ``kind`` is empty outside faults. Rows without a time are passed over: they neither carry nor end a fault.
        """
        frame = pd.DataFrame({"asset_id": asset_id, "time": times, "kind": kind})
        frame = frame[frame["asset_id"].notna() & frame["time"].notna()]
        frame = frame.sort_values("asset_id", kind="stable")
        changes = (frame["asset_id"] != frame["asset_id"].shift()) | (frame["kind"] != frame["kind"].shift())
        runs = frame.groupby(changes.cumsum()).agg(
            asset_id=("asset_id", "first"), kind=("kind", "first"), start=("time", "min"), last=("time", "max")
        )
        ended = [self._follow(_Run(*run)) for run in runs.itertuples(index=False, name=None)]
        return _as_table([run for run in ended if run is not None])

    def finish(self) -> pd.DataFrame:
        """Return the faults that still run where the readings end."""
        left = list(self._open.values())
        self._open = {}
        return _as_table(left)

    def _follow(self, run: _Run) -> _Run | None:
        """Lengthen the asset's open fault by this run, or replace it and return it if it has ended."""
        before = self._open.pop(run.asset_id, None)
        if before is not None and before.kind == run.kind:
            start, last = min(before.start, run.start), max(before.last, run.last)
            self._open[run.asset_id] = _Run(run.asset_id, run.kind, start, last)
            return None
        if run.kind:
            self._open[run.asset_id] = run
        return before


def _as_table(runs: Iterable[_Run]) -> pd.DataFrame:
    """Write faults as rows of `tables.FAULTS`: each ends with its last flagged reading; labels say no severity: 1."""
    rows = [(run.asset_id, run.start, run.last, run.kind, 1.0, "imported") for run in runs]
    if not rows:
        return tables.FAULTS.empty()
    frame = pd.DataFrame(rows, columns=tables.FAULTS.names())
    for column in ("start", "end"):
        frame[column] = frame[column].astype("datetime64[us, UTC]")
    # A clock that steps back can make two runs begin at the same instant; the longer one is the fault.
    frame = frame.sort_values(["asset_id", "start", "end"], kind="stable")
    return tables.FAULTS.check(frame.drop_duplicates(["asset_id", "start", "kind"], keep="last"))
