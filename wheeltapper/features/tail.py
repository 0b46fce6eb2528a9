"""Tail: the newest readings of one asset in arrays with room, so that one more reading costs next to nothing.

Where the plan neither fills, smooths nor puts readings on a grid, it computes the window that a new reading ends from
these arrays, with the compiled code that batch uses and without a frame, a sort or a copy.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from wheeltapper.config import IDLE_REGIMES
from wheeltapper.features.compute import NO_VALUE, WindowRows, require_sensors
from wheeltapper.features.conditioning import Track
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.sets import Block, Floats, Places, Stretch
from wheeltapper.features.tracks import Arrivals
from wheeltapper.features.windows import TRANSITION, Micros, Texts, ticks, why_not_one

_ROOM = 64
"""Readings that there is room for at least."""


class Tail:
    """The newest readings of one asset: all that a reading can need that is late by less than the plan's reach.

    Parameters
    ----------
    plan : FeaturePlan
    readings : Track
        Its readings with the plan's sensors; infinite values have been replaced by NaN.
    complete_since : int, optional
        From when on it holds all readings that there are, in microseconds since the epoch; None if none came before.
    """

    _micros: Micros
    _seconds: Floats
    _raw: Floats
    _values: Floats
    _states: Places
    _idle: Places
    _regimes: Texts

    def __init__(self, plan: FeaturePlan, readings: Track, complete_since: int | None = None) -> None:
        from wheeltapper.features import _newest  # numba opens slowly

        self._compiled = _newest
        self._plan, self.complete_since = plan, complete_since
        self.is_plain = not (plan.conditioning.resample or plan.conditioning.fill or plan.conditioning.smooth)
        self._span = 2 * ticks(plan.needed_before) + ticks(plan.needed_after)
        self._reach, self._max_gap = ticks(plan.needed_before), ticks(plan.max_gap)
        self._numbers: dict[Any, int] = {}
        self._counters = np.array([plan.sensors.index(name) for name in plan.counters], dtype=np.int64)
        self._cut = _cut_of(plan)
        self._lacks = np.zeros(len(plan.sensors), dtype=np.bool_)
        self._start, self._stop, self._opens = 0, 0, 0
        self._take(readings)

    @property
    def newest(self) -> int | None:
        """Time of the newest reading in microseconds since the epoch; None where there is none."""
        return int(self._micros[self._stop - 1]) if self._stop > self._start else None

    @property
    def oldest(self) -> int | None:
        """Time of the oldest reading; None where there is none."""
        return int(self._micros[self._start]) if self._stop > self._start else None

    def track(self, since: int | None = None) -> Track:
        """Return its readings, or those from an instant on; valid until the next one is appended."""
        places = slice(self._start if since is None else self._place_of(since), self._stop)
        sensors = {name: self._raw[row, places] for row, name in enumerate(self._plan.sensors)}
        return Track(self._micros[places], sensors, self._regimes[places])

    def append(self, reading: Track | Arrivals) -> None:
        """Take in one reading that is newer than all others.

        Raises
        ------
        DataError
            If a sensor of the plan is not among its values.
        """
        try:
            values = [reading.sensors[name][0] for name in self._plan.sensors]
        except KeyError:
            require_sensors(self._plan, reading.sensors)
            raise
        if self._stop == len(self._micros):
            self._take(self.track())
        place = self._stop
        self._micros[place] = reading.micros[0]
        self._raw[:, place] = values
        self._write_regime(place, reading.regimes[0])
        self._stop = place + 1
        self._settle(place)

    def newest_window(self) -> WindowRows | None:
        """Return the window that the newest reading ends, if one does; only for plans that are plain."""
        last = self._stop - 1
        first = self._compiled.window_at(self._micros, self._opens, last, *self._cut)
        if first == self._compiled.NO_WINDOW:
            return None
        marks = self._compiled.marks_of(self._raw, self._states, self._idle, first, last, self._lacks)
        places = np.array([first]), np.array([last])
        block = Block(self._seconds, self._values, self._states, self._opens)
        values = np.empty((1, len(self._plan.columns)))
        self._plan.recipe.compute(block, *places, partial(self._stretch, first, last), values)
        changes_state = marks & self._compiled.CHANGES_STATE
        return WindowRows(
            ends=self._micros[last : last + 1].copy(),
            starts=self._micros[first : first + 1].copy(),
            regimes=np.array([TRANSITION if changes_state else self._regimes[last]], dtype=object),
            why_not=np.array([self._why_not(marks, values)], dtype=object),
            values=values,
        )

    def _why_not(self, marks: int, values: Floats) -> str:
        """Return why a window may not be learnt from or scored; an empty text where it may."""
        if marks >= self._compiled.LACKS_VALUE:
            idle = [regime for bit, regime in enumerate(IDLE_REGIMES) if marks & self._compiled.IS_IDLE << bit]
            return why_not_one(self._lacks, list(self._plan.sensors), idle)
        blank = self._compiled.first_blank(values, self._plan.promised_places)
        return "" if blank < 0 else f"{NO_VALUE}{self._plan.columns[blank]}"

    def _stretch(self, first: int, last: int) -> Stretch:
        """Return the window's readings, and those before it that a feature set can reach, as a stretch."""
        begin = max(self._opens, self._place_of(int(self._micros[last]) - self._reach))
        part = slice(begin, last + 1)
        return Stretch(
            seconds=self._seconds[part],
            sensors={name: self._values[row, part] for row, name in enumerate(self._plan.sensors)},
            first=np.array([first - begin]),
            last=np.array([last - begin]),
            regimes=self._regimes[part],
        )

    def _place_of(self, micros: int) -> int:
        """Return the place of the first reading from an instant on."""
        return self._start + int(np.searchsorted(self._micros[self._start : self._stop], micros))

    def _take(self, readings: Track) -> None:
        """Replace all readings by these without the oldest, and leave room for as many more."""
        count = len(readings.micros)
        dropped = 0
        if count:
            oldest = int(readings.micros[-1]) - self._span
            dropped = int(np.searchsorted(readings.micros, oldest))
            self.complete_since = oldest if dropped else self.complete_since
        n_kept = count - dropped
        micros, sensors, regimes = readings.micros[dropped:], readings.sensors, readings.regimes[dropped:]
        raw = np.array([sensors[name][dropped:] for name in self._plan.sensors], dtype=np.float64)
        self._make_room(max(_ROOM, 2 * n_kept))
        self._micros[:n_kept], self._raw[:, :n_kept] = micros, raw
        self._start, self._stop, self._opens = 0, n_kept, 0
        for place in range(n_kept):
            self._write_regime(place, regimes[place])
        self._settle(0)

    def _make_room(self, room: int) -> None:
        """Make the arrays anew."""
        self._micros = np.empty(room, dtype=np.int64)
        self._seconds = np.empty(room)
        self._raw = np.empty((len(self._plan.sensors), room))
        self._values = np.empty_like(self._raw) if self._plan.counters else self._raw
        self._states, self._idle = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        self._regimes = np.empty(room, dtype=object)

    def _write_regime(self, place: int, regime: Any) -> None:
        """Write an operating state, its number, and which idle one it is."""
        is_empty = regime is None or regime != regime  # noqa: PLR0124 - NaN
        self._regimes[place] = regime
        self._states[place] = -1 if is_empty else self._numbers.setdefault(regime, len(self._numbers))
        self._idle[place] = IDLE_REGIMES.index(regime) + 1 if regime in IDLE_REGIMES else 0

    def _settle(self, place: int) -> None:
        """Prepare the readings from a place on for features."""
        arrays = self._micros, self._seconds, self._raw, self._values
        self._opens = self._compiled.settle(
            *arrays, self._counters, self._opens, self._start, place, self._stop, self._max_gap
        )


def _cut_of(plan: FeaturePlan) -> tuple[int, int, int, int]:
    """Return how windows are cut, in readings and microseconds, as `_newest.window_at` takes it."""
    windows, step = plan.windows, ticks(plan.step)
    length = 0 if windows.length is None else ticks(windows.length)
    return windows.rows, length, step, windows.every * step if windows.every > 1 else 0
