"""The self-test of one bundle: an obvious fault is put into recent normal readings, and the score must rise."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks._training import TrainingTable
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.evaluation import gates, selftest
from wheeltapper.features.mask import why_masked
from wheeltapper.features.plan import FeaturePlan
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
    twins = _twins(space, bundle.plan, readings, table)
    clean = _scores(bundle, twins.clean)
    gate = gates.is_not_inverted(*_both(clean, _scores(bundle, twins.obvious())))
    heard = {
        sensor: round(_separation(*_both(clean, _scores(bundle, twins.moderate(sensor)))), 4)
        for sensor in twins.sensors
    }
    mean = round(float(np.mean(list(heard.values()))), 4)
    return {"gate": gate.model_dump(mode="json"), "by_sensor": heard, "mean": mean}


@dataclass(frozen=True)
class Twins:
    """Feature rows of recent normal readings, clean and with a step in them; of each twin only what differs."""

    clean: pd.DataFrame
    differences: dict[str, pd.DataFrame]

    @property
    def sensors(self) -> list[str]:
        """The sensors that have a twin with a moderate step of their own."""
        return [name for name in self.differences if name != selftest.ALL]

    def obvious(self) -> pd.DataFrame:
        """Return the rows with an unmistakable step of all sensors."""
        return self._twin(selftest.ALL)

    def moderate(self, sensor: str) -> pd.DataFrame:
        """Return the rows with a moderate step of one sensor."""
        return self._twin(sensor)

    def _twin(self, name: str) -> pd.DataFrame:
        return self.clean.assign(**{str(column): values for column, values in self.differences[name].items()})


_lock = threading.Lock()
_last: list[tuple[TrainingTable, tuple[str, ...], Twins]] = []


def _twins(space: Workspace, plan: FeaturePlan, readings: Ref, table: TrainingTable) -> Twins:
    """Compute the rows that all candidates of a training run are tested on.

    Candidates train in threads of one process and share a feature plan: the first computes, the others are given it.
    With many machines this is most of the time that a training takes.
    """
    key = (readings.digest, plan.hash)
    with _lock:
        if not _last or _last[0][0] is not table or _last[0][1] != key:
            _last[:] = [(table, key, _compute_twins(space, plan, readings, table))]
        return _last[0][2]


def _compute_twins(space: Workspace, plan: FeaturePlan, readings: Ref, table: TrainingTable) -> Twins:
    recent, begin = _recent_normal(space, plan, readings, table)
    counters = [name for name, sensor in plan.asset_type.sensors.items() if sensor.counter]
    deviations = _usual_deviations(recent[_is_since(recent, "timestamp", begin)], plan, counters)
    limits = _limits(plan)
    clean = _windows_since(begin, plan.compute(recent))
    obvious = selftest.inject_obvious(recent, deviations, limits, counters=counters)
    moderate = selftest.inject_obvious(recent, deviations, limits, size=MODERATE, counters=counters)
    stepped = {**moderate, selftest.ALL: obvious[selftest.ALL]}
    twins = {name: _windows_since(begin, plan.compute(twin)) for name, twin in stepped.items()}
    return Twins(clean, {name: _difference(clean, twin) for name, twin in twins.items()})


def _is_since(rows: pd.DataFrame, column: str, begin: pd.Series) -> NDArray[np.bool_]:
    """Tell which rows lie in the span of their asset's recent normal windows, and not only before it."""
    return np.asarray(rows[column].array >= begin.reindex(rows["asset_id"]).array, dtype=bool)


def _windows_since(begin: pd.Series, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[_is_since(rows, "window_start", begin)].reset_index(drop=True)


def _difference(clean: pd.DataFrame, twin: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that differ: a step of one sensor leaves nearly all features of the others alone."""
    return twin[[column for column in twin if not twin[column].equals(clean[column])]]


def _both(clean: pd.Series, stepped: pd.Series) -> tuple[Floats, Floats]:
    """Return the scores of the windows that could be scored in both."""
    common = clean.index.intersection(stepped.index)
    return clean.loc[common].to_numpy(), stepped.loc[common].to_numpy()


def _separation(clean: Floats, stepped: Floats) -> float:
    """Return the chance that a stepped window scores above a clean one (the area under the ROC curve)."""
    ordered = np.sort(clean)
    below = np.searchsorted(ordered, stepped, "left") + np.searchsorted(ordered, stepped, "right")
    return float(below.mean() / (2 * len(clean)))


def _recent_normal(
    space: Workspace, plan: FeaturePlan, readings: Ref, table: TrainingTable
) -> tuple[pd.DataFrame, pd.Series]:
    """Take the readings of each asset's last normal windows that candidates were not fitted on.

    With those before them that the first windows look back at; the second value says where each asset's span begins.
    """
    judged = table.features[table.part.isin(["calibrate", "validate"])]
    normal = judged[why_masked(plan.reaching(judged), table.faults, guard(space.plant), table.flags) == ""]
    each = int(np.clip(ROWS // max(normal["asset_id"].nunique(), 1), LEAST, MOST))
    normal = normal.groupby("asset_id").tail(each)
    if normal.empty:
        raise DataError(f"{space.plant.name}: there is no normal window to test candidates on")
    start = normal["window_start"].min() - plan.needed_before
    end = normal["window_end"].max() + pd.Timedelta(microseconds=1)
    rows = space.store.read(tables.READINGS, version=readings.version, start=start, end=end)
    span = normal.groupby("asset_id").agg(start=("window_start", "min"), end=("window_end", "max"))
    own = span.reindex(rows["asset_id"])
    inside = (rows["timestamp"].array >= (own["start"] - plan.needed_before).array) & (
        rows["timestamp"].array <= own["end"].array
    )
    return rows[np.asarray(inside, dtype=bool)], span["start"]


def _scores(bundle: Bundle, rows: pd.DataFrame) -> pd.Series:
    scored = bundle.score(rows)
    return scored.set_index(["asset_id", "window_end"])["score"]


def _usual_deviations(readings: pd.DataFrame, plan: FeaturePlan, counters: list[str]) -> dict[str, float]:
    """Return each sensor's usual deviation; of a counter that of what it counts in an hour."""
    readings = readings.sort_values(["asset_id", "timestamp"])
    steps = readings.groupby("asset_id")[["timestamp", *counters]].diff()
    hours = steps["timestamp"] / pd.Timedelta(hours=1)
    readings = readings.assign(**{name: steps[name] / hours for name in counters})
    by_asset = readings.groupby("asset_id")[list(plan.asset_type.measured)].std()
    return {str(name): float(value) for name, value in by_asset.median().fillna(0).items()}


def _limits(plan: FeaturePlan) -> dict[str, selftest.Limits]:
    return {name: (sensor.low, sensor.high) for name, sensor in plan.asset_type.sensors.items()}
