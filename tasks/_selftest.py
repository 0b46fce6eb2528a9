"""The self-test of one bundle: an obvious fault is put into recent normal readings, and the score must rise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks._training import TrainingTable
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.evaluation import gates, selftest
from wheeltapper.features.mask import why_masked
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.candidate import guard
from wheeltapper.store import Ref
from wheeltapper.workspace import Workspace

Floats = NDArray[np.float64]

ROWS = 3000
"""Recent windows that are tested, of all assets together: enough for a share, few enough to cost little."""
LEAST, MOST = 30, 300
"""Windows of one asset."""
MODERATE = 3.0
"""Usual deviations of the step by which candidates are told apart: a good one hears it, a dull one does not."""


def run(space: Workspace, bundle: Bundle, readings: Ref, table: TrainingTable) -> dict[str, Any]:
    """Return the gate ``is_not_inverted``, and how well a moderate step of each sensor alone is told from normal.

    The latter is the chance that a stepped window scores above a clean one, 0.5 for guessing. Where no faults are
    known, their mean ranks the candidates.
    """
    recent = _recent_normal(space, readings, table)
    clean = _scores(bundle, recent)
    counters = [name for name, sensor in bundle.asset_type.sensors.items() if sensor.counter]
    deviations = _usual_deviations(recent, bundle, counters)
    limits = _limits(bundle)
    obvious = selftest.inject_obvious(recent, deviations, limits, counters=counters)[selftest.ALL]
    gate = gates.is_not_inverted(*_both(clean, _scores(bundle, obvious)))
    moderate = selftest.inject_obvious(recent, deviations, limits, size=MODERATE, counters=counters)
    heard = {
        sensor: round(_separation(*_both(clean, _scores(bundle, twin))), 4)
        for sensor, twin in moderate.items()
        if sensor != selftest.ALL
    }
    mean = round(float(np.mean(list(heard.values()))), 4)
    return {"gate": gate.model_dump(mode="json"), "by_sensor": heard, "mean": mean}


def _both(clean: pd.Series, stepped: pd.Series) -> tuple[Floats, Floats]:
    """Return the scores of the windows that could be scored in both."""
    common = clean.index.intersection(stepped.index)
    return clean.loc[common].to_numpy(), stepped.loc[common].to_numpy()


def _separation(clean: Floats, stepped: Floats) -> float:
    """Return the chance that a stepped window scores above a clean one (the area under the ROC curve)."""
    ordered = np.sort(clean)
    below = np.searchsorted(ordered, stepped, "left") + np.searchsorted(ordered, stepped, "right")
    return float(below.mean() / (2 * len(clean)))


def _recent_normal(space: Workspace, readings: Ref, table: TrainingTable) -> pd.DataFrame:
    """Take the readings of each asset's last normal windows that candidates were not fitted on."""
    judged = table.features[table.part.isin(["calibrate", "validate"])]
    normal = judged[why_masked(judged, table.faults, guard(space.plant)) == ""]
    each = int(np.clip(ROWS // max(normal["asset_id"].nunique(), 1), LEAST, MOST))
    normal = normal.groupby("asset_id").tail(each)
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
