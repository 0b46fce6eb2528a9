"""Flags of readings: sensors that do not measure and values that are unusual, asset by asset."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import tables
from wheeltapper.config import IDLE_REGIMES, AssetType, Sensor
from wheeltapper.readings.health import broken, unusual
from wheeltapper.readings.health.runs import Places, Runs, cut_runs
from wheeltapper.readings.order import in_words

Floats = NDArray[np.float64]

NOT_MEASURING = {
    "flat": "stuck",
    "dropout": "silent",
    "clipped": "at the end of its range",
    "jump_in_scale": "on another scale",
}
"""Kind of flag that a sensor has while it does not measure → how it is described. Never learnt from."""
HEALTH = (*NOT_MEASURING, "counter_reset")
"""Kinds that are about a sensor, not about single values."""
WORDS = {
    **NOT_MEASURING,
    "counter_reset": "counts from the beginning",
    "iqr": "unusual values",
    "hampel": "unusual values",
}
"""Kind → how the sensor is described."""


@dataclass(frozen=True)
class _Series:
    """One sensor of one asset."""

    values: Floats
    times: NDArray[np.int64]
    """Microseconds since 1970."""
    sensor: Sensor


def flag_readings(readings: pd.DataFrame, asset_type: AssetType, kinds: Collection[str]) -> pd.DataFrame:
    """Return the flags of readings; the readings stay as they are.

    Readings of idle regimes (maintenance, off) are skipped, and so are sensors that stand for a category. Each sensor
    of each asset is examined by itself, so memory is bounded by the longest.

    Parameters
    ----------
    readings : DataFrame
        Rows of the table of readings, of any number of assets.
    asset_type : AssetType
        Names the sensors, their units and limits, and which are counters.
    kinds : collection of str
        Flags of single values to compute: ``iqr``, ``hampel``. Sensor health is always examined.

    Returns
    -------
    DataFrame
        Rows of `tables.FLAGS`.
    """
    watched = readings[~readings["regime"].isin(IDLE_REGIMES)]
    parts: list[pd.DataFrame] = []
    for asset, places in watched.groupby("asset_id", sort=True).indices.items():
        times = tables.microseconds(watched["timestamp"].iloc[places])
        order = np.argsort(times, kind="stable")
        for name in asset_type.measured:
            values = watched[name].to_numpy(dtype=np.float64)[places][order]
            series = _Series(values, times[order], asset_type.sensors[name])
            parts += [rows.assign(asset_id=str(asset), sensor=name) for rows in _flag(series, kinds)]
    return tables.FLAGS.check(pd.concat(parts, ignore_index=True)) if parts else tables.FLAGS.empty()


def worst_first(flags: pd.DataFrame) -> pd.DataFrame:
    """Sort flags by how long they last, the longest first; equal ones by asset, sensor and start."""
    lasted = flags["end"] - flags["start"]
    order = flags.assign(_lasted=-lasted.dt.total_seconds()).sort_values(["_lasted", "asset_id", "sensor", "start"])
    return flags.loc[order.index]


def _flag(series: _Series, kinds: Collection[str]) -> Iterator[pd.DataFrame]:
    """Yield the flags of one sensor, kind by kind."""
    values, sensor = series.values, series.sensor
    yield _rows(series, "dropout", broken.dropout(values), _for_how_long)
    stuck, clipped = broken.unchanged(values, sensor.low, sensor.high)
    yield _rows(series, "flat", stuck, _unchanged)
    # A counter is at its highest value whenever it stands still.
    yield _rows(series, "flat" if sensor.counter else "clipped", clipped, _unchanged)
    if sensor.counter:
        yield _rows(series, "counter_reset", broken.counter_reset(values), _fallen)
    else:
        yield _rows(series, "jump_in_scale", broken.jump_in_scale(values), _jumped)
    examined = _hourly_rate(series) if sensor.counter else values
    unit = sensor.unit_of_features
    for kind, (low, high) in (unusual.bounds(examined, kinds) if kinds else {}).items():
        outside = unusual.outside(examined, low, high)
        start, end = cut_runs(np.diff(outside, prepend=False))
        is_outside = outside[start] if len(outside) else outside
        runs = Runs(start[is_outside], start[is_outside], end[is_outside])
        details = [
            f"{value:.5g} {unit}, usual was {least:.5g} to {most:.5g}"
            for value, least, most in zip(examined[runs.start], low[runs.start], high[runs.start], strict=True)
        ]
        yield _table(series, kind, runs, details)


def _hourly_rate(series: _Series) -> Floats:
    hours = np.diff(series.times) / 3.6e9
    return (
        np.concatenate([[np.nan], np.diff(series.values) / hours]) if len(hours) else np.full(len(series.times), np.nan)
    )


def _rows(series: _Series, kind: str, runs: Runs, describe: Callable[[_Series, int, int], str]) -> pd.DataFrame:
    details = [describe(series, int(start), int(end)) for start, end in zip(runs.start, runs.end, strict=True)]
    return _table(series, kind, runs, details)


def _table(series: _Series, kind: str, runs: Runs, details: list[str]) -> pd.DataFrame:
    def when(places: Places) -> pd.Series[pd.Timestamp]:
        return pd.Series(pd.DatetimeIndex(series.times[places].astype("datetime64[us]"), tz="UTC"))

    return pd.DataFrame(
        {
            "kind": pd.Series(kind, index=range(len(runs)), dtype="str"),
            "start": when(runs.start),
            "end": when(runs.end),
            "count": (runs.end - runs.start + 1).astype(np.int64),
            "detail": pd.Series(details, dtype="str"),
        }
    )


def _for_how_long(series: _Series, start: int, end: int) -> str:
    lasted = in_words(pd.Timedelta(int(series.times[end] - series.times[start]), "us"))
    return f"no value for {lasted} ({end - start + 1:,} readings) while others speak"


def _unchanged(series: _Series, start: int, end: int) -> str:
    lasted = in_words(pd.Timedelta(int(series.times[end] - series.times[start]), "us"))
    return f"unchanged at {_shown(series, start)} for {lasted} ({end - start + 1:,} readings)"


def _jumped(series: _Series, start: int, end: int) -> str:
    before = float(np.nanmedian(np.abs(series.values[max(0, start - broken.BLOCK * broken.MANY_BLOCKS) : start])))
    after = float(np.nanmedian(np.abs(series.values[start : end + 1])))
    times = f"{after / before:.3g} times as large" if after >= before else f"{before / after:.3g} times as small"
    return f"from about {before:.4g} to {after:.4g} {series.sensor.unit}, {times}, as if its unit had changed"


def _fallen(series: _Series, start: int, end: int) -> str:
    before = series.values[:start][~np.isnan(series.values[:start])][-1]
    return f"fell from {before:.8g} to {_shown(series, end)}"


def _shown(series: _Series, place: int) -> str:
    return f"{series.values[place]:.8g} {series.sensor.unit}"
