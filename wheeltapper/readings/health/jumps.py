"""Jumps in scale: level and spread of a sensor become ten times as large or small as they ever were."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wheeltapper.readings.health.runs import Floats, Places, Runs
from wheeltapper.readings.health.series import FlaggedRuns, Piece, begin_of

BLOCK = 30
"""Readings that a level is computed from."""
MANY_BLOCKS = 20
"""Earlier blocks that there must be before a level can jump."""
FACTOR = 10.0
"""An order of magnitude: units differ by more, machines hardly."""
ALIKE = 5.0
"""In another unit the spread grows as the level does, but for this factor of chance."""
DESCRIBED = BLOCK * MANY_BLOCKS
"""Readings before a jump, and values after it, whose medians its sentence names."""


@dataclass
class UsualBlocks:
    """The blocks of one sensor that were on its usual scale."""

    count: int = 0
    lowest: float = np.inf
    highest: float = -np.inf
    levels: list[float] = field(default_factory=list)
    """Level of each of the newest `MANY_BLOCKS`."""
    spreads: list[float] = field(default_factory=list)

    def is_far(self, level: float) -> bool:
        """Tell whether a level is ten times as large or small as any before."""
        is_far = level >= FACTOR * self.highest > 0 or 0 < level <= self.lowest / FACTOR
        return self.count >= MANY_BLOCKS and is_far

    def is_alike(self, level: float, spread: float) -> bool:
        """Tell whether the spread has changed by the same factor as the level; zero has no scale."""
        old = float(np.median(self.levels))
        expected = level / old * float(np.median(self.spreads)) if old else np.inf
        return expected / ALIKE <= spread <= expected * ALIKE

    def add(self, level: float, spread: float) -> None:
        """Add a block."""
        self.count += 1
        self.lowest, self.highest = min(self.lowest, level), max(self.highest, level)
        self.levels = [*self.levels, level][-MANY_BLOCKS:]
        self.spreads = [*self.spreads, spread][-MANY_BLOCKS:]


@dataclass
class Jump:
    """A stretch on another scale that has not ended."""

    block: int = -1
    """Its first block; -1 while there is none."""
    usual_level: float = 0.0
    """The usual level before it."""
    latest: float = 0.0
    """Level of its newest block."""
    before: float = 0.0
    """Median size of the values among the `DESCRIBED` readings before it."""
    first: Places = field(default_factory=lambda: np.zeros((3, 0), dtype=np.int64))
    """Its first reading."""
    sizes: Floats = field(default_factory=lambda: np.zeros(0))
    """Sizes of its first `DESCRIBED` values."""


@dataclass
class Jumps:
    """Finds where level and spread become ten times as large or small as they ever were, as in another unit.

    Levels are computed from blocks of `BLOCK` readings; missing values are skipped. Both must change alike: a machine
    that is switched off falls to zero, but its noise does not shrink by the same factor. When the new scale has lasted
    as long as all the time before it, it is the usual one.
    """

    unit: str
    n_values: int = 0
    """Values so far."""
    readings: Places = field(default_factory=lambda: np.zeros((3, 0), dtype=np.int64))
    """Readings of the block before the one that is being filled, and of that one."""
    values: Floats = field(default_factory=lambda: np.zeros(0))
    """Their values, after those of `DESCRIBED` readings more."""
    rows: Places = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Places of these values in the series."""
    usual: UsualBlocks = field(default_factory=UsualBlocks)
    jump: Jump = field(default_factory=Jump)

    def advance(self, piece: Piece) -> list[FlaggedRuns]:
        """Look at the next readings; see `Detector`."""
        readings, values = piece.present(self.n_values)
        filled = self.n_values // BLOCK
        self.n_values += len(values)
        self.readings = np.concatenate([self.readings, readings], axis=1)
        self.values, self.rows = np.append(self.values, values), np.append(self.rows, readings[1])
        self._keep_sizes()
        ended: list[FlaggedRuns] = []
        for block, (level, spread) in enumerate(self._levels(filled), filled):
            ended += self._step(block, level, spread)
        self._forget()
        return ended

    def growing(self) -> list[FlaggedRuns]:
        """Return the stretch that goes on; see `Detector`."""
        return [self._flag(self.n_values // BLOCK - 1)] if self.jump.block >= 0 else []

    def unsettled(self) -> dict[str, int | None]:
        """Return where a stretch may still begin; see `Detector`."""
        if self.jump.block >= 0:
            return {"jump_in_scale": begin_of(Runs(self.jump.first, self.jump.first))}
        place = max(self.n_values // BLOCK * BLOCK - BLOCK + 1, 0)
        return {"jump_in_scale": int(self.readings[2, self._at(place)]) if self.n_values > place else None}

    def _levels(self, filled: int) -> list[tuple[float, float]]:
        """Return the typical size and the interquartile range of each block that is full now and was not before."""
        values = self._from(filled * BLOCK)
        blocks = values[: len(values) // BLOCK * BLOCK].reshape(-1, BLOCK)
        if not len(blocks):
            return []
        lower, upper = np.quantile(blocks, [0.25, 0.75], axis=1)
        return list(zip(np.median(np.abs(blocks), axis=1).tolist(), (upper - lower).tolist(), strict=True))

    def _step(self, block: int, level: float, spread: float) -> list[FlaggedRuns]:
        """Look at one block; return the stretch that it ends, if any."""
        ended: list[FlaggedRuns] = []
        is_far = self.usual.is_far(level)
        is_jump = is_far and self.usual.is_alike(level, spread)
        if is_jump and self.jump.block < 0:
            self._begin(block, level)
        if self.jump.block >= 0 and (not is_jump or block - self.jump.block >= self.usual.count):
            ended.append(self._flag(block - 1))
            self.jump = Jump()
            is_far = is_far and not is_jump  # after so long a time it is usual
        if not is_far:  # a block that is half old and half new is neither
            self.usual.add(level, spread)
        self.jump.latest = level
        return ended

    def _begin(self, block: int, level: float) -> None:
        usual_level = float(np.median(self.usual.levels))
        place = self._walk(block * BLOCK - 1, -1, usual_level, level) + 1
        at = self._at(place)
        first = self.readings[:, at : at + 1]
        is_before = (self.rows >= first[1] - DESCRIBED) & (self.rows < first[1])
        before = float(np.median(np.abs(self.values[is_before]))) if is_before.any() else usual_level
        self.jump = Jump(block, usual_level, level, before, first)
        self._keep_sizes()

    def _keep_sizes(self) -> None:
        """Keep what the sentence about the open stretch needs."""
        if self.jump.block >= 0 and len(self.jump.sizes) < DESCRIBED:
            place = int(self.jump.first[0, 0]) + len(self.jump.sizes)
            self.jump.sizes = np.append(self.jump.sizes, np.abs(self._from(place)))[:DESCRIBED]

    def _flag(self, block: int) -> FlaggedRuns:
        """Return the stretch that ends with a block, or within the one after it."""
        jump = self.jump
        place = self._walk((block + 1) * BLOCK, 1, jump.usual_level, jump.latest) - 1
        at = self._at(place)
        runs = Runs(jump.first, self.readings[:, at : at + 1])
        after = float(np.median(jump.sizes[: place - int(jump.first[0, 0]) + 1]))
        return FlaggedRuns("jump_in_scale", runs, [self._describe(jump.before, after)])

    def _describe(self, before: float, after: float) -> str:
        levels = f"from about {before:.4g} to {after:.4g} {self.unit}"
        if not before or not after:
            return f"{levels}, as if its unit had changed"
        times = f"{after / before:.3g} times as large" if after >= before else f"{before / after:.3g} times as small"
        return f"{levels}, {times}, as if its unit had changed"

    def _walk(self, place: int, step: int, usual_level: float, level: float) -> int:
        """Return the first place, within one block, whose value is nearer to the old level than to the new one."""
        middle = np.sqrt(usual_level * level)
        for _ in range(BLOCK - 1):
            if place >= self.n_values or (abs(self._from(place)[0]) > middle) != (level > middle):
                break
            place += step
        return place

    def _from(self, place: int) -> Floats:
        """Return the values from a place on."""
        return self.values[len(self.values) - (self.n_values - place) :]

    def _at(self, place: int) -> int:
        """Return where the reading of a place is among those that are kept."""
        return int(self.readings.shape[1]) - (self.n_values - place)

    def _forget(self) -> None:
        """Drop the readings that no later block needs."""
        n_kept = self.n_values % BLOCK + BLOCK
        self.readings = self.readings[:, -n_kept:].copy()
        self.values, self.rows = self.values[-n_kept - DESCRIBED :].copy(), self.rows[-n_kept - DESCRIBED :].copy()
