"""Runs: readings in a row that have something in common for much longer than usual for this sensor.

The usual length is learnt from the sensor's own past: lengths of runs that together hold more than a small share of the
readings before. So one odd event does not set the usual length, and a machine that stands still every night does, after
its first night. A run is *known* to be too long only at one of its readings. Its start is reported as well, with
hindsight: the readings between were not flagged when they arrived. Later readings can only make the last run longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

HISTORY = 500
"""Earlier readings that there must be before anything is called unusual."""
SHARE = 0.02
"""Runs of a length are usual if they, and longer ones, hold this share of the readings before."""
TIMES = 3
"""A run may be this many times as long as what is usual."""


@dataclass(frozen=True)
class Runs:
    """Places of each run's first reading, of the one at which it became known, and of its last; shape (n_runs,)."""

    start: Places
    known: Places
    end: Places

    def __len__(self) -> int:
        return len(self.start)

    def at(self, places: Places) -> Runs:
        """Return the same runs counted in another series, of which these readings are a part."""
        return Runs(places[self.start], places[self.known], places[self.end])

    def only(self, where: Flags) -> Runs:
        """Return some of the runs."""
        return replace(self, start=self.start[where], known=self.known[where], end=self.end[where])


def cut_runs(changes: Flags) -> tuple[Places, Places]:
    """Return first and last place of each run; a run begins where ``changes`` is true, and at the first place."""
    begins = changes.copy()
    begins[:1] = True
    start = np.flatnonzero(begins)
    return start, np.append(start[1:], len(changes)) - 1


def too_long(start: Places, end: Places, least: Places | int) -> Runs:
    """Return the runs that are much longer than those before them.

    Parameters
    ----------
    start, end : ndarray of shape (n_runs,)
        First and last place of each run, in order.
    least : int or ndarray of shape (n_runs,)
        Readings that are never too long.
    """
    length = end - start + 1
    shortest = max(int(np.min(least)) // TIMES, 1) if len(length) else 1
    counts = np.flatnonzero(length >= shortest)  # shorter ones never set a limit
    usual = np.zeros(len(length), dtype=np.int64)
    usual[counts] = _usual(start[counts], length[counts], shortest)
    limit = np.maximum(least, TIMES * usual)
    is_too_long = (length > limit) & (start >= HISTORY)
    return Runs(start[is_too_long], (start + limit)[is_too_long], end[is_too_long])


def _usual(start: Places, length: Places, shortest: int) -> Places:
    """Return the longest length that is usual before each run, up to a factor of the square root of 2; 0 for none."""
    steps = int(2 * np.log2(max(length.max(initial=1) / shortest, 1))) + 2
    edges = np.ceil(shortest * 2.0 ** (np.arange(steps + 1) / 2)).astype(np.int64)
    at = np.searchsorted(edges, length, "right") - 1
    readings = np.zeros((len(length) + 1, steps), dtype=np.int64)
    readings[np.arange(1, len(length) + 1), at] = length
    before = np.cumsum(readings, axis=0)[:-1]
    at_least = np.cumsum(before[:, ::-1], axis=1)[:, ::-1]
    is_usual = (at_least >= SHARE * start[:, None]) & (at_least > 0)
    longest = np.where(is_usual.any(axis=1), steps - 1 - np.argmax(is_usual[:, ::-1], axis=1), -1)
    return np.where(longest >= 0, edges[longest + 1], 0)
