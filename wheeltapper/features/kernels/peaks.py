"""tsfresh's features of where a window is high and low: peaks, crossings, strikes, the place of its extremes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places
from wheeltapper.features.kernels._sums import total

NAMES = (
    *("first_location_of_maximum", "last_location_of_maximum", "first_location_of_minimum", "last_location_of_minimum"),
    *("longest_strike_above_mean", "longest_strike_below_mean", "count_above_mean", "count_below_mean"),
)
"""The features without parameters, in the order of the columns of `_eight`."""


def number_peaks(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Count the readings that are higher than the n readings before them and the n after them.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``n``, in readings.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        Only readings with n neighbours on either side inside the window can be peaks.
    """
    result = np.zeros((len(first), len(parameters)))
    supports = np.array([parameter["n"] for parameter in parameters], dtype=np.int64)
    if len(first):
        origin = int(first.min())
        reach = np.zeros(int(last.max()) + 1 - origin, dtype=np.int64)
        _reaches(values[origin : origin + len(reach)], int(supports.max()), reach)
        _peaks(reach, first - origin, last - origin, supports, result)
    return result


def number_crossing_m(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Count how often a window goes from above a level to below it or back.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``m``: the level, in the values' unit; a reading on it is below.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
    """
    result = np.empty((len(first), len(parameters)))
    _crossings(values, first, last, np.array([parameter["m"] for parameter in parameters], dtype=np.float64), result)
    return result


def _only(name: str, values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return one of the eight, once for each (empty) parameter dict: places as shares of the window, else readings."""
    table = np.empty((len(first), len(NAMES)))
    _eight(values, first, last, table)
    return np.repeat(table[:, [NAMES.index(name)]], len(parameters), axis=1)


@compiled
def _reaches(values: Any, most: Any, reach: Any) -> None:
    """Say for each reading how many readings to either side are lower without a break, up to ``most``."""
    n = len(values)
    for place in range(n):
        limit = min(most, place, n - 1 - place)
        far = 0
        while far < limit and values[place - far - 1] < values[place] and values[place + far + 1] < values[place]:
            far += 1
        reach[place] = far


@compiled
def _peaks(reach: Any, first: Any, last: Any, supports: Any, result: Any) -> None:
    for window in range(len(first)):
        for column in range(len(supports)):
            n = supports[column]
            count = 0
            for place in range(first[window] + n, last[window] + 1 - n):
                count += reach[place] >= n
            result[window, column] = count


@compiled
def _crossings(values: Any, first: Any, last: Any, levels: Any, result: Any) -> None:
    for window in range(len(first)):
        for column in range(len(levels)):
            count = 0
            for place in range(first[window], last[window]):
                count += (values[place] > levels[column]) != (values[place + 1] > levels[column])
            result[window, column] = count


@compiled
def _eight(values: Any, first: Any, last: Any, table: Any) -> None:
    """Fill the table in the order of `NAMES`."""
    for window in range(len(first)):
        begin = first[window]
        n = last[window] + 1 - begin
        mean = total(values, begin, n) / n
        high_first, high_last, low_first, low_last = begin, begin, begin, begin
        above, below, longest_above, longest_below, all_above, all_below = 0, 0, 0, 0, 0, 0
        for place in range(begin, begin + n):
            value = values[place]
            if value >= values[high_last]:
                if value > values[high_last]:
                    high_first = place
                high_last = place
            if value <= values[low_last]:
                if value < values[low_last]:
                    low_first = place
                low_last = place
            above = above + 1 if value > mean else 0
            below = below + 1 if value < mean else 0
            longest_above, longest_below = max(longest_above, above), max(longest_below, below)
            all_above += value > mean
            all_below += value < mean
        table[window, 0] = (high_first - begin) / n
        table[window, 1] = 1.0 - (begin + n - 1 - high_last) / n
        table[window, 2] = (low_first - begin) / n
        table[window, 3] = 1.0 - (begin + n - 1 - low_last) / n
        table[window, 4], table[window, 5] = longest_above, longest_below
        table[window, 6], table[window, 7] = all_above, all_below


KERNELS: dict[str, Kernel] = {
    "number_peaks": number_peaks,
    "number_crossing_m": number_crossing_m,
    **{name: partial(_only, name) for name in NAMES},
}
