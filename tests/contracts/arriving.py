"""Readings that arrive in pieces, late, twice and corrected; and the table of windows that follows from what a memory
returns for each delivery.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wheeltapper.features.compute import WindowRows, rows_of
from wheeltapper.features.conditioning import Track
from wheeltapper.features.memory import Arrivals, AssetMemory, Changed, needed_since
from wheeltapper.features.plan import FeaturePlan

Row = tuple[int, Any, Any, bytes]


@dataclass
class Following:
    """The stored readings of one asset, and the windows that its memory returns for them, delivery by delivery."""

    plan: FeaturePlan
    stores_first: bool = False
    """Whether new readings are stored before the memory takes them in."""
    readings: dict[int, tuple[tuple[float, ...], Any]] = field(default_factory=dict)
    windows: dict[int, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.memory = AssetMemory(self.plan)

    def deliver(self, arrived: Arrivals) -> Changed:
        """Take one delivery in, and change the windows as the memory returns."""
        is_fresh = not self.stores_first and not set(arrived.micros.tolist()) & set(self.readings)
        if self.stores_first:
            self._store(arrived)
        changed = self.memory.add(arrived, self.stored)
        if not self.stores_first:
            self._store(arrived)
        ends_gone, rows = changed.gone.tolist(), by_end(changed.rows)
        assert sorted(ends_gone) == ends_gone
        assert list(rows) == sorted(rows)
        assert not set(ends_gone) & set(rows)
        if is_fresh:  # what a stored reading changes is unknown to a memory that does not hold it
            assert set(ends_gone) <= set(self.windows)
            assert not any(self.windows.get(end) == row for end, row in rows.items())
        if changed.is_in_order:
            assert not ends_gone
            assert not set(rows) & set(self.windows)
        self.windows = {end: row for end, row in self.windows.items() if end not in ends_gone} | rows
        return changed

    def restart(self) -> None:
        """Begin with a new memory, from the stored readings that it needs."""
        if self.readings:
            newest = max(self.readings)
            assert self.memory.needed_since == needed_since(self.plan, newest)
            self.memory = AssetMemory(self.plan, self.stored(needed_since(self.plan, newest), newest + 1))

    def stored(self, start: int, end: int) -> Track:
        """Return the stored readings of a span."""
        return self._track(sorted(instant for instant in self.readings if start <= instant < end))

    def batch(self) -> dict[int, Row]:
        """Return the windows of all stored readings, computed at once."""
        return by_end(rows_of(self.plan, self._track(sorted(self.readings))))

    def _store(self, arrived: Arrivals) -> None:
        values = np.column_stack([arrived.sensors[name] for name in self.plan.sensors])
        for instant, row, regime in zip(arrived.micros.tolist(), values.tolist(), arrived.regimes, strict=True):
            self.readings[instant] = tuple(row), regime

    def _track(self, instants: list[int]) -> Track:
        rows = [self.readings[instant] for instant in instants]
        values = np.array([row for row, _ in rows], dtype=np.float64).reshape(len(rows), len(self.plan.sensors))
        regimes = np.array([regime for _, regime in rows], dtype=object)
        sensors = {name: values[:, place].copy() for place, name in enumerate(self.plan.sensors)}
        return Track(np.array(instants, dtype=np.int64), sensors, regimes)


def by_end(rows: WindowRows) -> dict[int, Row]:
    """Return windows by their end; values as bytes, so that they are compared to the last bit."""
    values = np.where(np.isnan(rows.values), np.nan, rows.values)
    parts = zip(rows.starts.tolist(), rows.regimes, rows.why_not, (row.tobytes() for row in values), strict=True)
    return dict(zip(rows.ends.tolist(), parts, strict=True))


def pick(track: Track, places: np.ndarray | slice) -> Arrivals:
    """Return some readings, in any order."""
    sensors = {name: values[places] for name, values in track.sensors.items()}
    return Arrivals(track.micros[places], sensors, track.regimes[places])


def in_order(track: Track, rng: np.random.Generator, longest: int) -> Iterator[Arrivals]:
    """Cut readings into deliveries of 1 to ``longest``."""
    at = 0
    while at < len(track.micros):
        count = int(rng.integers(1, longest + 1))
        yield pick(track, slice(at, at + count))
        at += count


def in_disorder(track: Track, rng: np.random.Generator, longest: int) -> Iterator[Arrivals]:
    """Cut readings into deliveries that are late, repeat readings as they were, and correct earlier ones."""
    n = len(track.micros)
    order = np.argsort(np.arange(n) + rng.choice([0, 0, 0, 3, 12, 60], n) * rng.random(n), kind="stable")
    wrong = rng.random(n) < 0.15
    sent_places: list[int] = []
    at = 0
    while at < n:
        count = int(rng.integers(1, longest + 1))
        places = order[at : at + count].tolist()
        arrived = pick(track, np.array(places))
        for name in arrived.sensors:
            arrived.sensors[name][wrong[places]] += 1.0
        repeats = bool(sent_places) and rng.random() < 0.3
        repeated_places = rng.choice(sent_places, min(len(sent_places), 2), replace=False) if repeats else []
        yield _joined([arrived, pick(track, np.array(repeated_places, dtype=np.int64))])
        sent_places += places
        at += count
    corrected = rng.permutation(np.flatnonzero(wrong))
    for part in np.array_split(corrected, 3):
        yield _joined([pick(track, part[: len(part) // 2]), pick(track, part)])


def _joined(parts: list[Arrivals]) -> Arrivals:
    return Arrivals(
        np.concatenate([part.micros for part in parts]),
        {name: np.concatenate([part.sensors[name] for part in parts]) for name in parts[0].sensors},
        np.concatenate([part.regimes for part in parts]),
    )
