"""Counts of readings that arrive piece by piece: times of an asset, values of a sensor, and a sample of all readings.

Memory does not grow with the number of readings.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.readings.plain_values import iso

MOST_VALUES = 10_000_000
"""Values that a sample keeps: 80 MB."""
_MOST_PAUSES = 20_000
_LONGEST = 10


@dataclass
class AssetTimes:
    """The times of one asset's readings."""

    count: int = 0
    first: pd.Timestamp | None = None
    last: pd.Timestamp | None = None
    pauses: Counter[float] = field(default_factory=Counter)
    """Pause in s → how often; if very many are different, they are rounded to three digits."""
    longest: list[tuple[float, str]] = field(default_factory=list)
    """The longest pauses, each with the reading that ended it."""

    def add(self, times: pd.Series[Any], is_in_order: pd.Series[bool] | None = None) -> None:
        """Add the asset's next readings as they arrived; pauses lie between those that are in order, by default all."""
        self._add_pauses(times if is_in_order is None else times[is_in_order])
        self.count += len(times)
        self.first = _extreme(min, self.first, times.min())
        self.last = _extreme(max, self.last, times.max())

    def _add_pauses(self, times: pd.Series[Any]) -> None:
        if times.empty:
            return
        before = times.shift()
        if self.last is not None:
            before.iloc[0] = self.last
        seconds = (times - before).dt.total_seconds().to_numpy()
        forward = seconds > 0
        self._count_pauses(seconds[forward])
        top = np.flatnonzero(forward)[np.argsort(seconds[forward], kind="stable")[-_LONGEST:]]
        ended = [(float(seconds[at]), str(iso(times.iloc[at]))) for at in top]
        self.longest = heapq.nlargest(_LONGEST, [*self.longest, *ended])

    def _count_pauses(self, seconds: Any) -> None:
        values, counts = np.unique(np.round(seconds, 6), return_counts=True)
        if len(self.pauses) + len(values) > _MOST_PAUSES:
            self.pauses = _three_digits(self.pauses)
            values = np.array([float(f"{value:.3g}") for value in values])
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self.pauses[value] += count

    def step(self) -> float | None:
        """Return the usual pause in s: the most frequent one, or the median if none is frequent."""
        if not self.pauses:
            return None
        total = sum(self.pauses.values())
        most = min(self.pauses, key=lambda pause: (-self.pauses[pause], pause))
        if self.pauses[most] >= 0.1 * total:
            return most
        ordered = sorted(self.pauses)
        counts = np.cumsum([self.pauses[pause] for pause in ordered])
        return ordered[int(np.searchsorted(counts, total / 2))]

    def gaps(self) -> int:
        """Count the pauses that are longer than twice the usual one."""
        step = self.step()
        return sum(count for pause, count in self.pauses.items() if step and pause > 2 * step)

    def long_pauses(self, name: str) -> list[tuple[float, str, str]]:
        """Return the longest of these pauses: seconds, the reading that ended it, and the asset."""
        step = self.step()
        return [(seconds, until, name) for seconds, until in self.longest if step and seconds > 2 * step]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        longest = self.longest[0][0] if self.longest and self.gaps() else None
        about = {"rows": self.count, "first": iso(self.first), "last": iso(self.last), "step_seconds": self.step()}
        return {**about, "gaps": self.gaps(), "longest_gap_seconds": longest}

    @classmethod
    def together(cls, assets: Iterable[AssetTimes]) -> AssetTimes:
        """Return the times of several assets as one; the longest pauses are left out."""
        total = cls()
        for asset in assets:
            total.count += asset.count
            total.pauses.update(asset.pauses)
            total.first = _extreme(min, total.first, asset.first)
            total.last = _extreme(max, total.last, asset.last)
        return total


def _extreme(
    choose: Callable[[pd.Timestamp, pd.Timestamp], pd.Timestamp], a: pd.Timestamp | None, b: pd.Timestamp | None
) -> pd.Timestamp | None:
    """Return the earlier or later of two times, of which one may be missing."""
    if a is None or b is None:
        return b if a is None else a
    return choose(a, b)


def _three_digits(pauses: Counter[float]) -> Counter[float]:
    rounded: Counter[float] = Counter()
    for pause, count in pauses.items():
        rounded[float(f"{pause:.3g}")] += count
    return rounded


@dataclass
class SensorValues:
    """Counts and limits of one sensor's values, exactly."""

    count: int = 0
    missing: int = 0
    outside: int = 0
    low: float = np.inf
    high: float = -np.inf

    def add(self, values: pd.Series[float], low: float | None, high: float | None) -> None:
        """Add the sensor's next values, in its unit."""
        present = values.dropna()
        self.count += len(present)
        self.missing += len(values) - len(present)
        if len(present):
            self.low, self.high = min(self.low, float(present.min())), max(self.high, float(present.max()))
        too_low = 0 if low is None else int((present < low).sum())
        self.outside += too_low + (0 if high is None else int((present > high).sum()))

    def as_dict(self, sample: pd.Series[float] | None) -> dict[str, Any]:
        """Return the figures as plain JSON values; mean, deviation and outliers are those of a sample of the values.

        An outlier lies more than 1.5 interquartile ranges outside the quartiles, over all assets together.
        """
        about: dict[str, Any] = {"missing": self.missing, "outside": self.outside}
        about |= {"min": _number(self.low), "max": _number(self.high)}
        present = pd.Series(dtype="float64") if sample is None else sample.dropna()
        low, high = present.quantile([0.25, 0.75]) if len(present) else (np.nan, np.nan)
        reach = 1.5 * (high - low)
        outliers = int(((present < low - reach) | (present > high + reach)).sum())
        return {**about, "mean": _number(present.mean()), "std": _number(present.std()), "outliers": outliers}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


class Sample:
    """All readings while they are few, then every second, fourth, eighth … reading of each asset."""

    def __init__(self) -> None:
        self.every = 1
        self._parts: list[pd.DataFrame] = []
        self._counts: dict[str, int] = {}

    def add(self, rows: pd.DataFrame) -> None:
        """Add the next rows."""
        if not len(rows):
            return
        place_in_rows = rows["asset_id"].groupby(rows["asset_id"]).cumcount()
        place = place_in_rows + rows["asset_id"].map(self._counts).fillna(0).astype("int64")
        for asset, count in rows["asset_id"].value_counts().items():
            self._counts[str(asset)] = self._counts.get(str(asset), 0) + int(count)
        self._parts.append(rows.assign(_place=place)[place % self.every == 0])
        while sum(part.size for part in self._parts) > MOST_VALUES:
            self.every *= 2
            together = pd.concat(self._parts, ignore_index=True)
            self._parts = [together[together["_place"] % self.every == 0]]

    def rows(self) -> pd.DataFrame:
        """Return the sample, sorted by asset and time."""
        if not self._parts:
            return pd.DataFrame()
        together = pd.concat(self._parts, ignore_index=True).drop(columns="_place")
        return together.sort_values(["asset_id", "timestamp"], kind="stable", ignore_index=True)
