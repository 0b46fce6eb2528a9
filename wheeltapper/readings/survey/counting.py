"""Tallies of readings that come piece by piece: when an asset speaks, what a sensor shows, and a sample of all.

Memory does not grow with the readings.
"""

from __future__ import annotations

import heapq
from collections import Counter
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
class AssetTally:
    """When one asset speaks."""

    count: int = 0
    first: pd.Timestamp | None = None
    last: pd.Timestamp | None = None
    pauses: Counter[float] = field(default_factory=Counter)
    """Pause in s → how often; of very many different ones three digits are kept."""
    longest: list[tuple[float, str]] = field(default_factory=list)
    """The longest pauses, each with the reading that ended it."""

    def add(self, times: pd.Series[Any]) -> None:
        """Take in its next readings, in order."""
        before = times.shift()
        if self.last is not None:
            before.iloc[0] = self.last
        seconds = (times - before).dt.total_seconds().to_numpy()
        forward = seconds > 0
        self._remember(seconds[forward])
        top = np.flatnonzero(forward)[np.argsort(seconds[forward], kind="stable")[-_LONGEST:]]
        ended = [(float(seconds[at]), str(iso(times.iloc[at]))) for at in top]
        self.longest = heapq.nlargest(_LONGEST, [*self.longest, *ended])
        self.count += len(times)
        self.first = times.min() if self.first is None else min(self.first, times.min())
        self.last = times.max() if self.last is None else max(self.last, times.max())

    def _remember(self, seconds: Any) -> None:
        values, counts = np.unique(np.round(seconds, 6), return_counts=True)
        if len(self.pauses) + len(values) > _MOST_PAUSES:
            self.pauses = _three_digits(self.pauses)
            values = np.array([float(f"{value:.3g}") for value in values])
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self.pauses[value] += count

    def step(self) -> float | None:
        """Return the usual pause in s: the most frequent one, or where none is frequent the middle one."""
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
        """Return the longest of them: seconds, the reading that ended it, and the asset."""
        step = self.step()
        return [(seconds, until, name) for seconds, until in self.longest if step and seconds > 2 * step]

    def told(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        longest = self.longest[0][0] if self.longest and self.gaps() else None
        about = {"rows": self.count, "first": iso(self.first), "last": iso(self.last), "step_seconds": self.step()}
        return {**about, "gaps": self.gaps(), "longest_gap_seconds": longest}

    @classmethod
    def together(cls, assets: Any) -> AssetTally:
        """Return all of them as one."""
        all_ = cls()
        for one in assets:
            all_.count += one.count
            all_.pauses.update(one.pauses)
            all_.first = one.first if all_.first is None else min(all_.first, one.first)
            all_.last = one.last if all_.last is None else max(all_.last, one.last)
        return all_


def _three_digits(pauses: Counter[float]) -> Counter[float]:
    rounded: Counter[float] = Counter()
    for pause, count in pauses.items():
        rounded[float(f"{pause:.3g}")] += count
    return rounded


@dataclass
class SensorTally:
    """What one sensor shows, exactly."""

    count: int = 0
    missing: int = 0
    outside: int = 0
    low: float = np.inf
    high: float = -np.inf

    def add(self, values: pd.Series[float], low: float | None, high: float | None) -> None:
        """Take in its next values, in its unit."""
        given = values.dropna()
        self.count += len(given)
        self.missing += len(values) - len(given)
        if len(given):
            self.low, self.high = min(self.low, float(given.min())), max(self.high, float(given.max()))
        too_low = 0 if low is None else int((given < low).sum())
        self.outside += too_low + (0 if high is None else int((given > high).sum()))

    def told(self, sample: pd.Series[float] | None) -> dict[str, Any]:
        """Return it as plain JSON values, with what only a sample of the values tells."""
        about: dict[str, Any] = {"missing": self.missing, "outside": self.outside}
        about |= {"min": _number(self.low), "max": _number(self.high)}
        given = pd.Series(dtype="float64") if sample is None else sample.dropna()
        low, high = given.quantile([0.25, 0.75]) if len(given) else (np.nan, np.nan)
        reach = 1.5 * (high - low)
        outliers = int(((given < low - reach) | (given > high + reach)).sum())
        return {**about, "mean": _number(given.mean()), "std": _number(given.std()), "outliers": outliers}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


class Sample:
    """All readings while they are few, then each asset's every second, fourth, eighth and so on."""

    def __init__(self) -> None:
        self.every = 1
        self._parts: list[pd.DataFrame] = []
        self._counts: dict[str, int] = {}

    def add(self, rows: pd.DataFrame) -> None:
        """Take in the next rows."""
        if not len(rows):
            return
        own = rows["asset_id"].groupby(rows["asset_id"]).cumcount()
        place = own + rows["asset_id"].map(self._counts).fillna(0).astype("int64")
        for asset, count in rows["asset_id"].value_counts().items():
            self._counts[str(asset)] = self._counts.get(str(asset), 0) + int(count)
        self._parts.append(rows.assign(_place=place)[place % self.every == 0])
        while sum(part.size for part in self._parts) > MOST_VALUES:
            self.every *= 2
            together = pd.concat(self._parts, ignore_index=True)
            self._parts = [together[together["_place"] % self.every == 0]]

    def rows(self) -> pd.DataFrame:
        """Return what was kept, by asset and time."""
        if not self._parts:
            return pd.DataFrame()
        together = pd.concat(self._parts, ignore_index=True).drop(columns="_place")
        return together.sort_values(["asset_id", "timestamp"], kind="stable", ignore_index=True)
