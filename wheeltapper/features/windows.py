"""Windows: consecutive readings of one asset, never across a gap, never with a later reading.

A window is named by the reading that ends it. Its existence, its regime and its use depend on its own readings alone.
So reading a day again, or continuing from yesterday, gives the same windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import IDLE_REGIMES, Windows

TRANSITION = "transition"
"""The regime of a window in which the regime changes."""

Floats = NDArray[np.float64]
Micros = NDArray[np.int64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
Texts = NDArray[Any]

_NAMED = 3


def ticks(duration: timedelta) -> int:
    """Return a duration as a whole number of microseconds, the tick of every clock in the tables."""
    return duration // timedelta(microseconds=1)


def micros_of(seconds: NDArray[np.float64]) -> Micros:
    """Return times in seconds since the epoch as whole microseconds, exactly as they were in the tables."""
    return np.asarray(np.rint(seconds * 1e6), dtype=np.int64)


def cut_stretches(micros: Micros, max_gap: timedelta) -> list[slice]:
    """Cut one asset's readings wherever the next one comes too late.

    Parameters
    ----------
    micros : ndarray of shape (n_readings,)
        Times in microseconds since the epoch, strictly increasing.
    max_gap : timedelta
        The longest pause inside a stretch; only a longer one cuts.

    Returns
    -------
    list of slice
        The stretches, in time order; together they hold every reading once.
    """
    cuts = np.flatnonzero(np.diff(micros) > ticks(max_gap)) + 1
    return [slice(start, end) for start, end in pairwise([0, *cuts.tolist(), len(micros)]) if start < end]


def cut_windows(micros: Micros, part: slice, windows: Windows, step: timedelta) -> tuple[Places, Places]:
    """Find the full windows of one stretch.

    A window of rows is full when it has them. A window that lasts a time holds the readings of ``(end − length, end]``
    and is full when its stretch began early enough, one step of grace included, and it has two readings.

    With ``every`` above 1 the ends lie on a grid of time that starts at the epoch, not at the first reading that
    happens to be read: a reading ends a window where it is the first one in its cell of ``every`` times ``step``.
    That depends on the reading before it alone, so it is known at once and never changes. Cells are shifted by half a
    step, so that a clock that trembles around full steps stays in its cell. Readings that are closer than ``step`` give
    fewer windows than one in ``every``, and wider ones more.

    Parameters
    ----------
    micros : ndarray of shape (n_readings,)
        Times in microseconds since the epoch, strictly increasing.
    part : slice
        One of the stretches that `cut_stretches` gave.
    windows : Windows
        Readings in a window or how long it lasts, and how many readings lie between the ends of two.
    step : timedelta
        Usual time between two readings.

    Returns
    -------
    first, last : ndarray of shape (n_windows,)
        Positions, counted within the stretch, of each window's first and last reading; ``last`` rises.
    """
    times = micros[part]
    last = np.arange(len(times), dtype=np.int64)
    if windows.length is None:
        first = last - (windows.rows - 1)
        is_full = first >= 0
    else:
        begin = times - ticks(windows.length)
        first = np.searchsorted(times, begin, side="right").astype(np.int64)
        is_full = (times[:1] <= begin + ticks(step)) & (last > first)
    if windows.every > 1:
        cell = (times + ticks(step) // 2) // (windows.every * ticks(step))
        is_full &= np.concatenate([[False], cell[1:] != cell[:-1]])[: len(times)]
    return first[is_full], last[is_full]


def number_states(regimes: Texts) -> tuple[Places, Texts]:
    """Return the number of each reading's operating state, from 0 on and −1 where it is empty; and their names."""
    codes, names = pd.factorize(regimes)
    return np.ascontiguousarray(codes, dtype=np.int64), np.asarray(names, dtype=object)


def any_in_window(flags: Flags, first: Places, last: Places) -> Flags:
    """Return for each window whether any of its readings is flagged; one that begins before the first one is cut."""
    so_far = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(so_far[last + 1] > so_far[np.maximum(first, 0)])


def only_complete(feature: Floats, sensor: Floats, first: Places, last: Places) -> Floats:
    """Return a feature with NaN in each window that lacks a value of the sensor, used by the feature or not."""
    return np.where(any_in_window(np.isnan(sensor), first, last), np.nan, feature)


def window_regimes(regimes: Texts, first: Places, last: Places) -> Texts:
    """Return each window's regime: the common one of its readings, or ``transition``."""
    codes = pd.factorize(regimes)[0]
    changed = np.concatenate([[False], codes[1:] != codes[:-1]])[: len(codes)]
    # A change into the window's first reading happens before the window, so one reading fewer is looked at.
    return np.where(any_in_window(changed, first + 1, last), TRANSITION, regimes[last])


def why_not(
    sensors: dict[str, Floats],
    regimes: Texts,
    first: Places,
    last: Places,
    looked_at: tuple[Places, Places] | None = None,
) -> Texts:
    """Return why each window may not be learnt from or scored; an empty text where it may.

    Parameters
    ----------
    sensors : dict of ndarray of shape (n_readings,)
        Sensor → its values, NaN where missing.
    regimes : ndarray of shape (n_readings,)
        Operating state at each reading.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    looked_at : two ndarrays of shape (n_windows,), optional
        Positions in ``regimes`` of the first and last reading that a window's values are made from, where these are
        others than its own.

    Returns
    -------
    ndarray of shape (n_windows,)
        ``missing <sensor>`` where a reading lacks a value, ``regime off`` or ``regime maintenance`` where one or more
        readings are of a regime that is not monitored; both where both hold.
    """
    lacks = np.column_stack([any_in_window(np.isnan(values), first, last) for values in sensors.values()])
    text = _name_missing(lacks, list(sensors))
    for regime in IDLE_REGIMES:
        is_idle = any_in_window(regimes == regime, *(looked_at or (first, last)))
        text[is_idle] = [_with_idle(reason, regime) for reason in text[is_idle]]
    return text


def why_not_one(lacks: Flags, names: list[str], idle: Sequence[str]) -> str:
    """Return the text of `why_not` for one window, from the sensors that it lacks and the idle regimes inside it."""
    text = _missing(lacks, names) if lacks.any() else ""
    for regime in idle:
        text = _with_idle(text, regime)
    return text


def _with_idle(reason: str, regime: str) -> str:
    return f"{reason}; regime {regime}".removeprefix("; ")


def _name_missing(lacks: Flags, names: list[str]) -> Texts:
    """Name the sensors that each window lacks; a few patterns cover all windows."""
    text = np.full(len(lacks), "", dtype=object)
    some = lacks.any(axis=1)
    if some.any():
        patterns, which = np.unique(lacks[some], axis=0, return_inverse=True)
        text[some] = np.array([_missing(pattern, names) for pattern in patterns], dtype=object)[which.ravel()]
    return text


def _missing(pattern: Flags, names: list[str]) -> str:
    """Write ``missing a, b, c and 4 more``: a dead logger must not fill the table with its sensors' names."""
    absent = [name for name, is_absent in zip(names, pattern, strict=True) if is_absent]
    n_unnamed = len(absent) - _NAMED
    return f"missing {', '.join(absent[:_NAMED])}" + (f" and {n_unnamed} more" if n_unnamed > 0 else "")
