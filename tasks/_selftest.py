"""The self-test of one bundle: an obvious fault is put into recent normal readings, and the score must rise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tasks._training import TrainingTable
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.evaluation import gates, selftest
from wheeltapper.features.mask import why_masked
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.candidate import guard
from wheeltapper.store import Ref
from wheeltapper.workspace import Workspace

ROWS = 300
"""Recent windows of each asset that are tested: enough for a share, few enough to cost nothing."""


def run(space: Workspace, bundle: Bundle, readings: Ref, table: TrainingTable) -> dict[str, Any]:
    """Return the gate ``is_not_inverted`` and, for each sensor alone, the share of windows whose score rose."""
    recent = _recent_normal(space, readings, table)
    clean = _scores(bundle, recent)
    counters = [name for name, sensor in bundle.asset_type.sensors.items() if sensor.counter]
    deviations = _usual_deviations(recent, bundle, counters)
    twins = selftest.inject_obvious(recent, deviations, _limits(bundle), counters=counters)
    rose = {}
    for sensor, twin in twins.items():
        injected = _scores(bundle, twin)
        common = clean.index.intersection(injected.index)
        before, after = clean.loc[common].to_numpy(), injected.loc[common].to_numpy()
        if sensor == selftest.ALL:
            gate = gates.is_not_inverted(before, after)
        else:
            rose[sensor] = round(float((after > before).mean()), 4)
    return {"gate": gate.model_dump(mode="json"), "by_sensor": rose}


def _recent_normal(space: Workspace, readings: Ref, table: TrainingTable) -> pd.DataFrame:
    """Take the readings of each asset's last normal windows that candidates were not fitted on."""
    judged = table.features[table.part.isin(["calibrate", "validate"])]
    normal = judged[why_masked(judged, table.faults, guard(space.plant)) == ""].groupby("asset_id").tail(ROWS)
    if normal.empty:
        raise DataError(f"{space.plant.name}: there is no normal window to test candidates on")
    start = normal["window_start"].min()
    end = normal["window_end"].max() + pd.Timedelta(microseconds=1)
    rows = space.store.read(tables.READINGS, version=readings.version, start=start, end=end)
    span = normal.groupby("asset_id").agg(start=("window_start", "min"), end=("window_end", "max"))
    own = span.reindex(rows["asset_id"])
    inside = (rows["timestamp"].array >= own["start"].array) & (rows["timestamp"].array <= own["end"].array)
    return rows[np.asarray(inside, dtype=bool)]


def _scores(bundle: Bundle, readings: pd.DataFrame) -> pd.Series:
    scored = bundle.score(bundle.plan.compute(readings))
    return scored.set_index(["asset_id", "window_end"])["score"]


def _usual_deviations(readings: pd.DataFrame, bundle: Bundle, counters: list[str]) -> dict[str, float]:
    """Return each sensor's usual deviation; of a counter that of what it counts in an hour."""
    readings = readings.sort_values(["asset_id", "timestamp"])
    steps = readings.groupby("asset_id")[["timestamp", *counters]].diff()
    hours = steps["timestamp"] / pd.Timedelta(hours=1)
    readings = readings.assign(**{name: steps[name] / hours for name in counters})
    by_asset = readings.groupby("asset_id")[list(bundle.asset_type.sensors)].std()
    return {str(name): float(value) for name, value in by_asset.median().fillna(0).items()}


def _limits(bundle: Bundle) -> dict[str, selftest.Limits]:
    return {name: (sensor.low, sensor.high) for name, sensor in bundle.asset_type.sensors.items()}
