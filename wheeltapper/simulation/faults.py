"""Faults: when they begin, how they grow, and what they do to the sensors.

Planning and damage are kept apart from normal running, with random numbers of their own: a machine simulated without
faults shows the same readings as with them, outside the faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from wheeltapper.assets import Floats
from wheeltapper.config import AssetType, format_duration
from wheeltapper.errors import SourceError

SHORTEST = timedelta(minutes=30)
LONGEST = timedelta(minutes=240)
DISTANCE = timedelta(minutes=60)
"""Between two faults of one machine there is at least this time, so that one alarm can close before the next opens."""
MILDEST = 0.4
"""Lowest peak severity; 1 is the effect written in the asset type."""

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Fault:
    """One planned fault, in rows of its machine's series."""

    first: int
    rows: int
    kind: str
    peak: float
    """Severity when fully developed, 0 to 1."""
    growth: float
    """Share of the fault's time in which it grows to its peak."""

    @property
    def span(self) -> slice:
        """The rows inside the fault."""
        return slice(self.first, self.first + self.rows)

    def severity(self) -> Floats:
        """Return the momentary severity of each row inside: a ramp to the peak, then the peak."""
        grown = np.arange(1, self.rows + 1) / max(self.growth * self.rows, 1.0)
        return self.peak * np.minimum(grown, 1.0)


def plan(
    rng: np.random.Generator,
    runs: Flags,
    step: timedelta,
    rate: float,
    kinds: Sequence[str],
    *,
    gradual: Sequence[str] = (),
    overlap: bool = False,
    lasts: tuple[timedelta, timedelta] = (SHORTEST, LONGEST),
    distance: timedelta = DISTANCE,
) -> list[Fault]:
    """Choose the faults of one machine so that they fill the requested share of its rows.

    A fault lasts 30 to 240 minutes, or as requested, and lies wholly where the machine runs. The number of rows inside
    faults is exact; where the whole share is shorter than the shortest fault there is one fault that short. Kinds come
    in equal parts.

    Parameters
    ----------
    rng : Generator
    runs : ndarray of bool, shape (n_readings,)
        Where the machine runs and is watched.
    step : timedelta
        Between two readings.
    rate : float
        Share of all rows that lie inside a fault, 0 to 0.5.
    kinds : sequence of str
    gradual : sequence of str
        Kinds that grow to their very end.
    overlap : bool
        Let faults lie anywhere, also on each other; rows inside several count once.
    lasts : pair of timedelta
        The shortest and the longest fault.
    distance : timedelta
        Between two faults, at least.

    Returns
    -------
    list of Fault
        By time.

    Raises
    ------
    SourceError
        If the machine does not run long enough for that many faults.
    """
    fault_rows = round(rate * len(runs))
    if fault_rows == 0 or not kinds:
        return []
    shortest, longest, apart = (max(1, round(time / step)) for time in (*lasts, distance))
    if overlap:
        firsts, rows = _scatter(rng, runs, fault_rows, shortest, longest)
    else:
        rows = _lengths(rng, fault_rows, shortest, longest)
        firsts, rows = _place(rng, runs, rows, apart, step)
    chosen = _in_equal_parts(rng, kinds, len(rows))
    return [
        Fault(
            first=int(first),
            rows=int(length),
            kind=kind,
            peak=float(rng.uniform(MILDEST, 1.0)),
            growth=1.0 if kind in gradual else float(rng.uniform(1 / 3, 1 / 2)),
        )
        for first, length, kind in zip(firsts, rows, chosen, strict=True)
    ]


def damage(
    values: Mapping[str, Floats],
    faults: Sequence[Fault],
    asset_type: AssetType,
    rng: np.random.Generator,
    *,
    runs: Flags | None = None,
) -> dict[str, Floats]:
    """Return the sensors' values with the faults in them; values outside the faults stay as they are.

    At momentary severity s a value becomes ``value · (1 + (factor − 1) · s) + shift · s``, with extra noise of
    standard deviation ``noise · s``. Limits are not applied here. Where ``runs`` says that the machine stands still,
    a fault shows nothing: worn bearings make no noise then.
    """
    damaged = {sensor: column.copy() for sensor, column in values.items()}
    for fault in faults:
        severity = fault.severity() if runs is None else fault.severity() * runs[fault.span]
        for sensor, effect in asset_type.faults[fault.kind].effects.items():
            shaken = effect.shift + effect.noise * rng.standard_normal(fault.rows)
            column = damaged[sensor]
            column[fault.span] = column[fault.span] * (1 + (effect.factor - 1) * severity) + shaken * severity
    return damaged


def _lengths(rng: np.random.Generator, fault_rows: int, shortest: int, longest: int) -> Counts:
    """Draw uniform lengths that add up to ``fault_rows``."""
    drawn = [int(rng.integers(shortest, longest + 1))]
    while sum(drawn) < fault_rows:
        drawn.append(int(rng.integers(shortest, longest + 1)))
    fewer = drawn[:-1]
    if fewer and len(fewer) * longest >= fault_rows and fault_rows - sum(fewer) < sum(drawn) - fault_rows:
        drawn = fewer
    while len(drawn) > 1 and len(drawn) * shortest > fault_rows:
        drawn.pop()
    if len(drawn) == 1:
        return np.array([fault_rows])
    return _stretch(np.array(drawn), fault_rows, shortest, longest)


def _stretch(lengths: Counts, fault_rows: int, shortest: int, longest: int) -> Counts:
    """Move all lengths by the same share of their room, towards the side on which rows are missing."""
    missing = fault_rows - int(lengths.sum())
    room = longest - lengths if missing > 0 else lengths - shortest
    moved = np.cumsum(room) * abs(missing) / max(int(room.sum()), 1)
    steps = np.diff(np.round(moved).astype(np.int64), prepend=0)
    return np.asarray(lengths + np.sign(missing) * steps)


def _stretches(runs: Flags) -> Iterator[tuple[int, int]]:
    """Yield first row and length of every stretch in which the machine runs."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], runs, [False]])))
    for first, end in edges.reshape(-1, 2):
        yield int(first), int(end - first)


def _place(
    rng: np.random.Generator, runs: Flags, lengths: Counts, distance: int, step: timedelta
) -> tuple[Counts, Counts]:
    """Lay the faults into the running stretches: where they fit, with equal chance, and at a distance.

    The longest are dealt first, because they are the hardest to find room for.
    """
    stretches = np.array(list(_stretches(runs)), dtype=np.int64).reshape(-1, 2)
    # Each fault brings its distance along; the very last row of the series needs none after it.
    room = stretches[:, 1] + distance * (stretches.sum(axis=1) == len(runs))
    dealt: list[list[int]] = [[] for _ in stretches]
    for length in -np.sort(-lengths):
        places = np.maximum(room - (length + distance) + 1, 0).astype(np.float64)
        if not places.any():
            raise SourceError(_no_room(lengths, runs, distance, step))
        where = int(rng.choice(len(places), p=places / places.sum()))
        room[where] -= length + distance
        dealt[where].append(int(length))
    firsts: list[int] = []
    ordered: list[int] = []
    for (first, _), fault_rows, spare in zip(stretches, dealt, room, strict=True):
        mixed = rng.permutation(np.array(fault_rows, dtype=np.int64))
        pauses = np.sort(rng.integers(0, spare + 1, size=len(fault_rows)))
        before = np.cumsum(mixed + distance) - (mixed + distance)
        firsts.extend(first + pauses + before)
        ordered.extend(mixed)
    return np.array(firsts), np.array(ordered)


def _scatter(
    rng: np.random.Generator, runs: Flags, fault_rows: int, shortest: int, longest: int
) -> tuple[Counts, Counts]:
    """Let faults fall anywhere where the machine runs, until they cover ``fault_rows`` rows; the last is cut to fit."""
    if fault_rows > runs.sum():
        raise SourceError(
            f"{fault_rows} rows cannot lie inside faults: the machine runs in {int(runs.sum())} of {len(runs)}. "
            "Lower anomaly_rate or simulate a longer duration."
        )
    stretches = np.array(list(_stretches(runs)), dtype=np.int64).reshape(-1, 2)
    rows = np.flatnonzero(runs)
    covered = np.zeros(len(runs), dtype=bool)
    lengths: dict[int, int] = {}
    while (lacking := fault_rows - int(covered.sum())) > 0:
        drawn = int(rng.choice(rows))
        begin, room = stretches[np.searchsorted(stretches[:, 0], drawn, side="right") - 1]
        length = min(int(rng.integers(shortest, longest + 1)), int(room))
        first = min(drawn, int(begin + room) - length)
        uncovered = np.cumsum(~covered[first : first + length])
        if uncovered[-1] == 0 or first in lengths:
            continue
        lengths[first] = min(length, int(np.searchsorted(uncovered, lacking)) + 1)
        covered[first : first + lengths[first]] = True
    firsts = np.array(sorted(lengths))
    return firsts, np.array([lengths[first] for first in firsts])


def _in_equal_parts(rng: np.random.Generator, kinds: Sequence[str], number: int) -> list[str]:
    """Return that many kinds in random order, each about equally often."""
    rounds = -(-number // len(kinds))
    return [kinds[i] for _ in range(rounds) for i in rng.permutation(len(kinds))][:number]


def _no_room(lengths: Counts, runs: Flags, distance: int, step: timedelta) -> str:
    return (
        f"{len(lengths)} faults of {int(lengths.sum())} rows in all do not fit into the {int(runs.sum())} rows "
        f"({len(runs)} with standstill) in which the machine runs, with {format_duration(distance * step)} between two "
        "faults. Lower anomaly_rate, simulate a longer duration, or set overlap: true."
    )
