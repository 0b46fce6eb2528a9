"""Turn readings into feature rows and check what is promised of them."""

from __future__ import annotations

import logging
from datetime import datetime

import pandas as pd
from prefect import task

from expectations import features as promises
from tasks import DEFAULTS
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.featurize")


@task(name="compute features", **DEFAULTS)
def compute_features(plant: str, start: datetime | None, end: datetime | None) -> dict[str, object]:
    """Compute the feature rows of a span (by default of everything) and store them; return the reference.

    A span is only a short cut: where the plan has changed, every row is computed again.
    """
    space = Workspace.open(plant)
    plan = FeaturePlan.of(space.plant)
    source = space.store.ref(tables.READINGS)
    if not _follows(space, plan):
        start = end = None
    before = pd.Timestamp(start) - plan.needed_before if start is not None else None
    # A reading is part of the windows that end after it, too: those that begin in the span belong to it.
    end = pd.Timestamp(end) + plan.needed_before if end is not None else None
    readings = space.store.read(tables.READINGS, start=before, end=end)
    if readings.empty:
        raise DataError(f"{space.plant.name} has no readings in this span. Run: wheeltapper ingest {space.plant.name}")
    rows = plan.compute(readings)
    if start is not None:
        rows = rows[rows["window_end"] >= pd.Timestamp(start)]
    if rows.empty or not rows["usable"].any():
        raise DataError(_nothing_usable(space, rows))
    findings = promises.check(rows, list(plan.columns), space.reports / "data_docs" / "features")
    if not findings.ok:
        raise DataError(f"{space.plant.name}: {'; '.join(findings.failures)}")
    # Readings may return to what they were before, so the name says what the rows follow; equal rows change nothing.
    name = f"features:{source.digest}:{plan.hash}:{start}:{end}:after {space.store.version(tables.FEATURES)}"
    if start is None and end is None:
        ref = space.store.overwrite(tables.FEATURES, rows, txn=name)
    else:
        ref = space.store.upsert(tables.FEATURES, rows, txn=name, drop=_gone(space, rows, start, end))
    _log.info(
        "%s windows with %d features, %s usable", f"{len(rows):,}", len(plan.columns), f"{rows['usable'].mean():.0%}"
    )
    return {"features": ref.as_dict(), "windows": len(rows), "columns": len(plan.columns)}


def _follows(space: Workspace, plan: FeaturePlan) -> bool:
    """Tell whether the stored feature rows were computed with this plan."""
    if space.store.version(tables.FEATURES) is None:
        return False
    stored = space.store.read(tables.FEATURES, columns=["plan"])
    return set(stored["plan"]) == {plan.hash}


def _gone(space: Workspace, rows: pd.DataFrame, start: datetime | None, end: datetime | None) -> pd.DataFrame:
    """Find windows of the span that no longer exist (their readings were corrected away)."""
    key = list(tables.FEATURES.key)
    stored = space.store.read(tables.FEATURES, columns=key, start=start, end=end)
    both = stored.merge(rows[key], on=key, how="left", indicator=True)
    return both.loc[both["_merge"] == "left_only", key]


def _nothing_usable(space: Workspace, rows: pd.DataFrame) -> str:
    name, windows = space.plant.name, space.plant.windows
    if rows.empty:
        return (
            f"{name}: no window of {windows.rows} readings fits between the gaps (a pause above "
            f"{space.plant.max_gap} is one). Lower windows.rows, or raise windows.max_gap in the plant's YAML."
        )
    reasons = rows["why_not"].value_counts().head(3).to_dict()
    return f"{name}: not one of {len(rows)} windows is usable: {reasons}."
