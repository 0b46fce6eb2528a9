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
from wheeltapper.readings.health.series import FlaggedRuns, Piece, begin_of
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
    that never had a value is absent, not silent: its run begins with the series, and there is no past to compare it
    with.
    """

    cutter: RunCutter = field(default_factory=RunCutter)
    lengths: UsualLengths = field(default_factory=lambda: UsualLengths(LEAST_SILENT // TIMES))

    def advance(self, piece: Piece) -> list[FlaggedRuns]:
        """Look at the next readings; see `Detector`."""
        missing = np.isnan(piece.values)
        ended = self.cutter.cut(missing, first_of_run(missing, self.cutter), piece.readings)
        flags = self._flag(ended)
        self.lengths.learn(ended)
        return flags

    def growing(self) -> list[FlaggedRuns]:
        """Return the silence that goes on; see `Detector`."""
        return self._flag(self.cutter.open)

    def unsettled(self) -> dict[str, int | None]:
        """Return where a silence may still begin; see `Detector`."""
        return {"dropout": begin_of(self.cutter.open)}

    def _flag(self, runs: Runs) -> list[FlaggedRuns]:
        runs = runs.only(self.lengths.too_long(runs, LEAST_SILENT))
        details = [f"no value for {_length_in_words(*run)} while others speak" for run in _lengths(runs)]
        return [FlaggedRuns("dropout", runs, details)]


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
    n_values: int = 0
    """Values so far."""
    latest: float = np.nan
    lowest: float = np.inf
    highest: float = -np.inf
    run_values: Floats = field(default_factory=lambda: np.zeros(0))
    """Value of the open run; empty before the first value."""
    is_end: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """Whether that value is an end of the range."""
    cutter: RunCutter = field(default_factory=RunCutter)
    lengths: UsualLengths = field(default_factory=lambda: UsualLengths(min(LEAST_FLAT, LEAST_CLIPPED) // TIMES))

    def advance(self, piece: Piece) -> list[FlaggedRuns]:
        """Look at the next readings; see `Detector`."""
        readings, values = piece.present(self.n_values)
        if not len(values):
            return []
        begins = np.diff(values, prepend=self.latest) != 0
        run_values = np.append(self.run_values, values[begins])
        is_end = self._at_an_end(run_values)
        ended = self.cutter.cut(np.ones(len(values), dtype=bool), begins, readings)
        flags = self._flag(ended, run_values[:-1], is_end[:-1])
        self.lengths.learn(ended)
        self.n_values += len(values)
        self.latest, self.run_values, self.is_end = float(values[-1]), run_values[-1:], is_end[-1:]
        return flags

    def growing(self) -> list[FlaggedRuns]:
        """Return the run that goes on; see `Detector`."""
        return self._flag(self.cutter.open, self.run_values, self.is_end)

    def unsettled(self) -> dict[str, int | None]:
        """Return where a run may still be found; see `Detector`."""
        return dict.fromkeys(("flat", "clipped"), begin_of(self.cutter.open))

    def _at_an_end(self, values: Floats) -> Flags:
        """Tell which runs are at an end of the range. Only earlier values count, so later ones change nothing."""
        highest = np.maximum.accumulate(np.append(self.highest, values))[1:]
        lowest = np.minimum.accumulate(np.append(self.lowest, values))[1:]
        self.highest, self.lowest = float(highest[-1]), float(lowest[-1])
        return np.asarray((values >= highest) | (values <= lowest) | (values == self.low) | (values == self.high))

    def _flag(self, runs: Runs, run_values: Floats, is_end: Flags) -> list[FlaggedRuns]:
        is_long = self.lengths.too_long(runs, np.where(is_end, LEAST_CLIPPED, LEAST_FLAT))
        inside, at_end = is_long & ~is_end, is_long & is_end
        return [
            self._describe("flat", runs.only(inside), run_values[inside]),
            self._describe(self.end_kind, runs.only(at_end), run_values[at_end]),
        ]

    def _describe(self, kind: str, runs: Runs, run_values: Floats) -> FlaggedRuns:
        details = [
            f"unchanged at {value:.8g} {self.unit} for {_length_in_words(*run)}"
            for value, run in zip(run_values, _lengths(runs), strict=True)
        ]
        return FlaggedRuns(kind, runs, details)


@dataclass
class CounterResets:
    """Finds where a counter that only counts up shows less than before: it was reset, replaced or has overflowed.

    Missing values are skipped.
    """

    unit: str
    n_values: int = 0
    latest: float = np.nan

    def advance(self, piece: Piece) -> list[FlaggedRuns]:
        """Look at the next readings; see `Detector`."""
        readings, values = piece.present(self.n_values)
        before = np.append(self.latest, values)
        fallen = np.flatnonzero(np.diff(before) < 0)
        self.n_values, self.latest = self.n_values + len(values), float(before[-1])
        details = [f"fell from {before[place]:.8g} to {values[place]:.8g} {self.unit}" for place in fallen]
        return [FlaggedRuns("counter_reset", Runs(readings[:, fallen], readings[:, fallen]), details)]

    def growing(self) -> list[FlaggedRuns]:
        """Return nothing: a reset is one reading."""
        return [FlaggedRuns("counter_reset", no_runs(), [])]

    def unsettled(self) -> dict[str, int | None]:
        """Return that only later readings can be resets; see `Detector`."""
        return {"counter_reset": None}


def _lengths(runs: Runs) -> list[tuple[int, int]]:
    """Return how long each run lasts, in microseconds, and how many readings of the series it spans."""
    spans = runs.last - runs.first
    return list(zip(spans[2].tolist(), (spans[1] + 1).tolist(), strict=True))


def _length_in_words(microseconds: int, count: int) -> str:
    return f"{in_words(pd.Timedelta(microseconds, 'us'))} ({count:,} readings)"
