"""The feature rows that a bundle scores, and which of them are new: stored ones, or computed where its plan differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import pandas as pd

from wheeltapper import tables
from wheeltapper.features.compute import compute, empty, select
from wheeltapper.features.job import cut_at_pauses, stored_plan
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.tables import Table
from wheeltapper.workspace import Workspace

AT_ONCE = 20_000_000
"""Feature values in memory at once, about: longer times are read in parts."""
APART = timedelta(days=1)
"""Changed windows further apart than this are read one stretch after the other."""

_TICK = pd.Timedelta(1, "us")


@dataclass(frozen=True)
class Stretch:
    """A time in which windows have changed."""

    start: pd.Timestamp
    end: pd.Timestamp
    """First instant that no longer belongs to it."""
    assets: list[str]
    keys: pd.DataFrame | None
    """Columns asset_id, window_end: the windows that are new, have changed or no longer exist; None for all in it."""

    def only_changed(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Keep the rows of windows that have changed; ``rows`` are windows of the stretch."""
        if self.keys is None:
            return rows
        return rows.merge(self.keys, on=list(self.keys.columns))


class WindowRows:
    """The windows of a plant, as the plan of one bundle describes them."""

    def __init__(self, space: Workspace, bundle: Bundle) -> None:
        self._space, self._bundle, self._store = space, bundle, space.store

    @cached_property
    def is_stored(self) -> bool:
        """Whether the table of features has the columns that the bundle needs; else they are computed from readings."""
        whole = FeaturePlan.of(self._space.plant)
        plan, stored = self._bundle.plan, self._newest_plan
        return stored == plan.hash or (stored == whole.hash and plan.is_part_of(whole))

    @property
    def table(self) -> Table:
        """The table that is followed: its new rows are the new windows, or decide which windows are new."""
        return tables.FEATURES if self.is_stored else tables.READINGS

    def read(self, start: pd.Timestamp | None, end: pd.Timestamp | None, assets: list[str] | None) -> pd.DataFrame:
        """Return the rows of windows that end in a span, with the columns of the bundle's plan, by asset and time."""
        plan = self._bundle.plan
        if self.is_stored:
            columns = [*tables.FEATURES.names(), *plan.columns]
            rows = self._store.read(tables.FEATURES, columns=columns, start=start, end=end, assets=assets)
            return rows if self._newest_plan == plan.hash else select(plan, rows)
        readings = self._store.read(
            tables.READINGS,
            columns=["asset_id", "timestamp", "regime", *plan.sensors],
            start=None if start is None else start - plan.needed_before,
            end=None if end is None else end + plan.needed_after,
            assets=assets,
        )
        rows = compute(plan, readings) if len(readings) else empty(plan)
        is_inside = pd.Series(True, index=rows.index)
        if start is not None:
            is_inside &= rows["window_end"] >= start
        if end is not None:
            is_inside &= rows["window_end"] < end
        return rows[is_inside].reset_index(drop=True)

    def parts(
        self, assets: list[str], start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> Iterator[pd.DataFrame]:
        """Yield the rows of some assets, one part of a span after the other, so that no part takes much memory."""
        most = max(1, AT_ONCE // len(self._bundle.plan.columns))
        rows = 0
        for first, last, size in self._store.sizes(self.table):
            if (start is not None and last < start) or (end is not None and first >= end):
                continue
            if rows and rows + size > most:
                yield self.read(start, pd.Timestamp(first), assets)
                start, rows = pd.Timestamp(first), 0
            rows += size
        yield self.read(start, end, assets)

    def changed(self, since: int) -> list[Stretch]:
        """Return the windows that may differ from those at an earlier version of `table`, in stretches of time."""
        keys = self._store.changes(self.table, since)
        if self.is_stored:
            return [
                Stretch(part["window_end"].iloc[0], part["window_end"].iloc[-1] + _TICK, _assets(part), part)
                for part in cut_at_pauses(keys, "window_end", APART)
            ]
        before, after = self._bundle.plan.needed_after, self._bundle.plan.needed_before
        return [
            Stretch(part["timestamp"].iloc[0] - before, part["timestamp"].iloc[-1] + after + _TICK, _assets(part), None)
            for part in cut_at_pauses(keys, "timestamp", APART + before + after)
        ]

    @cached_property
    def _newest_plan(self) -> str | None:
        return stored_plan(self._store)


def _assets(keys: pd.DataFrame) -> list[str]:
    return [str(asset) for asset in keys["asset_id"].unique()]


def near_in_time(spans: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Cut spans, with columns start and end, into groups between which there is a long pause."""
    spans = spans.sort_values("start", ignore_index=True)
    latest_end = spans["end"].cummax().shift()
    for _, part in spans.groupby((spans["start"] - latest_end > APART).cumsum()):
        yield part
