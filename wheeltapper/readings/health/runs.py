"""Runs: readings in a row that have something in common, and how long such runs usually are for this sensor.

The usual length is learnt from the sensor's own past: lengths of runs that together hold more than a small share of the
readings before. So one odd event does not set the usual length, and a machine that stands still every night does, after
its first night. A run becomes too long at one of its readings. Its start is reported as well, although the readings
before that one were not flagged when they arrived. Later readings can only make the last run longer.

Everything here goes on from where it stopped: a series gives the same runs in one piece and in any number of pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
CLASSES = 64
"""Classes of length, each longer than the one before by the square root of 2: enough for a billion readings."""


@dataclass(frozen=True)
class Runs:
    """First and last reading of runs, in order.

    A reading is a column of three numbers: its place among the values that are compared, its place in the series (which
    has missing values, too), and its time in microseconds since 1970.
    """

    first: Places
    """Shape (3, n_runs)."""
    last: Places

    def __len__(self) -> int:
        return int(self.first.shape[1])

    @property
    def start(self) -> Places:
        """Place of each run's first reading among the values that are compared."""
        return np.asarray(self.first[0])

    @property
    def length(self) -> Places:
        """Values that are compared, in each run."""
        return np.asarray(self.last[0] - self.first[0] + 1)

    def only(self, where: Flags | slice) -> Runs:
        """Return some of the runs."""
        return Runs(self.first[:, where], self.last[:, where])


def no_runs() -> Runs:
    """Return zero runs."""
    return Runs(np.zeros((3, 0), dtype=np.int64), np.zeros((3, 0), dtype=np.int64))


@dataclass
class RunCutter:
    """Cuts a series into runs, piece by piece."""

    open: Runs = field(default_factory=no_runs)
    """The run, if any, that holds the last reading so far: it may go on."""

    def cut(self, is_in: Flags, begins: Flags, readings: Places) -> Runs:
        """Add a piece of the series, and return the runs that have ended.

        Parameters
        ----------
        is_in : ndarray of shape (n,)
            Which readings belong to a run.
        begins : ndarray of shape (n,)
            Which of them are the first of their run.
        readings : ndarray of shape (3, n)
            The readings themselves, see `Runs`.
        """
        if not len(is_in):
            return no_runs()
        is_last = is_in.copy()
        is_last[:-1] &= ~is_in[1:] | begins[1:]
        goes_on = is_in[0] and not begins[0]
        first = np.concatenate([self.open.first, readings[:, begins]], axis=1)
        last = np.concatenate([self.open.last[:, int(goes_on) :], readings[:, is_last]], axis=1)
        runs = Runs(first, last)
        ended = len(runs) - int(is_in[-1])
        self.open = runs.only(slice(ended, None))
        return runs.only(slice(ended))


def first_of_run(is_in: Flags, cutter: RunCutter) -> Flags:
    """Return the readings at which a run begins, where every reading belongs to the run of the one before."""
    return np.asarray(is_in & ~np.append(len(cutter.open) > 0, is_in)[:-1])


@dataclass
class UsualLengths:
    """How long the runs of one sensor have been."""

    shortest: int
    """Shorter runs never set a limit."""
    values_by_class: Places = field(default_factory=lambda: np.zeros(CLASSES, dtype=np.int64))
    """Values in all earlier runs of each class of length."""

    def too_long(self, runs: Runs, least: Places | int) -> Flags:
        """Tell which runs, in a row, are much longer than those before them.

        Parameters
        ----------
        runs : Runs
        least : int or ndarray of shape (n_runs,)
            Values that are never too long.
        """
        length = runs.length
        counts = np.flatnonzero(length >= self.shortest)
        usual = np.zeros(len(length), dtype=np.int64)
        if len(counts):
            usual[counts] = self._usual(runs.start[counts], length[counts])
        return np.asarray((length > np.maximum(least, TIMES * usual)) & (runs.start >= HISTORY))

    def learn(self, runs: Runs) -> None:
        """Remember runs that have ended."""
        length = runs.length[runs.length >= self.shortest]
        if len(length):
            values = np.bincount(self._classes(length), length, CLASSES)
            self.values_by_class = self.values_by_class + values.astype(np.int64)

    def _usual(self, start: Places, length: Places) -> Places:
        """Return the longest length that is usual before each run, up to a factor of √2; 0 if none."""
        classes = self._classes(length)
        steps = max(int(classes.max()), int(np.flatnonzero(self.values_by_class).max(initial=0))) + 1
        of_run = np.zeros((len(length), steps), dtype=np.int64)
        of_run[np.arange(len(length)), classes] = length
        before = self.values_by_class[:steps] + np.cumsum(of_run, axis=0) - of_run
        at_least = np.cumsum(before[:, ::-1], axis=1)[:, ::-1]
        is_usual = (at_least >= SHARE * start[:, None]) & (at_least > 0)
        longest = np.where(is_usual.any(axis=1), steps - 1 - np.argmax(is_usual[:, ::-1], axis=1), -1)
        return np.where(longest >= 0, self._edges()[longest + 1], 0)

    def _classes(self, length: Places) -> Places:
        return np.searchsorted(self._edges(), length, "right") - 1

    def _edges(self) -> Places:
        return np.ceil(self.shortest * 2.0 ** (np.arange(CLASSES + 1) / 2)).astype(np.int64)
