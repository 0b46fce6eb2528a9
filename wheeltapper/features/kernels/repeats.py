"""tsfresh's features of readings that repeat: values that occur twice, values in a range, given patterns.

They show a sensor that is rounded or stuck; for any other sensor nearly all of them are 0.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.features.kernels import _tsfresh
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places
from wheeltapper.features.kernels._sums import total

NAMES = (
    *("has_duplicate", "has_duplicate_max", "has_duplicate_min", "ratio_value_number_to_time_series_length"),
    *("percentage_of_reoccurring_values_to_all_values", "percentage_of_reoccurring_datapoints_to_all_datapoints"),
    *("sum_of_reoccurring_values", "sum_of_reoccurring_data_points"),
)
"""The features without parameters, in the order of the columns of `_eight`."""


def value_count(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Count how often a value occurs in each window.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``value``, in the values' unit.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
    """
    counts = np.empty((len(first), len(parameters)))
    numbers = np.array([parameter["value"] for parameter in parameters], dtype=np.float64)
    _count(values, first, last, numbers, np.nextafter(numbers, np.inf), counts)
    return counts


def range_count(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Count the readings of each window from ``min`` up to, but without, ``max``.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``min`` and ``max``, in the values' unit.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
    """
    counts = np.empty((len(first), len(parameters)))
    low, high = (np.array([parameter[key] for parameter in parameters], dtype=np.float64) for key in ("min", "max"))
    _count(values, first, last, low, high, counts)
    return counts


def count_above(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the share of each window's readings at a threshold or above.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``t``: the threshold, in the values' unit.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
    """
    counts = np.empty((len(first), len(parameters)))
    low = np.array([parameter["t"] for parameter in parameters], dtype=np.float64)
    _count(values, first, last, low, np.full(len(low), np.inf), counts)
    return counts / (last - first + 1)[:, None]


def count_below(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the share of each window's readings at a threshold or below.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``t``: the threshold, in the values' unit.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
    """
    counts = np.empty((len(first), len(parameters)))
    high = np.array([parameter["t"] for parameter in parameters], dtype=np.float64)
    _count(values, first, last, np.full(len(high), -np.inf), np.nextafter(high, np.inf), counts)
    return counts / (last - first + 1)[:, None]


def query_similarity_count(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Count how often a pattern occurs in each window: by tsfresh, if one is given.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``query``: the pattern, or None; ``threshold`` and ``normalize`` as tsfresh has them.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        NaN without a pattern, which is what tsfresh's own settings ask for.
    """
    result = np.full((len(first), len(parameters)), np.nan)
    for column, parameter in enumerate(parameters):
        if parameter.get("query") is not None:
            result[:, [column]] = _tsfresh.calculate("query_similarity_count", [parameter], values, first, last)
    return result


def _only(name: str, values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return one of the eight, once for each (empty) parameter dict: yes as 1, shares of the window, or sums."""
    table = np.empty((len(first), len(NAMES)))
    longest = int((last - first).max(initial=0)) + 1
    _eight(values, first, last, np.empty((3, longest)), table)
    return np.repeat(table[:, [NAMES.index(name)]], len(parameters), axis=1)


@compiled
def _count(values: Any, first: Any, last: Any, low: Any, high: Any, counts: Any) -> None:
    """Count the readings in [low, high)."""
    for window in range(len(first)):
        for column in range(len(low)):
            count = 0
            for place in range(first[window], last[window] + 1):
                count += low[column] <= values[place] < high[column]
            counts[window, column] = count


@compiled
def _eight(values: Any, first: Any, last: Any, room: Any, table: Any) -> None:
    """Fill the table in the order of `NAMES`."""
    once, often = room[1], room[2]
    for window in range(len(first)):
        n = last[window] + 1 - first[window]
        ordered = room[0, :n]
        ordered[:] = values[first[window] : last[window] + 1]
        ordered.sort()
        different, repeated, readings, count = 0, 0, 0, 0
        for place in range(n):
            count += 1
            if place < n - 1 and ordered[place + 1] == ordered[place]:
                continue
            if count > 1:
                repeated += 1
                readings += count
            once[different] = ordered[place] if count > 1 else 0.0
            often[different] = count * ordered[place] if count > 1 else 0.0
            different += 1
            count = 0
        table[window, 0] = different != n
        table[window, 1] = n > 1 and ordered[n - 2] == ordered[n - 1]
        table[window, 2] = n > 1 and ordered[1] == ordered[0]
        table[window, 3] = different / n
        table[window, 4] = repeated / different
        table[window, 5] = readings / n
        table[window, 6] = total(once, 0, different)
        table[window, 7] = total(often, 0, different)


KERNELS: dict[str, Kernel] = {
    "value_count": value_count,
    "range_count": range_count,
    "count_above": count_above,
    "count_below": count_below,
    "query_similarity_count": query_similarity_count,
    **{name: partial(_only, name) for name in NAMES},
}
