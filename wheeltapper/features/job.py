"""What is to be computed of the table of features: all of it or a span of time, cut into parts that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from wheeltapper import tables
from wheeltapper.config import Settings
from wheeltapper.errors import DataError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.store import Ref
from wheeltapper.workspace import Workspace

PART_ROWS = 400_000
"""Readings in a part, about."""
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
    if computed_from is None or not _is_stored_plan(space, plan):
        return plan_whole(space)
    completes = start is None and end is None
    job = FeatureJob(space.store.ref(tables.READINGS), plan.hash, False, completes, ())
    if completes:
        changed = space.store.changed(tables.READINGS, computed_from)
        if changed is None:
            return job
        start, end = changed[0], changed[1] + _TICK
    # A reading is part of the windows that end after it, too, and on a grid it shows that an earlier cell is over.
    first = start - plan.needed_after if start is not None else None
    until = end + plan.needed_before if end is not None else None
    return replace(job, parts=tuple(_spans(space, plan, first, until)))


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


def _is_stored_plan(space: Workspace, plan: FeaturePlan) -> bool:
    """Tell whether the stored feature rows were computed with this plan."""
    if space.store.version(tables.FEATURES) is None:
        return False
    stored = space.store.read(tables.FEATURES, columns=["plan"])
    return set(stored["plan"].unique()) == {plan.hash}


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
