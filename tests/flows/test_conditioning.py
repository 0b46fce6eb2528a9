"""Feature rows of a plant that resamples, fills and smooths: the same in one piece and in parts, whatever is late."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from expectations import features as promises
from wheeltapper import tables
from wheeltapper.features import job as jobs
from wheeltapper.features import table
from wheeltapper.workspace import Workspace

PLANT = """
description: Two ovens that report when they like.
asset_type: {step: 1min, sensors: {heat: {unit: °C}, load: {unit: A}}}
source: {csv_folder: {path: ., time_column: time, asset_column: asset}}
cleaning:
  resample: 5min
  fill: {heat: 20min}
  smooth: {load: {by: mean, rows: 3}}
windows: {rows: 3}
features: [latest, rolling]
candidates: [lof]
"""
START = pd.Timestamp("2026-01-05", tz="UTC")


def readings() -> pd.DataFrame:
    """Return two days of two ovens: about a reading every two minutes, a gap each half day, holes in one sensor."""
    rng = np.random.default_rng(5)
    frames = []
    for asset in ("oven-1", "oven-2"):
        seconds = np.cumsum(rng.integers(5, 240, 1600))
        seconds = seconds[(seconds % 43200 > 4000) & (seconds < 2 * 86400)]
        heat = rng.normal(200, 5, len(seconds))
        heat[rng.random(len(seconds)) < 0.5] = np.nan
        times = START + pd.to_timedelta(seconds, unit="s")
        frames.append(pd.DataFrame({"asset_id": asset, "timestamp": times, "heat": heat}))
    rows = pd.concat(frames).assign(regime="normal", origin="o", batch_id="b", ingested_at=START)
    return tables.READINGS.check(rows.assign(load=rng.normal(30, 2, len(rows))))


@pytest.fixture
def ovens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A home with a plant and nothing stored yet; parts are small."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(jobs, "PART_ROWS", 1500)
    path = tmp_path / "ovens.yaml"
    path.write_text(PLANT, encoding="utf-8")
    return Workspace.open(str(path))


def computed(space: Workspace) -> pd.DataFrame:
    """Do what the flow does, part after part, and return the table of features."""
    job = jobs.plan_job(space)
    if job.is_whole:
        parts = [table.compute_part(space, job, part, promises.check) for part in job.parts]
        table.store_parts(space, job, parts)
    else:
        table.update(space, job, promises.check)
    return space.store.read(tables.FEATURES)


def test_parts_and_new_readings_give_the_table_of_the_whole(ovens: Workspace) -> None:
    """In parts of a day; then readings that complete a cell of yesterday, come late inside a gap, and go on."""
    from wheeltapper.features.compute import compute
    from wheeltapper.features.plan import FeaturePlan

    rows = readings()
    plan = FeaturePlan.of(ovens.plant)
    middle = START + pd.Timedelta("30h")
    is_late = rows["timestamp"].between(middle - pd.Timedelta("3h"), middle - pd.Timedelta("2h"))
    deliveries = [
        rows[~is_late & (rows["timestamp"] < middle)],
        rows[~is_late & (rows["timestamp"] >= middle)],
        rows[is_late],
    ]
    delivered = rows.head(0)
    for number, delivery in enumerate(deliveries):
        ovens.store.upsert(tables.READINGS, delivery, txn=f"delivery {number}")
        delivered = pd.concat([delivered, delivery])
        pd.testing.assert_frame_equal(computed(ovens), compute(plan, delivered), check_exact=True)
    assert compute(plan, delivered)["usable"].sum() > 500
