"""Turn readings into feature rows, a part at a time, and check what is promised of them.

No part is much larger than some hundred thousand readings, so memory does not grow with the table. Parts of a whole
table are computed side by side, in threads here or by workers elsewhere, and become one version, all at once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import pandas as pd
from prefect import task

from expectations import features as promises
from tasks import DEFAULTS
from wheeltapper import faultpoints, tables
from wheeltapper.config import Settings
from wheeltapper.errors import DataError
from wheeltapper.features.compute import compute, empty
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.store import Staged
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.featurize")

PART_ROWS = 400_000
"""Readings in a part, about."""
PART_CELLS = 20_000_000
"""Values of feature rows in a part, at the most: 160 MB, and a few copies of them on their way into the table."""

_TICK = timedelta(microseconds=1)


@task(name="plan features", **DEFAULTS)
def plan_features(plant: str, start: datetime | None, end: datetime | None) -> dict[str, Any]:
    """Say what is to be computed: all windows where the plan is new, else those that a new reading is part of.

    A span is only a short cut: where the plan has changed, every row is computed again.
    """
    space = Workspace.open(plant)
    plan = FeaturePlan.of(space.plant)
    readings = space.store.ref(tables.READINGS)
    known = space.store.made_from(tables.FEATURES).get(tables.READINGS.name)
    job: dict[str, Any] = {
        "readings": readings.as_dict(),
        "plan": plan.hash,
        "completes": start is None and end is None,
    }
    if known is None or not _follows(space, plan):
        parts = [part for span in _spans(space, plan) for part in _shares(span)]
        if not parts:
            raise _no_readings(space)
        return job | {"is_whole": True, "completes": True, "parts": parts}
    if job["completes"]:
        touched = space.store.changed(tables.READINGS, known)
        if touched is None:
            return job | {"is_whole": False, "parts": []}
        start, end = touched[0], touched[1] + _TICK
    # A reading is part of the windows that end after it, too, and on a grid it shows that an earlier cell is over.
    start = start - plan.needed_after if start is not None else None
    until = end + plan.needed_before if end is not None else None
    return job | {"is_whole": False, "parts": list(_spans(space, plan, start, until))}


@task(name="compute features", **DEFAULTS)
def compute_part(plant: str, job: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Compute the feature rows of one part and write them beside the table; return where they are."""
    space = Workspace.open(plant)
    rows = _compute(space, job, part)
    staged = space.store.stage(tables.FEATURES, rows)
    faultpoints.hit("featurize.after_part")
    why_not = rows["why_not"].value_counts().head(5)
    return {
        "staged": staged.as_dict(),
        "windows": len(rows),
        "usable": int(rows["usable"].sum()),
        "why_not": {str(reason): int(count) for reason, count in why_not.items()},
    }


@task(name="store features", **DEFAULTS)
def store_features(plant: str, job: dict[str, Any], done: list[dict[str, Any]]) -> dict[str, Any]:
    """Make computed parts the newest version of the table, in place of all that it held.

    Raises
    ------
    DataError
        If no window may be used: nothing could be learnt, and the reason is worth more than an empty table.
    """
    space = Workspace.open(plant)
    windows, usable = (sum(one[what] for one in done) for what in ("windows", "usable"))
    if not usable:
        raise DataError(_nothing_usable(space, windows, sum((Counter(one["why_not"]) for one in done), Counter())))
    # Readings may return to what they were before, so the name says what the rows follow; equal rows change nothing.
    after = space.store.version(tables.FEATURES)
    ref = space.store.replace(
        tables.FEATURES,
        [Staged.from_dict(one["staged"]) for one in done],
        txn=f"features:{job['readings']['digest']}:{job['plan']}:after {after}",
        made_from={tables.READINGS.name: job["readings"]["version"]},
    )
    columns = len(FeaturePlan.of(space.plant).columns)
    _log.info("%s windows with %d features, %s usable", f"{windows:,}", columns, f"{usable / windows:.0%}")
    return {"features": ref.as_dict(), "windows": windows, "columns": columns}


@task(name="update features", **DEFAULTS)
def update_features(plant: str, job: dict[str, Any]) -> dict[str, Any]:
    """Compute the windows of a span anew and leave all others; equal rows change nothing."""
    space = Workspace.open(plant)
    parts = job["parts"]
    windows = usable = 0
    for part in parts:
        rows = _compute(space, job, part)
        after = space.store.version(tables.FEATURES)
        is_last = part is parts[-1] and job["completes"]
        space.store.upsert(
            tables.FEATURES,
            rows,
            txn=f"features:{job['readings']['digest']}:{job['plan']}:{part['start']}:{part['end']}:after {after}",
            drop=_gone(space, rows, *_ends(part)),
            made_from={tables.READINGS.name: job["readings"]["version"]} if is_last else None,
        )
        windows, usable = windows + len(rows), usable + int(rows["usable"].sum())
    columns = len(FeaturePlan.of(space.plant).columns)
    if windows:
        share = f"{usable / windows:.0%}"
        _log.info("%s windows with %d features computed anew, %s usable", f"{windows:,}", columns, share)
    else:
        _log.info("no new windows")
    return {"features": space.store.ref(tables.FEATURES).as_dict(), "windows": windows, "columns": columns}


def _compute(space: Workspace, job: dict[str, Any], part: dict[str, Any]) -> pd.DataFrame:
    """Compute the rows whose windows end in a part; readings before it are read as far as windows look back."""
    plan = FeaturePlan.of(space.plant)
    start, end = _ends(part)
    readings = space.store.read(
        tables.READINGS,
        version=job["readings"]["version"],
        columns=["asset_id", "timestamp", "regime", *plan.sensors],
        start=start - plan.needed_before if start else None,
        end=end + plan.needed_after if end else None,
    )
    share, shares = part["share"]
    if shares > 1:
        mine = {name: crc32(name.encode()) % shares == share for name in readings["asset_id"].unique()}
        readings = readings[readings["asset_id"].map(mine)]
    rows = compute(plan, readings) if len(readings) else empty(plan)
    del readings
    if start:
        rows = rows[rows["window_end"] >= pd.Timestamp(start)].reset_index(drop=True)
    if end:
        rows = rows[rows["window_end"] < pd.Timestamp(end)].reset_index(drop=True)
    if len(rows):
        findings = promises.check(rows, space.plant, space.reports / "data_docs" / part["name"])
        if not findings.ok:
            raise DataError(f"{space.plant.name}: {'; '.join(findings.failures)}")
    return rows


def _spans(
    space: Workspace, plan: FeaturePlan, start: datetime | None = None, end: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Cut the time of the readings, or of a span, into parts of some size: where the table's files are cut, or finer.

    A row of 4000 features takes as much as 400 of ten, so what counts is the number of values.
    """
    readings = max(1, PART_CELLS // len(plan.columns) * plan.windows.every)
    most = min(PART_ROWS, readings)
    cuts, rows = list[datetime](), 0.0
    for first, last, size in _pieces(space, readings):
        if (start is not None and last < start) or (end is not None and first >= end):
            continue
        if rows and rows + size > most:
            cuts.append(first)
            rows = 0.0
        rows += size
    if not rows:
        return
    for number, (begin, until) in enumerate(zip([start, *cuts], [*cuts, end], strict=True), start=1):
        yield {
            "name": "features" if number == 1 else f"features_{number}",
            "start": begin.isoformat() if begin else None,
            "end": until.isoformat() if until else None,
            "share": [0, 1],
        }


def _pieces(space: Workspace, most: int) -> Iterator[tuple[datetime, datetime, float]]:
    """List first time, last time and readings of each file of the readings; a file with too many in even pieces."""
    for first, last, size in space.store.sizes(tables.READINGS):
        count = max(1, -(-size // most))
        step = (last - first) / count
        for piece in range(count):
            yield first + piece * step, last if piece == count - 1 else first + (piece + 1) * step, size / count


def _shares(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Cut a part by assets, where there are workers elsewhere to share it."""
    settings = Settings()
    shares = settings.workers if settings.runner == "dask" else 1
    for share in range(shares):
        name = part["name"] if shares == 1 else f"{part['name']}_share_{share + 1}"
        yield part | {"name": name, "share": [share, shares]}


def _ends(part: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    start, end = (datetime.fromisoformat(part[end]) if part[end] else None for end in ("start", "end"))
    return start, end


def _follows(space: Workspace, plan: FeaturePlan) -> bool:
    """Tell whether the stored feature rows were computed with this plan."""
    if space.store.version(tables.FEATURES) is None:
        return False
    stored = space.store.read(tables.FEATURES, columns=["plan"])
    return set(stored["plan"].unique()) == {plan.hash}


def _gone(space: Workspace, rows: pd.DataFrame, start: datetime | None, end: datetime | None) -> pd.DataFrame:
    """Find windows of the span that no longer exist (their readings were corrected away)."""
    key = list(tables.FEATURES.key)
    stored = space.store.read(tables.FEATURES, columns=key, start=start, end=end)
    both = stored.merge(rows[key], on=key, how="left", indicator=True)
    return both.loc[both["_merge"] == "left_only", key]


def _no_readings(space: Workspace) -> DataError:
    return DataError(f"{space.plant.name} has no readings yet. Run: wheeltapper ingest {space.to_type}")


def _nothing_usable(space: Workspace, count: int, reasons: Counter[str]) -> str:
    name, windows = space.plant.name, space.plant.windows
    if not count:
        held = f"of {windows.length}" if windows.length else f"of {windows.rows} readings"
        return (
            f"{name}: no window {held} fits between the gaps (a pause above {space.plant.max_gap} is one). "
            f"Lower windows.{'length' if windows.length else 'rows'}, or raise windows.max_gap in the plant's YAML."
        )
    return f"{name}: not one of {count} windows is usable: {dict(reasons.most_common(3))}."
