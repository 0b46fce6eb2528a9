"""What to compute of the table of features: all of it or a span of time, cut into parts that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pandas as pd

from wheeltapper import tables
from wheeltapper.config import Settings
from wheeltapper.errors import DataError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.store import Ref, Store
from wheeltapper.workspace import Workspace

PART_ROWS = 400_000
"""Readings in a part, about."""
APART = timedelta(days=1)
"""New readings further apart than this are taken in one stretch of time after the other."""
PART_VALUES = 20_000_000
"""Values of feature rows in a part, at the most: 160 MB, and a few copies of them on their way into the table."""

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class FeaturePart:
    """The windows that end in a span of time, or a share of the assets' windows there."""

    name: str
    """Names the folder of its Data Docs."""
    start: datetime | None = None
    """First instant at which a window may end; None for the beginning."""
    end: datetime | None = None
    """First instant at which no window may end any more; None for the end."""
    share: int = 0
    """Which share of the assets it holds, from 0."""
    shares: int = 1
    """Into how many shares the assets are divided."""
    assets: tuple[str, ...] | None = None
    """The machines whose windows it holds; None for all."""


@dataclass(frozen=True)
class FeatureJob:
    """What is to be computed, and from which readings."""

    readings: Ref
    plan: str
    """Hash of the feature plan."""
    is_whole: bool
    """Whether the parts together replace the whole table."""
    completes: bool
    """Whether the table then holds all windows of these readings."""
    parts: tuple[FeaturePart, ...]


def plan_job(space: Workspace, start: datetime | None = None, end: datetime | None = None) -> FeatureJob:
    """Plan what is to be computed: all windows if the feature plan is new, else those that hold a new reading.

    Parameters
    ----------
    space : Workspace
    start, end : datetime with a time zone, optional
        A short cut: only windows of readings in this span. If the feature plan has changed, every row is computed.

    Raises
    ------
    DataError
        If there are no readings.
    """
    plan = FeaturePlan.of(space.plant)
    computed_from = space.store.made_from(tables.FEATURES).get(tables.READINGS.name)
    if computed_from is None or stored_plan(space.store) != plan.hash:
        return plan_whole(space)
    if start is not None or end is not None:
        parts = _parts_reached(space, plan, start, end, None)
        return FeatureJob(space.store.ref(tables.READINGS), plan.hash, False, False, tuple(parts))
    readings = space.store.ref(tables.READINGS)  # first: what arrives meanwhile is new to the next run
    changed = space.store.changes(tables.READINGS, computed_from)
    parts = (
        part
        for stretch in _stretches(changed, APART + plan.needed_before + plan.needed_after)
        for part in _parts_reached(space, plan, *stretch)
    )
    return FeatureJob(readings, plan.hash, False, True, tuple(parts))


def _parts_reached(
    space: Workspace,
    plan: FeaturePlan,
    start: datetime | None,
    end: datetime | None,
    assets: tuple[str, ...] | None,
) -> Iterator[FeaturePart]:
    """Yield the parts that hold all windows that readings in a span are part of.

    A reading is part of the windows that end after it, too, and on a grid it shows that an earlier cell is over.
    """
    first = start - plan.needed_after if start is not None else None
    until = end + plan.needed_before if end is not None else None
    return (replace(part, assets=assets) for part in _spans(space, plan, first, until))


def _stretches(keys: pd.DataFrame, pause: timedelta) -> Iterator[tuple[datetime, datetime, tuple[str, ...]]]:
    """Yield first instant, first instant after it, and machines of readings that lie near each other in time."""
    for part in cut_at_pauses(keys, "timestamp", pause):
        times = part["timestamp"]
        yield times.iloc[0], times.iloc[-1] + _TICK, tuple(sorted(set(part["asset_id"])))


def cut_at_pauses(keys: pd.DataFrame, time: str, pause: timedelta) -> Iterator[pd.DataFrame]:
    """Cut keys, in the order of their time, wherever a longer pause lies between two.

    Parameters
    ----------
    keys : DataFrame with the columns asset_id and ``time``
    time : str
        Name of the column with the times.
    pause : timedelta
        The longest pause inside a part.
    """
    keys = keys[["asset_id", time]].sort_values(time, ignore_index=True)
    for _, part in keys.groupby((keys[time].diff() > pause).cumsum()):
        yield part


def plan_whole(space: Workspace) -> FeatureJob:
    """Plan to compute the whole table.

    Raises
    ------
    DataError
        If there are no readings.
    """
    plan = FeaturePlan.of(space.plant)
    parts = tuple(part for span in _spans(space, plan) for part in _shares(span))
    if not parts:
        raise DataError(f"{space.plant.name} has no readings yet. Run: wheeltapper ingest {space.to_type}")
    return FeatureJob(space.store.ref(tables.READINGS), plan.hash, True, True, parts)


def stored_plan(store: Store) -> str | None:
    """Return the hash of the plan that the stored feature rows follow; None if there are none.

    All rows follow one plan, as a new plan replaces the whole table, so one row is read.
    """
    periods = store.sizes(tables.FEATURES)
    if not periods:
        return None
    _, last, _ = periods[-1]
    rows = store.read(tables.FEATURES, columns=["plan"], start=last, end=last + _TICK)
    return str(rows["plan"].iloc[0])


def _spans(
    space: Workspace, plan: FeaturePlan, start: datetime | None = None, end: datetime | None = None
) -> Iterator[FeaturePart]:
    """Cut the time of the readings, or of a span, into parts of some size: where the table's files are cut, or finer.

    A row of 4000 features takes as much memory as 400 rows of ten, so what counts is the number of values.
    """
    most_readings = max(1, PART_VALUES // len(plan.columns) * plan.windows.every)
    part_rows = min(PART_ROWS, most_readings)
    cuts, rows = list[datetime](), 0.0
    for first, last, size in _pieces(space, most_readings):
        if (start is not None and last < start) or (end is not None and first >= end):
            continue
        if rows and rows + size > part_rows:
            cuts.append(first)
            rows = 0.0
        rows += size
    if not rows:
        return
    for number, (begin, until) in enumerate(zip([start, *cuts], [*cuts, end], strict=True), start=1):
        yield FeaturePart("features" if number == 1 else f"features_{number}", begin, until)


def _pieces(space: Workspace, most_readings: int) -> Iterator[tuple[datetime, datetime, float]]:
    """Yield first time, last time and number of readings of each file; a file with too many in even pieces."""
    for first, last, size in space.store.sizes(tables.READINGS):
        count = max(1, -(-size // most_readings))
        step = (last - first) / count
        for piece in range(count):
            yield first + piece * step, last if piece == count - 1 else first + (piece + 1) * step, size / count


def _shares(part: FeaturePart) -> Iterator[FeaturePart]:
    """Divide a part by assets, so that the workers of a cluster can share it."""
    settings = Settings()
    shares = settings.workers if settings.runner == "dask" else 1
    for share in range(shares):
        name = part.name if shares == 1 else f"{part.name}_share_{share + 1}"
        yield replace(part, name=name, share=share, shares=shares)
