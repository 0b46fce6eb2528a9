"""Sensor health: sensors that are stuck, silent, at the end of their range, or suddenly on another scale.

Each sensor of each asset is compared with its own past alone. No label is looked at, and what is said of a reading
rests on it and on earlier ones; see `runs` for the start of a run. A sensor that has always been
like that is never found: nobody knows how it would be otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.readings.health.runs import Runs, cut_runs, too_long

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

LEAST_FLAT = 20
"""Equal readings in a row that are never called stuck."""
LEAST_CLIPPED = 20
"""Readings in a row at the end of the range that are never called clipped."""
LEAST_SILENT = 10
"""Missing readings in a row that are never called silence."""
BLOCK = 30
"""Readings that a level is told from."""
MANY_BLOCKS = 20
"""Blocks that must have come before a level can jump."""
FACTOR = 10.0
"""An order of magnitude: units differ by more, machines hardly."""
ALIKE = 5.0
"""In another unit the spread grows as the level does, but for this factor of chance."""


def flat(values: Floats, low: float | None = None, high: float | None = None) -> Runs:
    """Find where a sensor shows the same value much longer than it usually does, inside its range.

    A machine that stands still has quiet sensors, too: where its regime does not say so, the first two such pauses
    are found; from then on they are usual.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order; missing ones are passed over.
    low, high : float, optional
        Values between which the sensor can show something, in its unit.
    """
    return unchanged(values, low, high)[0]


def clipped(values: Floats, low: float | None = None, high: float | None = None) -> Runs:
    """Find where a sensor sits at the end of its range: at a limit, or at its lowest or highest value so far.

    See `flat`: the same, but at the end of the range.
    """
    return unchanged(values, low, high)[1]


def unchanged(values: Floats, low: float | None = None, high: float | None = None) -> tuple[Runs, Runs]:
    """Find both at once: where a sensor is stuck inside its range, and where at an end of it; see `flat`, `clipped`."""
    places = np.flatnonzero(~np.isnan(values))
    shown = values[places]
    start, end = cut_runs(np.diff(shown, prepend=np.nan) != 0)
    # What a run shows is compared with what came before it began, so later values do not change what it is.
    at = shown[start]
    at_end = (at >= np.maximum.accumulate(at)) | (at <= np.minimum.accumulate(at))
    at_end |= (at == low) | (at == high)
    runs = too_long(start, end, np.where(at_end, LEAST_CLIPPED, LEAST_FLAT))
    is_end = at_end[np.searchsorted(start, runs.start)]
    return runs.only(~is_end).at(places), runs.only(is_end).at(places)


def dropout(values: Floats) -> Runs:
    """Find where a sensor is silent much longer than it usually is, while others of its asset speak.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order. A row without any sensor's value is no reading, so a missing one means
        that others speak.
    """
    lost = np.isnan(values)
    start, end = cut_runs(np.diff(lost, prepend=False))
    silent = lost[start] if len(lost) else np.zeros(0, dtype=bool)
    has_spoken = np.maximum.accumulate(~lost)[start] if len(lost) else silent
    runs = too_long(start[silent], end[silent], LEAST_SILENT)
    return runs.only(has_spoken[silent][np.searchsorted(start[silent], runs.start)])


def jump_in_scale(values: Floats) -> Runs:
    """Find where level and spread become ten times as large or small as they ever were, as in another unit.

    Levels are told from blocks of `BLOCK` readings. Both must change alike: a machine that is switched off falls to
    nothing, but its noise does not shrink by the same factor. After as long a time as came before, the new scale is
    the usual one.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order; missing ones are passed over.
    """
    places = np.flatnonzero(~np.isnan(values))
    shown = np.abs(values[places])
    level, spread = _levels(values[places])
    spans = _jumps(level.tolist(), spread.tolist())
    first = [_walk(shown, begin * BLOCK - 1, -1, was, level[begin]) + 1 for begin, _, was in spans]
    last = [_walk(shown, (end + 1) * BLOCK, 1, was, level[end]) - 1 for _, end, was in spans]
    known = [(begin + 1) * BLOCK - 1 for begin, _, _ in spans]
    return Runs(*(np.array(one, dtype=np.int64) for one in (first, known, last))).at(places)


def _levels(values: Floats) -> tuple[Floats, Floats]:
    """Return the typical size and the interquartile range of each full block."""
    blocks = values[: len(values) // BLOCK * BLOCK].reshape(-1, BLOCK)
    if not len(blocks):
        return np.zeros(0), np.zeros(0)
    lower, upper = np.quantile(blocks, [0.25, 0.75], axis=1)
    return np.median(np.abs(blocks), axis=1), np.asarray(upper - lower)


def _walk(sizes: Floats, place: int, step: int, was: float, level: float) -> int:
    """Return the first place, within one block, whose value is nearer to the old level than to the new one."""
    middle = np.sqrt(was * level)
    for _ in range(BLOCK - 1):
        if not 0 <= place < len(sizes) or (sizes[place] > middle) != (level > middle):
            break
        place += step
    return place


def _jumps(level: list[float], spread: list[float]) -> list[tuple[int, int, float]]:
    """Return first and last block of each stretch on another scale, with the level before it."""
    found: list[tuple[int, int, float]] = []
    usual: list[int] = []
    lowest, highest = np.inf, -np.inf
    begun, was = -1, 0.0
    for place, (here, wide) in enumerate(zip(level, spread, strict=True)):
        is_far = len(usual) >= MANY_BLOCKS and (here >= FACTOR * highest > 0 or 0 < here <= lowest / FACTOR)
        is_jump = False
        if is_far:
            recent = usual[-MANY_BLOCKS:]
            old = float(np.median([level[one] for one in recent]))
            expected = here / old * float(np.median([spread[one] for one in recent])) if old else np.inf
            is_jump = expected / ALIKE <= wide <= expected * ALIKE  # from nothing at all no scale can be told
        if is_jump and begun < 0:
            begun, was = place, old
        if begun >= 0 and (not is_jump or place - begun >= len(usual)):
            found.append((begun, place - 1, was))
            is_far, begun = is_far and not is_jump, -1  # what has lasted as long as all before it is usual
        if not is_far:  # a block that is half old and half new is neither
            usual.append(place)
            lowest, highest = min(lowest, here), max(highest, here)
    return found if begun < 0 else [*found, (begun, len(level) - 1, was)]


def counter_reset(values: Floats) -> Runs:
    """Find where a counter that only counts up shows less than before: it was reset, replaced or has rolled over.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One counter of one asset, in time order; missing ones are passed over.
    """
    places = np.flatnonzero(~np.isnan(values))
    fallen = places[np.flatnonzero(np.diff(values[places]) < 0) + 1]
    return Runs(fallen, fallen, fallen)
