"""Figures of each sensor of each asset in a delivery: whether it is silent, stuck, clipped, set back or rescaled.

No single row shows any of this; only all rows together do. So these figures have a table of their own, with one row for
each sensor of each asset, and the promises about it are for information.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import IDLE_REGIMES, AssetType, Sensor

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

GIVEN = "share with a value"
CHANGES = "share that differs from the reading before"
AT_EDGE = "share at its largest or smallest value"
JUMP = "factor of the jump in scale"
SET_BACK = "times that the counter was set back"

FEW = 20
"""With fewer readings, a figure is not computed."""
CLIPPED = 0.1
"""From this share of readings at its edge on, a sensor's other values are examined as well."""
DISTINCT = 10
"""A sensor is clipped only if it has at least this many other values, and its edge this many times as often as each."""
FIRST = 2
"""Instants at which a counter was set back that are named."""
BLOCKS, BLOCK_SAMPLE = 16, 31
"""A delivery is cut into this many blocks of equal size, and this many readings represent each: enough to see a factor,
and it takes no longer for a year than for a day."""


@dataclass(frozen=True)
class _SensorReadings:
    """One sensor's readings, asset after asset, each in time order."""

    asset: Counts
    """Number of each reading's asset, from 0, never falling."""
    values: Floats
    times: pd.DatetimeIndex

    def only(self, which: NDArray[np.bool_]) -> _SensorReadings:
        """Return some of the readings."""
        return _SensorReadings(self.asset[which], self.values[which], self.times[which])

    def steps(self) -> _SensorReadings:
        """Return the difference of each value to the asset's value before."""
        return _SensorReadings(self.asset[1:], np.diff(self.values), self.times[1:]).only(
            self.asset[1:] == self.asset[:-1]
        )

    def bounds(self, assets: int) -> Counts:
        """Return where each asset begins, and where the last ends, shape (assets + 1,)."""
        return np.searchsorted(self.asset, np.arange(assets + 1)).astype(np.int64)


def of_sensors(rows: pd.DataFrame, asset_type: AssetType) -> pd.DataFrame:
    """Describe each sensor of each asset.

    Parameters
    ----------
    rows : DataFrame
        Columns asset_id, timestamp, regime and the sensors; each asset's rows in time order. A sensor that is missing
        or not float64 is left out.
    asset_type : AssetType
        Names the sensors and says which are counters.

    Returns
    -------
    DataFrame
        Index such as ``pressure of pump-01``. Columns asset_id, sensor, unit, readings; `GIVEN`, `CHANGES`, `AT_EDGE`
        (shares), `JUMP` (a factor of at least 1) and `SET_BACK` (times), each NaN where it cannot be computed; and
        ``edge``, ``jump`` and ``falls``, the same as text.
    """
    codes, asset_names = pd.factorize(rows["asset_id"])
    order = np.argsort(codes, kind="stable")
    order = order[np.searchsorted(codes[order], 0) :]  # a row without an asset has the code -1
    asset, assets = codes[order].astype(np.int64), len(asset_names)
    times = pd.DatetimeIndex(rows["timestamp"])[order]
    idle = rows["regime"].isin(IDLE_REGIMES).to_numpy()[order] if "regime" in rows else np.zeros(len(order), dtype=bool)
    counts = np.bincount(asset, minlength=assets)
    parts = []
    for name, sensor in asset_type.sensors.items():
        if name in rows and pd.api.types.is_float_dtype(rows[name].dtype):
            readings = _SensorReadings(asset, rows[name].to_numpy(dtype=np.float64)[order], times)
            is_given = np.isfinite(readings.values)
            running = readings.only(is_given & ~idle)
            columns = {
                "asset_id": pd.Series(asset_names, dtype="str"),
                "sensor": name,
                "unit": "" if sensor.unit == "1" else sensor.unit,
                "readings": counts,
                GIVEN: _given(readings, assets),
                CHANGES: _changes(running, assets),
                **_edges(running, assets, sensor),
                **_jumps(running, assets, sensor),
                **_falls(readings.only(is_given), assets, sensor),
            }
            parts.append(pd.DataFrame(columns).set_axis([f"{name} of {asset_name}" for asset_name in asset_names]))
    return pd.concat(parts) if parts else pd.DataFrame()


def _given(series: _SensorReadings, assets: int) -> Floats:
    given = np.bincount(series.asset, weights=~np.isnan(series.values), minlength=assets)
    return _share(given, np.bincount(series.asset, minlength=assets))


def _changes(series: _SensorReadings, assets: int) -> Floats:
    """Return the share of readings that differ from the asset's reading before."""
    steps = series.steps()
    changed = np.bincount(steps.asset, weights=steps.values != 0, minlength=assets)
    return _share(changed, np.bincount(steps.asset, minlength=assets))


def _share(part: Floats | Counts, whole: Counts) -> Floats:
    return np.where(whole >= FEW, part / np.maximum(whole, 1), np.nan)


def _edges(series: _SensorReadings, assets: int, sensor: Sensor) -> dict[str, object]:
    """Return the larger share of readings that are exactly the largest, or the smallest, value of their asset.

    An edge at which a sensor may rightly rest counts as share 0: the value 0, which most machines show when they stand
    still, and the edges of a sensor with few values, such as a switch or a coarse display.
    """
    shares, texts = np.full(assets, np.nan), [""] * assets
    bounds = series.bounds(assets)
    counts = np.diff(bounds)
    enough = np.flatnonzero(counts >= FEW)
    if sensor.counter or not len(enough):
        return {AT_EDGE: shares, "edge": texts}
    for extreme, reduce in (("largest", np.maximum), ("smallest", np.minimum)):
        value = np.zeros(assets)
        value[counts > 0] = reduce.reduceat(series.values, bounds[:-1][counts > 0])
        on = np.bincount(series.asset, weights=series.values == value[series.asset], minlength=assets)
        for asset in enough:
            share = on[asset] / counts[asset] if value[asset] != 0 else 0.0
            if share >= CLIPPED and not _is_clipped(series.values[bounds[asset] : bounds[asset + 1]], value[asset]):
                share = 0.0
            if share > shares[asset] or np.isnan(shares[asset]):
                shares[asset] = share
                texts[asset] = f"{share:.0%} of {counts[asset]:,} readings at its {extreme} value {value[asset]:.6g}"
    return {AT_EDGE: shares, "edge": texts}


def _is_clipped(values: Floats, edge: float) -> bool:
    """Tell whether a sensor that otherwise moves stops at its edge: the edge is far more frequent than other values."""
    rest = values[values != edge]
    distinct = len(np.unique(rest))
    return distinct >= DISTINCT and len(values) - len(rest) >= DISTINCT * len(rest) / distinct


def _jumps(series: _SensorReadings, assets: int, sensor: Sensor) -> dict[str, object]:
    """Return by which factor level or spread changed for good within the delivery; of a counter, that of its steps.

    The delivery is cut in two between any of its blocks. A factor counts only if every block after the cut lies beyond
    every block before it: a machine that starts and stops changes back, a unit that was changed does not.
    """
    largest, texts = np.full(assets, np.nan), [""] * assets
    series = series.steps() if sensor.counter else series
    bounds = series.bounds(assets)
    counts = np.diff(bounds)
    enough = np.flatnonzero(counts >= BLOCKS * FEW)
    inside = (np.arange(BLOCKS * BLOCK_SAMPLE) + 0.5) / (BLOCKS * BLOCK_SAMPLE)
    places = bounds[enough][:, None] + (counts[enough][:, None] * inside).astype(np.int64)
    sample = series.values[places].reshape(len(enough), BLOCKS, BLOCK_SAMPLE)
    spread = _size(sample - np.median(sample, axis=2, keepdims=True))
    for what, size in (("", _size(sample)), ("spread ", spread)):
        factors, cuts = _cut(size)
        for asset, sizes, factor, cut, at in zip(enough, size, factors, cuts, places, strict=True):
            if factor > largest[asset] or np.isnan(largest[asset]):
                largest[asset] = factor
                since = format_instant(series.times[at[cut * BLOCK_SAMPLE]])
                unit = "" if sensor.unit == "1" else f" {sensor.unit}"
                texts[asset] = (
                    f"{what}{np.median(sizes[:cut]):.3g}{unit} until about {since}, {np.median(sizes[cut:]):.3g} after"
                )
    return {JUMP: largest, "jump": texts}


def _size(values: Floats) -> Floats:
    """Return how large values usually are: the mean of their upper half without the largest tenth.

    A median would flicker if a machine works half of its time, and a mean would follow a single spike.
    """
    ordered = np.sort(np.abs(values), axis=-1)
    return np.asarray(ordered[..., BLOCK_SAMPLE // 2 : BLOCK_SAMPLE - BLOCK_SAMPLE // 10].mean(axis=-1))


def _cut(size: Floats) -> tuple[Floats, Counts]:
    """Find for each row of blocks the cut with the largest factor between its sides, and that factor.

    A block of size 0 (a machine at rest, a sensor that stands still) has no scale: its asset has no factor.
    """
    size = np.where((size > 0).all(axis=1, keepdims=True), size, np.nan)
    most_before = np.maximum.accumulate(size, axis=1)[:, :-1]
    least_before = np.minimum.accumulate(size, axis=1)[:, :-1]
    most_after = np.maximum.accumulate(size[:, ::-1], axis=1)[:, ::-1][:, 1:]
    least_after = np.minimum.accumulate(size[:, ::-1], axis=1)[:, ::-1][:, 1:]
    factors = np.fmax(least_after / most_before, least_before / most_after)
    cut = np.argmax(np.where(np.isnan(factors), 0.0, factors), axis=1)
    best = factors[np.arange(len(factors)), cut]
    return np.maximum(best, 1.0), (cut + 1).astype(np.int64)


def _falls(series: _SensorReadings, assets: int, sensor: Sensor) -> dict[str, object]:
    """Return how often a counter counted down, and when first."""
    texts = [""] * assets
    if not sensor.counter:
        return {SET_BACK: np.full(assets, np.nan), "falls": texts}
    steps = series.steps()
    falls = steps.only(steps.values < 0)
    bounds = falls.bounds(assets)
    for asset in np.flatnonzero(np.diff(bounds)):
        first = range(bounds[asset], min(bounds[asset] + FIRST, bounds[asset + 1]))
        named = [f"{format_instant(falls.times[at])} by {-falls.values[at]:.6g}" for at in first]
        more = bounds[asset + 1] - bounds[asset] - len(named)
        texts[asset] = " and ".join(named) + (f" and {more:,} times more" if more else "")
    return {SET_BACK: np.diff(bounds).astype(np.float64), "falls": texts}


def format_instant(time: pd.Timestamp) -> str:
    """Write an instant for people, to the second at most: ``2026-01-05 06:15 UTC``."""
    return f"{time:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + " UTC"
