"""Twins: recent normal readings, unchanged and with injected faults.

A self-test scores both and compares. The readings are normal ones that the model was not fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import tables
from wheeltapper.config import Alarms
from wheeltapper.errors import DataError
from wheeltapper.features.compute import compute, select
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.selftest import episodes, obvious
from wheeltapper.selftest.episodes import Rehearsal
from wheeltapper.selftest.injections import Usual
from wheeltapper.workspace import Workspace

TESTED_WINDOWS = 3000
"""Recent windows that are tested, over all assets: enough for a share, few enough to be cheap."""
FEWEST, MOST = 30, 300
"""Windows of one asset."""
WIDE = 200_000
"""Normal windows, of all assets together, whose newest readings give the usual deviation of a sensor."""


@dataclass(frozen=True)
class Twins:
    """Feature rows of recent normal readings: clean, with an obvious step in all sensors, and with one fault each."""

    clean: pd.DataFrame
    difference: pd.DataFrame
    """The columns in which the obvious twin differs."""
    rehearsal: Rehearsal

    def obvious(self) -> pd.DataFrame:
        """Return the rows with an unmistakable step of all sensors."""
        return self.clean.assign(**{str(column): values for column, values in self.difference.items()})

    def with_features_of(self, plan: FeaturePlan) -> Twins:
        """Return the same twins with the features of a plan that is part of theirs."""
        clean = select(plan, self.clean)
        difference = self.difference[[column for column in self.difference if column in clean]]
        return Twins(clean, difference, replace(self.rehearsal, rows=select(plan, self.rehearsal.rows)))


def recent_twins(space: Workspace, plan: FeaturePlan, normal: pd.DataFrame, version: int | None) -> Twins:
    """Compute twins of each asset's newest normal windows from the plant's stored readings.

    Parameters
    ----------
    normal : DataFrame with columns asset_id, window_start, window_end
        Windows of normal running that no candidate was fitted on, in the order of asset and time.
    version : int or None
        Of the table of readings; None for the newest.

    Raises
    ------
    DataError
        If there is none.
    """
    if normal.empty:
        raise DataError(f"{space.plant.name}: there is no normal window to test candidates on")
    newest = _newest(normal)
    readings = space.store.read(
        tables.READINGS,
        version=version,
        start=newest["window_start"].min() - episodes.look_back(plan),
        end=newest["window_end"].max() + plan.needed_after + pd.Timedelta(microseconds=1),
    )
    wide = _read_normal_readings(space, plan, normal, version)
    return twins_of(plan, _readings_around(readings, newest, plan), newest, space.plant.alarms, wide)


def twins_among(plan: FeaturePlan, readings: pd.DataFrame, normal: pd.DataFrame, rule: Alarms) -> Twins:
    """Compute the same as `recent_twins` from readings that are in memory.

    Parameters
    ----------
    readings : DataFrame
        All readings, of any time.
    normal : DataFrame with columns asset_id, window_start, window_end

    Raises
    ------
    DataError
        If there is no normal window.
    """
    if normal.empty:
        raise DataError("there is no normal window to test candidates on")
    newest = _newest(normal)
    sensors = _measured_levels(plan)
    wide = readings[["asset_id", "timestamp", "regime", *sensors]].merge(
        _wide_ends(normal), on=["asset_id", "timestamp"]
    )
    return twins_of(plan, _readings_around(readings, newest, plan), newest, rule, wide)


def twins_of(
    plan: FeaturePlan, readings: pd.DataFrame, normal: pd.DataFrame, rule: Alarms, wide: pd.DataFrame | None = None
) -> Twins:
    """Compute twins of normal windows from their readings and those before them.

    Parameters
    ----------
    readings : DataFrame
        Of the same assets, beginning `episodes.look_back` before the first window.
    normal : DataFrame with columns asset_id, window_start, window_end
    wide : DataFrame with columns asset_id, regime and sensors, optional
        Readings of more normal running: a sensor that rests for hours and then moves, as it usually does, has no
        smaller usual deviation because it happens to rest just now.
    """
    begin = normal.groupby("asset_id")["window_start"].min()
    counters = [name for name, sensor in plan.asset_type.sensors.items() if sensor.counter]
    since = readings[_is_since(readings, "timestamp", begin - plan.needed_before)]
    usual = _usual(readings[_is_since(readings, "timestamp", begin)], plan, counters)
    if wide is not None:
        usual = _at_least(usual, wide)
    deviations = {name: sensor.deviation for name, sensor in usual.items()}
    clean = _only(normal, compute(plan, since))
    stepped = obvious.inject_obvious(since, deviations, _limits(plan), counters=counters)[obvious.ALL]
    difference = _difference(clean, _only(normal, compute(plan, stepped)))
    rehearsal = episodes.rehearse(plan, readings, normal, usual, open_after=rule.open_after)
    return Twins(clean, difference, rehearsal)


def _newest(normal: pd.DataFrame) -> pd.DataFrame:
    """Return the newest normal windows of each asset."""
    per_asset = int(np.clip(TESTED_WINDOWS // normal["asset_id"].nunique(), FEWEST, MOST))
    return normal.groupby("asset_id").tail(per_asset)


def _readings_around(readings: pd.DataFrame, newest: pd.DataFrame, plan: FeaturePlan) -> pd.DataFrame:
    """Return the readings that the newest windows of each asset, and faults put into them, are computed from."""
    span = newest.groupby("asset_id").agg(start=("window_start", "min"), end=("window_end", "max"))
    by_reading = span.reindex(readings["asset_id"])
    inside = (readings["timestamp"].array >= (by_reading["start"] - episodes.look_back(plan)).array) & (
        readings["timestamp"].array <= (by_reading["end"] + plan.needed_after).array
    )
    return readings[np.asarray(inside, dtype=bool)]


def _read_normal_readings(
    space: Workspace, plan: FeaturePlan, normal: pd.DataFrame, version: int | None
) -> pd.DataFrame:
    """Read the readings at which normal windows end, the newest of each asset; counters are left out."""
    ends, sensors = _wide_ends(normal), _measured_levels(plan)
    readings = space.store.read(
        tables.READINGS,
        version=version,
        start=ends["timestamp"].min(),
        end=ends["timestamp"].max() + pd.Timedelta(microseconds=1),
        columns=["asset_id", "timestamp", "regime", *sensors],
    )
    return readings.merge(ends, on=["asset_id", "timestamp"])


def _wide_ends(normal: pd.DataFrame) -> pd.DataFrame:
    """Return asset and instant of the readings at which each asset's newest normal windows end."""
    wide = normal.groupby("asset_id").tail(max(WIDE // normal["asset_id"].nunique(), MOST))
    return wide[["asset_id", "window_end"]].rename(columns={"window_end": "timestamp"})


def _measured_levels(plan: FeaturePlan) -> list[str]:
    """List the measured sensors that are no counters."""
    return [name for name in plan.asset_type.measured if not plan.asset_type.sensors[name].counter]


def _is_since(rows: pd.DataFrame, column: str, begin: pd.Series) -> NDArray[np.bool_]:
    """Return which rows lie in the span of their asset's recent normal windows, and not only before it."""
    return np.asarray(rows[column].array >= begin.reindex(rows["asset_id"]).array, dtype=bool)


def _only(normal: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the normal windows, without those that lie between them."""
    windows = pd.MultiIndex.from_frame(normal[["asset_id", "window_end"]])
    return rows[pd.MultiIndex.from_frame(rows[["asset_id", "window_end"]]).isin(windows)].reset_index(drop=True)


def _difference(clean: pd.DataFrame, twin: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that differ: a step of one sensor leaves nearly all features of the others alone."""
    return twin[[column for column in twin if not twin[column].equals(clean[column])]]


def _usual(readings: pd.DataFrame, plan: FeaturePlan, counters: list[str]) -> dict[str, Usual]:
    """Return usual level and deviation of each sensor; for a counter those of its hourly count.

    The deviation is that of one asset, the median over assets.
    """
    readings = readings.sort_values(["asset_id", "timestamp"])
    steps: Any = readings.groupby("asset_id")[["timestamp", *counters]].diff()
    hours = steps["timestamp"] / pd.Timedelta(hours=1)
    readings = readings.assign(**{name: steps[name] / hours for name in counters})
    by_asset = readings.groupby("asset_id")[list(plan.asset_type.measured)]
    deviations, centres = by_asset.std().median().fillna(0), by_asset.median().median()
    return {name: Usual(float(centres[name]), float(deviations[name])) for name in plan.asset_type.measured}


def _at_least(usual: dict[str, Usual], wide: pd.DataFrame) -> dict[str, Usual]:
    """Raise deviations to those of more normal running, within one regime; of one asset, the median over assets."""
    sensors = [name for name in usual if name in wide]
    by_regime = wide.groupby(["asset_id", "regime"])[sensors].var(ddof=0)
    count = wide.groupby(["asset_id", "regime"]).size()
    pooled = by_regime.mul(count, axis=0).groupby("asset_id").sum().div(count.groupby("asset_id").sum(), axis=0)
    longer: pd.Series[float] = pd.DataFrame(np.sqrt(pooled)).median()
    return usual | {
        name: Usual(usual[name].centre, max(usual[name].deviation, float(longer[name])))
        for name in sensors
        if np.isfinite(longer[name])
    }


def _limits(plan: FeaturePlan) -> dict[str, obvious.Limits]:
    return {name: (sensor.low, sensor.high) for name, sensor in plan.asset_type.sensors.items()}
