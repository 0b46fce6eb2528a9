"""The table of features: computed from the stored readings a part at a time, checked, and stored.

No part is much larger than some hundred thousand readings, so memory does not grow with the table. Parts of a whole
table are computed side by side, in threads or by the workers of a cluster, and become one version, all at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import pandas as pd

from wheeltapper import faultpoints, memory, tables
from wheeltapper.checks import TableCheck
from wheeltapper.errors import DataError
from wheeltapper.features.compute import compute, empty
from wheeltapper.features.job import FeatureJob, FeaturePart
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.store import Ref, Staged
from wheeltapper.workspace import Workspace


@dataclass(frozen=True)
class ComputedPart:
    """The feature rows of one part, on the disk but not in the table yet."""

    staged: Staged
    windows: int
    usable: int
    why_not: dict[str, int]
    """Reason why a window is not usable → windows; the most frequent ones."""


@dataclass(frozen=True)
class Featurized:
    """The result of computing feature rows."""

    features: Ref
    """The table of features afterwards."""
    windows: int
    """Windows that were computed."""
    usable: int
    """How many of them are usable."""
    columns: int
    """Features of each window."""


def compute_part(space: Workspace, job: FeatureJob, part: FeaturePart, check: TableCheck) -> ComputedPart:
    """Compute the feature rows of one part and write them beside the table.

    Raises
    ------
    DataError
        If the rows break a critical promise of ``check``.
    """
    rows = _compute(space, job, part, check)
    staged = space.store.stage(tables.FEATURES, rows)
    faultpoints.hit("featurize.after_part")
    why_not = rows["why_not"].value_counts().head(5)
    computed = ComputedPart(
        staged,
        windows=len(rows),
        usable=int(rows["usable"].sum()),
        why_not={str(reason): int(count) for reason, count in why_not.items()},
    )
    del rows
    memory.give_back()
    return computed


def store_parts(space: Workspace, job: FeatureJob, parts: Sequence[ComputedPart]) -> Featurized:
    """Make computed parts the newest version of the table, in place of all that it held.

    Raises
    ------
    DataError
        If no window is usable: nothing could be learnt, and the reason is worth more than an empty table.
    """
    windows = sum(part.windows for part in parts)
    usable = sum(part.usable for part in parts)
    if not usable:
        why_not = sum((Counter(part.why_not) for part in parts), Counter[str]())
        raise DataError(_nothing_usable(space, windows, why_not))
    # Readings may return to what they were before, so the name says what the rows follow; equal rows change nothing.
    after = space.store.version(tables.FEATURES)
    features = space.store.replace(
        tables.FEATURES,
        [part.staged for part in parts],
        txn=f"features:{job.readings.digest}:{job.plan}:after {after}",
        made_from={tables.READINGS.name: job.readings.version},
    )
    return Featurized(features, windows, usable, len(FeaturePlan.of(space.plant).columns))


def update(space: Workspace, job: FeatureJob, check: TableCheck) -> Featurized:
    """Compute the windows of a job's parts anew and leave all others; equal rows change nothing.

    Raises
    ------
    DataError
        If the rows break a critical promise of ``check``.
    """
    windows = usable = 0
    for part in job.parts:
        rows = _compute(space, job, part, check)
        after = space.store.version(tables.FEATURES)
        span = ":".join(str(time.isoformat() if time else None) for time in (part.start, part.end))
        is_last = part is job.parts[-1] and job.completes
        space.store.upsert(
            tables.FEATURES,
            rows,
            txn=f"features:{job.readings.digest}:{job.plan}:{span}:after {after}",
            drop=_outdated(space, rows, part),
            made_from={tables.READINGS.name: job.readings.version} if is_last else None,
        )
        windows, usable = windows + len(rows), usable + int(rows["usable"].sum())
    features = space.store.ref(tables.FEATURES)
    return Featurized(features, windows, usable, len(FeaturePlan.of(space.plant).columns))


def _compute(space: Workspace, job: FeatureJob, part: FeaturePart, check: TableCheck) -> pd.DataFrame:
    """Compute and check the rows whose windows end in a part."""
    plan = FeaturePlan.of(space.plant)
    readings = _readings(space, job, part, plan)
    rows = compute(plan, readings) if len(readings) else empty(plan)
    del readings
    if part.start:
        rows = rows[rows["window_end"] >= pd.Timestamp(part.start)].reset_index(drop=True)
    if part.end:
        rows = rows[rows["window_end"] < pd.Timestamp(part.end)].reset_index(drop=True)
    if len(rows):
        findings = check(rows, space.plant, space.reports / "data_docs" / part.name)
        if not findings.ok:
            raise DataError(f"{space.plant.name}: {'; '.join(findings.failures)}")
    return rows


def _readings(space: Workspace, job: FeatureJob, part: FeaturePart, plan: FeaturePlan) -> pd.DataFrame:
    """Return the readings of a part, and those before and after it that its windows need."""
    readings = space.store.read(
        tables.READINGS,
        version=job.readings.version,
        columns=["asset_id", "timestamp", "regime", *plan.sensors],
        start=part.start - plan.needed_before if part.start else None,
        end=part.end + plan.needed_after if part.end else None,
        assets=list(part.assets) if part.assets else None,
    )
    if part.shares == 1:
        return readings
    is_in_share = {
        name: crc32(name.encode()) % part.shares == part.share for name in readings["asset_id"].unique().tolist()
    }
    return readings[readings["asset_id"].map(is_in_share)]


def _outdated(space: Workspace, rows: pd.DataFrame, part: FeaturePart) -> pd.DataFrame:
    """Return the keys of stored windows of the part that no longer exist (their readings were corrected away)."""
    assets = list(part.assets) if part.assets else None
    stored = space.store.read(
        tables.FEATURES, columns=list(tables.FEATURES.key), start=part.start, end=part.end, assets=assets
    )
    return tables.FEATURES.lost_keys(stored, rows)


def _nothing_usable(space: Workspace, windows: int, why_not: Counter[str]) -> str:
    name, cutting = space.plant.name, space.plant.windows
    if windows:
        return f"{name}: not one of {windows} windows is usable: {dict(why_not.most_common(3))}."
    length = f"of {cutting.length}" if cutting.length else f"of {cutting.rows} readings"
    return (
        f"{name}: no window {length} fits between the gaps (a pause above {space.plant.max_gap} is one). "
        f"Lower windows.{'length' if cutting.length else 'rows'}, or raise windows.max_gap in the plant's YAML."
    )
