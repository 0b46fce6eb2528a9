"""How each sensor of each asset behaves in a delivery: silent, stuck, clipped, set back, or on another scale.

Nothing here is wrong with a single row; it takes all of them to see it. So the findings have a table of their own, with
one row for each sensor of each asset, and the promises about it are for information.
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
"""Fewer readings say nothing about a sensor's habits."""
CLIPPED = 0.1
"""A share of readings at the edge from which on a sensor is looked at closely."""
DISTINCT = 10
"""A sensor that otherwise moves shows at least so many other values, and its edge so many times as often as each."""
FIRST = 2
"""So many instants at which a counter was set back are named."""
BLOCKS, OF_EACH = 16, 31
"""A delivery is cut into so many parts of equal size, and so many readings stand for each: enough to see a factor, and
it takes no longer for a year than for a day."""


@dataclass(frozen=True)
class _Own:
    """One sensor's readings, asset after asset, each in time order."""

    asset: Counts
    """Place of the asset, rising."""
    values: Floats
    times: pd.DatetimeIndex

    def only(self, which: NDArray[np.bool_]) -> _Own:
        """Keep some of them."""
        return _Own(self.asset[which], self.values[which], self.times[which])

    def steps(self) -> _Own:
        """Return how much each value is above the asset's value before."""
        return _Own(self.asset[1:], np.diff(self.values), self.times[1:]).only(self.asset[1:] == self.asset[:-1])

    def bounds(self, assets: int) -> Counts:
        """Return where each asset begins, and where the last ends, shape (assets + 1,)."""
        return np.searchsorted(self.asset, np.arange(assets + 1)).astype(np.int64)


def of_sensors(rows: pd.DataFrame, asset_type: AssetType) -> pd.DataFrame:
    """Describe each sensor of each asset.

    Parameters
    ----------
    rows : DataFrame
        Columns asset_id, timestamp, regime and the sensors; each asset's rows in time order. A sensor that is not
        there or no float64 is left out.
    asset_type : AssetType
        Names the sensors and says which are counters.

    Returns
    -------
    DataFrame
        Index such as ``pressure of pump-01``. Columns asset_id, sensor, unit, readings; `GIVEN`, `CHANGES`, `AT_EDGE`
        (shares), `JUMP` (a factor of at least 1) and `SET_BACK` (times), each NaN where it cannot be said; ``edge``,
        ``jump`` and ``falls``, which say the same in words.
    """
    codes, names = pd.factorize(rows["asset_id"])
    order = np.argsort(codes, kind="stable")
    order = order[np.searchsorted(codes[order], 0) :]  # a row without an asset has the code -1
    asset, assets = codes[order].astype(np.int64), len(names)
    times = pd.DatetimeIndex(rows["timestamp"])[order]
    idle = rows["regime"].isin(IDLE_REGIMES).to_numpy()[order] if "regime" in rows else np.zeros(len(order), dtype=bool)
    counts = np.bincount(asset, minlength=assets)
    parts = []
    for sensor, about in asset_type.sensors.items():
        if sensor in rows and pd.api.types.is_float_dtype(rows[sensor].dtype):
            every = _Own(asset, rows[sensor].to_numpy(dtype=np.float64)[order], times)
            there = np.isfinite(every.values)
            watched = every.only(there & ~idle)
            columns = {
                "asset_id": pd.Series(names, dtype="str"),
                "sensor": sensor,
                "unit": "" if about.unit == "1" else about.unit,
                "readings": counts,
                GIVEN: _given(every, assets),
                CHANGES: _changes(watched, assets),
                **_edges(watched, assets, about),
                **_jumps(watched, assets, about),
                **_falls(every.only(there), assets, about),
            }
            parts.append(pd.DataFrame(columns).set_axis([f"{sensor} of {name}" for name in names]))
    return pd.concat(parts) if parts else pd.DataFrame()


def _given(every: _Own, assets: int) -> Floats:
    given = np.bincount(every.asset, weights=~np.isnan(every.values), minlength=assets)
    return _share(given, np.bincount(every.asset, minlength=assets))


def _changes(own: _Own, assets: int) -> Floats:
    """Return the share of readings that differ from the asset's reading before; nothing moves in a machine at rest."""
    steps = own.steps()
    changed = np.bincount(steps.asset, weights=steps.values != 0, minlength=assets)
    return _share(changed, np.bincount(steps.asset, minlength=assets))


def _share(part: Floats | Counts, whole: Counts) -> Floats:
    return np.where(whole >= FEW, part / np.maximum(whole, 1), np.nan)


def _edges(own: _Own, assets: int, about: Sensor) -> dict[str, object]:
    """Return the larger share of readings that are exactly the largest, or the smallest, value of their asset.

    Left out are edges where a sensor may rightly rest: 0, which most machines show when they stand still, and those of
    a sensor with few values, such as a switch or a coarse display.
    """
    found, words = np.full(assets, np.nan), [""] * assets
    bounds = own.bounds(assets)
    counts = np.diff(bounds)
    has = np.flatnonzero(counts >= FEW)
    if about.counter or not len(has):
        return {AT_EDGE: found, "edge": words}
    for extreme, reduce in (("largest", np.maximum), ("smallest", np.minimum)):
        value = np.zeros(assets)
        value[counts > 0] = reduce.reduceat(own.values, bounds[:-1][counts > 0])
        on = np.bincount(own.asset, weights=own.values == value[own.asset], minlength=assets)
        for one in has:
            share = on[one] / counts[one] if value[one] != 0 else 0.0
            if share >= CLIPPED and not _is_a_pile(own.values[bounds[one] : bounds[one + 1]], value[one]):
                share = 0.0
            if share > found[one] or np.isnan(found[one]):
                found[one] = share
                words[one] = f"{share:.0%} of {counts[one]:,} readings at its {extreme} value {value[one]:.6g}"
    return {AT_EDGE: found, "edge": words}


def _is_a_pile(values: Floats, edge: float) -> bool:
    """Tell whether a sensor that otherwise moves stops at its edge: the edge comes far more often than other values."""
    rest = values[values != edge]
    distinct = len(np.unique(rest))
    return distinct >= DISTINCT and len(values) - len(rest) >= DISTINCT * len(rest) / distinct


def _jumps(own: _Own, assets: int, about: Sensor) -> dict[str, object]:
    """Return by which factor level or spread changed for good within the delivery; of a counter, that of its steps.

    The delivery is cut in two between any of its blocks. A factor counts only where every block after the cut lies
    beyond every block before it: a machine that starts and stops goes to and fro, a unit that was changed stays.
    """
    found, words = np.full(assets, np.nan), [""] * assets
    own = own.steps() if about.counter else own
    bounds = own.bounds(assets)
    counts = np.diff(bounds)
    enough = np.flatnonzero(counts >= BLOCKS * FEW)
    inside = (np.arange(BLOCKS * OF_EACH) + 0.5) / (BLOCKS * OF_EACH)
    places = bounds[enough][:, None] + (counts[enough][:, None] * inside).astype(np.int64)
    sample = own.values[places].reshape(len(enough), BLOCKS, OF_EACH)
    spread = _size(sample - np.median(sample, axis=2, keepdims=True))
    for what, size in (("", _size(sample)), ("spread ", spread)):
        factors, cuts = _cut(size)
        for one, sizes, factor, cut, at in zip(enough, size, factors, cuts, places, strict=True):
            if factor > found[one] or np.isnan(found[one]):
                found[one] = factor
                since = say_instant(own.times[at[cut * OF_EACH]])
                unit = "" if about.unit == "1" else f" {about.unit}"
                words[one] = (
                    f"{what}{np.median(sizes[:cut]):.3g}{unit} until about {since}, {np.median(sizes[cut:]):.3g} after"
                )
    return {JUMP: found, "jump": words}


def _size(values: Floats) -> Floats:
    """Return how large values usually are: the mean of their upper half without the largest tenth.

    A median would flicker where a machine works half of its time, a mean would follow a single spike.
    """
    ordered = np.sort(np.abs(values), axis=-1)
    return np.asarray(ordered[..., OF_EACH // 2 : OF_EACH - OF_EACH // 10].mean(axis=-1))


def _cut(size: Floats) -> tuple[Floats, Counts]:
    """Find for each row of blocks the cut with the largest factor between its sides, and that factor.

    A block of size 0 (a machine at rest, a sensor that stands still) has no scale: its asset is not judged.
    """
    size = np.where((size > 0).all(axis=1, keepdims=True), size, np.nan)
    most_before = np.maximum.accumulate(size, axis=1)[:, :-1]
    least_before = np.minimum.accumulate(size, axis=1)[:, :-1]
    most_after = np.maximum.accumulate(size[:, ::-1], axis=1)[:, ::-1][:, 1:]
    least_after = np.minimum.accumulate(size[:, ::-1], axis=1)[:, ::-1][:, 1:]
    factors = np.fmax(least_after / most_before, least_before / most_after)
    known = np.where(np.isnan(factors), 0.0, factors)
    cut = np.argmax(known, axis=1)
    best = factors[np.arange(len(factors)), cut]
    return np.maximum(best, 1.0), (cut + 1).astype(np.int64)


def _falls(own: _Own, assets: int, about: Sensor) -> dict[str, object]:
    """Return how often a counter counted down, and when first."""
    words = [""] * assets
    if not about.counter:
        return {SET_BACK: np.full(assets, np.nan), "falls": words}
    steps = own.steps()
    falls = steps.only(steps.values < 0)
    bounds = falls.bounds(assets)
    for one in np.flatnonzero(np.diff(bounds)):
        first = range(bounds[one], min(bounds[one] + FIRST, bounds[one + 1]))
        told = [f"{say_instant(falls.times[at])} by {-falls.values[at]:.6g}" for at in first]
        more = bounds[one + 1] - bounds[one] - len(told)
        words[one] = " and ".join(told) + (f" and {more:,} times more" if more else "")
    return {SET_BACK: np.diff(bounds).astype(np.float64), "falls": words}


def say_instant(time: pd.Timestamp) -> str:
    """Write an instant for people, to the second at most: ``2026-01-05 06:15 UTC``."""
    return f"{time:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + " UTC"
