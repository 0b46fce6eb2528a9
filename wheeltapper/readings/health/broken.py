"""Sensor health: sensors that are stuck, silent, at the end of their range, or suddenly on another scale.

Each sensor of each asset is compared with its own past alone. No label is used. Whether a reading is flagged depends on
it and on earlier readings; see `runs` for the start of a run. A sensor that has been broken from the beginning is never
found: there is nothing to compare it with.
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
"""Readings that a level is computed from."""
MANY_BLOCKS = 20
"""Earlier blocks that there must be before a level can jump."""
FACTOR = 10.0
"""An order of magnitude: units differ by more, machines hardly."""
ALIKE = 5.0
"""In another unit the spread grows as the level does, but for this factor of chance."""


def unchanged(values: Floats, low: float | None = None, high: float | None = None) -> tuple[Runs, Runs]:
    """Find where a sensor shows the same value much longer than usual: stuck inside its range, or clipped at an end.

    A machine that stands still has quiet sensors, too: where its regime does not say so, the first two such pauses
    are found; from then on they are usual.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order; missing values are skipped.
    low, high : float, optional
        Limits of the sensor, in its unit. An end of its range is a limit, or its lowest or highest value so far.

    Returns
    -------
    stuck, clipped : Runs
    """
    places = np.flatnonzero(~np.isnan(values))
    shown = values[places]
    start, end = cut_runs(np.diff(shown, prepend=np.nan) != 0)
    # A run's value is compared with earlier values only, so later values do not change its kind.
    at = shown[start]
    at_end = (at >= np.maximum.accumulate(at)) | (at <= np.minimum.accumulate(at))
    at_end |= (at == low) | (at == high)
    runs = too_long(start, end, np.where(at_end, LEAST_CLIPPED, LEAST_FLAT))
    is_end = at_end[np.searchsorted(start, runs.start)]
    return runs.only(~is_end).at(places), runs.only(is_end).at(places)


def dropout(values: Floats) -> Runs:
    """Find where a sensor has no value for much longer than usual, while other sensors of its asset have values.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order. A row without any value is no reading, so where this sensor's value is
        missing, another sensor has one.
    """
    missing = np.isnan(values)
    start, end = cut_runs(np.diff(missing, prepend=False))
    silent = missing[start] if len(missing) else np.zeros(0, dtype=bool)
    had_value = np.maximum.accumulate(~missing)[start] if len(missing) else silent
    runs = too_long(start[silent], end[silent], LEAST_SILENT)
    return runs.only(had_value[silent][np.searchsorted(start[silent], runs.start)])


def jump_in_scale(values: Floats) -> Runs:
    """Find where level and spread become ten times as large or small as they ever were, as in another unit.

    Levels are computed from blocks of `BLOCK` readings. Both must change alike: a machine that is switched off falls
    to zero, but its noise does not shrink by the same factor. When the new scale has lasted as long as all the time
    before it, it is the usual one.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order; missing values are skipped.
    """
    places = np.flatnonzero(~np.isnan(values))
    shown = np.abs(values[places])
    level, spread = _levels(values[places])
    spans = _jumps(level.tolist(), spread.tolist())
    first = [_walk(shown, begin * BLOCK - 1, -1, was, level[begin]) + 1 for begin, _, was in spans]
    last = [_walk(shown, (end + 1) * BLOCK, 1, was, level[end]) - 1 for _, end, was in spans]
    block_end = [(begin + 1) * BLOCK - 1 for begin, _, _ in spans]
    return Runs(*(np.array(column, dtype=np.int64) for column in (first, block_end, last))).at(places)


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
    stretches: list[tuple[int, int, float]] = []
    usual: list[int] = []
    lowest, highest = np.inf, -np.inf
    start, before = -1, 0.0
    for place, (size, width) in enumerate(zip(level, spread, strict=True)):
        is_far = len(usual) >= MANY_BLOCKS and (size >= FACTOR * highest > 0 or 0 < size <= lowest / FACTOR)
        is_jump = False
        if is_far:
            recent = usual[-MANY_BLOCKS:]
            old = float(np.median([level[block] for block in recent]))
            expected = size / old * float(np.median([spread[block] for block in recent])) if old else np.inf
            is_jump = expected / ALIKE <= width <= expected * ALIKE  # zero has no scale
        if is_jump and start < 0:
            start, before = place, old
        if start >= 0 and (not is_jump or place - start >= len(usual)):
            stretches.append((start, place - 1, before))
            is_far, start = is_far and not is_jump, -1  # after so long a time it is usual
        if not is_far:  # a block that is half old and half new is neither
            usual.append(place)
            lowest, highest = min(lowest, size), max(highest, size)
    return stretches if start < 0 else [*stretches, (start, len(level) - 1, before)]


def counter_reset(values: Floats) -> Runs:
    """Find where a counter that only counts up shows less than before: it was reset, replaced or has overflowed.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One counter of one asset, in time order; missing values are skipped.
    """
    places = np.flatnonzero(~np.isnan(values))
    fallen = places[np.flatnonzero(np.diff(values[places]) < 0) + 1]
    return Runs(fallen, fallen, fallen)
