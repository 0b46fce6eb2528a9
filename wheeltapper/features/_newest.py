"""What is computed anew for every reading of a live asset, compiled; imported only then, as numba opens slowly."""

from __future__ import annotations

from typing import Any

import numpy as np

from wheeltapper.compiled import compiled

NO_WINDOW = -1
"""Instead of the place of a window's first reading."""
CHANGES_STATE, LACKS_VALUE, IS_IDLE = 1, 2, 4
"""Marks of a window, added up; twice and four times `IS_IDLE` … for the second and third idle regime."""


@compiled
def settle(
    micros: Any,
    seconds: Any,
    raw: Any,
    values: Any,
    counters: Any,
    opens: Any,
    start: Any,
    begin: Any,
    end: Any,
    max_gap: Any,
) -> Any:
    """Prepare readings for features as `conditioning.condition` does, and return where the last one's stretch opens.

    Parameters
    ----------
    raw, values : ndarray of shape (n_sensors, n)
        What was measured, and what features are computed from: the amount per hour of ``counters``.
    opens, start, begin, end, max_gap : int
        Place where the stretch of the reading before opens, of the first reading of all, of the first one to prepare
        and the one after the last; the longest pause inside a stretch in microseconds.
    """
    for place in range(begin, end):
        seconds[place] = micros[place] / 1e6
        if place == start or micros[place] - micros[place - 1] > max_gap:
            opens = place
        for sensor in range(len(raw)):
            if not np.isfinite(raw[sensor, place]):
                raw[sensor, place] = np.nan
            values[sensor, place] = raw[sensor, place]
        for sensor in counters:
            values[sensor, place] = np.nan
            if place > opens:
                hours = (seconds[place] - seconds[place - 1]) / 3600
                values[sensor, place] = (raw[sensor, place] - raw[sensor, place - 1]) / hours
    return opens


@compiled
def window_at(micros: Any, opens: Any, place: Any, rows: Any, length: Any, step: Any, every: Any) -> Any:
    """Return the place of the first reading of the window that a reading ends, as `windows.cut_windows` does.

    ``length`` is 0 where windows have a number of rows. ``every`` is the length of the cells whose first reading ends a
    window, or 0 where every reading ends one. Returns `NO_WINDOW` where no window ends.
    """
    if every > 0:
        half = step // 2
        if place == opens or (micros[place] + half) // every == (micros[place - 1] + half) // every:
            return NO_WINDOW
    if length == 0:
        first = place - (rows - 1)
        return first if first >= opens else NO_WINDOW
    begin = micros[place] - length
    low, high = opens, place + 1
    while low < high:
        middle = (low + high) // 2
        if micros[middle] <= begin:
            low = middle + 1
        else:
            high = middle
    return low if micros[opens] <= begin + step and place > low else NO_WINDOW


@compiled
def marks_of(raw: Any, states: Any, idle: Any, first: Any, last: Any, lacks: Any) -> Any:
    """Return the marks of a window, and fill ``lacks``: whether each sensor lacks a value in it.

    ``idle`` is 0 at each reading of a monitored regime, else the number of the idle one, from 1 on.
    """
    marks = 0
    for place in range(first, last + 1):
        if place > first and states[place] != states[place - 1]:
            marks |= CHANGES_STATE
        if idle[place] > 0:
            marks |= IS_IDLE << (idle[place] - 1)
    for sensor in range(len(raw)):
        lacks[sensor] = False
        for place in range(first, last + 1):
            if np.isnan(raw[sensor, place]):
                lacks[sensor] = True
                marks |= LACKS_VALUE
    return marks


@compiled
def gather(table: Any, rows: Any, places: Any, values: Any) -> None:
    """Copy rows of a table to columns of another; NaN where a value is not finite."""
    for begin in range(0, table.shape[1], 64):  # turned over in squares that stay in the cache
        end = min(begin + 64, table.shape[1])
        for column in range(len(rows)):
            for window in range(begin, end):
                value = table[rows[column], window]
                values[window, places[column]] = value if np.isfinite(value) else np.nan


@compiled
def first_blank(values: Any, places: Any) -> Any:
    """Return the first of some columns without a value in the only row, or −1."""
    for place in places:
        if np.isnan(values[0, place]):
            return place
    return -1
