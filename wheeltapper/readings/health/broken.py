"""Sensor health: sensors that are stuck, silent or at the end of their range, and counters that were reset.

Each sensor of each asset is compared with its own past alone. No label is used. Whether a reading is flagged depends on
it and on earlier readings; see `runs` for the start of a run. A sensor that has been broken from the beginning is never
found: there is nothing to compare it with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from wheeltapper.readings.health.runs import TIMES, Flags, Floats, RunCutter, Runs, UsualLengths, first_of_run, no_runs
from wheeltapper.readings.health.series import Found, Piece, begin_of
from wheeltapper.readings.order import in_words

LEAST_FLAT = 20
"""Equal readings in a row that are never called stuck."""
LEAST_CLIPPED = 20
"""Readings in a row at the end of the range that are never called clipped."""
LEAST_SILENT = 10
"""Missing readings in a row that are never called silence."""


@dataclass
class Dropout:
    """Finds where a sensor has no value for much longer than usual, while other sensors of its asset have values.

    A row without any value is no reading, so where this sensor's value is missing, another sensor has one. A sensor
    that never had a value is not silent, it is not there: that run begins with the series, without a past.
    """

    cutter: RunCutter = field(default_factory=RunCutter)
    lengths: UsualLengths = field(default_factory=lambda: UsualLengths(LEAST_SILENT // TIMES))

    def advance(self, piece: Piece) -> list[Found]:
        """Look at the next readings; see `Detector`."""
        missing = np.isnan(piece.values)
        ended = self.cutter.cut(missing, first_of_run(missing, self.cutter), piece.readings)
        found = self._found(ended)
        self.lengths.learn(ended)
        return found

    def growing(self) -> list[Found]:
        """Return the silence that goes on; see `Detector`."""
        return self._found(self.cutter.open)

    def unsettled(self) -> dict[str, int | None]:
        """Return where a silence may still begin; see `Detector`."""
        return {"dropout": begin_of(self.cutter.open)}

    def _found(self, runs: Runs) -> list[Found]:
        runs = runs.only(self.lengths.too_long(runs, LEAST_SILENT))
        return [Found("dropout", runs, [f"no value for {_lasting(*run)} while others speak" for run in _each(runs)])]


@dataclass
class Unchanged:
    """Finds where a sensor shows the same value much longer than usual: stuck inside its range, or clipped at an end.

    A machine that stands still has quiet sensors, too: where its regime does not say so, the first two such pauses
    are found; from then on they are usual. Missing values are skipped. An end of the range is a limit, or the lowest or
    highest value so far.
    """

    unit: str
    low: float = np.nan
    high: float = np.nan
    """Limits of the sensor, in its unit; NaN for none."""
    end_kind: str = "clipped"
    """The kind of flag at an end of the range. A counter is at its highest value whenever it stands still."""
    given: int = 0
    """Values so far."""
    latest: float = np.nan
    lowest: float = np.inf
    highest: float = -np.inf
    shown: Floats = field(default_factory=lambda: np.zeros(0))
    """What the sensor has shown since the open run began; empty before the first value."""
    is_end: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """Whether that is an end of its range."""
    cutter: RunCutter = field(default_factory=RunCutter)
    lengths: UsualLengths = field(default_factory=lambda: UsualLengths(min(LEAST_FLAT, LEAST_CLIPPED) // TIMES))

    def advance(self, piece: Piece) -> list[Found]:
        """Look at the next readings; see `Detector`."""
        readings, values = piece.given(self.given)
        if not len(values):
            return []
        begins = np.diff(values, prepend=self.latest) != 0
        shown = np.append(self.shown, values[begins])
        is_end = self._at_an_end(shown)
        ended = self.cutter.cut(np.ones(len(values), dtype=bool), begins, readings)
        found = self._found(ended, shown[:-1], is_end[:-1])
        self.lengths.learn(ended)
        self.given += len(values)
        self.latest, self.shown, self.is_end = float(values[-1]), shown[-1:], is_end[-1:]
        return found

    def growing(self) -> list[Found]:
        """Return the run that goes on; see `Detector`."""
        return self._found(self.cutter.open, self.shown, self.is_end)

    def unsettled(self) -> dict[str, int | None]:
        """Return where a run may still be found; see `Detector`."""
        return dict.fromkeys(("flat", "clipped"), begin_of(self.cutter.open))

    def _at_an_end(self, shown: Floats) -> Flags:
        """Tell which runs are at an end of the range. Only earlier values count, so later ones change nothing."""
        highest = np.maximum.accumulate(np.append(self.highest, shown))[1:]
        lowest = np.minimum.accumulate(np.append(self.lowest, shown))[1:]
        self.highest, self.lowest = float(highest[-1]), float(lowest[-1])
        return np.asarray((shown >= highest) | (shown <= lowest) | (shown == self.low) | (shown == self.high))

    def _found(self, runs: Runs, shown: Floats, is_end: Flags) -> list[Found]:
        is_long = self.lengths.too_long(runs, np.where(is_end, LEAST_CLIPPED, LEAST_FLAT))
        inside, at_end = is_long & ~is_end, is_long & is_end
        return [
            self._described("flat", runs.only(inside), shown[inside]),
            self._described(self.end_kind, runs.only(at_end), shown[at_end]),
        ]

    def _described(self, kind: str, runs: Runs, shown: Floats) -> Found:
        details = [
            f"unchanged at {value:.8g} {self.unit} for {_lasting(*run)}"
            for value, run in zip(shown, _each(runs), strict=True)
        ]
        return Found(kind, runs, details)


@dataclass
class CounterResets:
    """Finds where a counter that only counts up shows less than before: it was reset, replaced or has overflowed.

    Missing values are skipped.
    """

    unit: str
    given: int = 0
    latest: float = np.nan

    def advance(self, piece: Piece) -> list[Found]:
        """Look at the next readings; see `Detector`."""
        readings, values = piece.given(self.given)
        before = np.append(self.latest, values)
        fallen = np.flatnonzero(np.diff(before) < 0)
        self.given, self.latest = self.given + len(values), float(before[-1])
        details = [f"fell from {before[place]:.8g} to {values[place]:.8g} {self.unit}" for place in fallen]
        return [Found("counter_reset", Runs(readings[:, fallen], readings[:, fallen]), details)]

    def growing(self) -> list[Found]:
        """Return nothing: a reset is one reading."""
        return [Found("counter_reset", no_runs(), [])]

    def unsettled(self) -> dict[str, int | None]:
        """Return that only later readings can be resets; see `Detector`."""
        return {"counter_reset": None}


def _each(runs: Runs) -> list[tuple[int, int]]:
    """Return how long each run lasts, in microseconds, and how many readings of the series it spans."""
    spans = runs.last - runs.first
    return list(zip(spans[2].tolist(), (spans[1] + 1).tolist(), strict=True))


def _lasting(lasted: int, count: int) -> str:
    return f"{in_words(pd.Timedelta(lasted, 'us'))} ({count:,} readings)"
