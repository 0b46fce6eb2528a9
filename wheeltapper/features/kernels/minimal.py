"""tsfresh's ten minimal features in one pass over the readings.

Sums are added up in the order in which numpy adds them, so sum, mean, variance and their like are tsfresh's to
the last bit. Nothing is carried from window to window except the sorted readings, which give median, minimum and
maximum: sorting is exact, so a window's values do not depend on where the reading began. A running sum would be
faster still, but after a spike of 1e12 it stays wrong.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.features.kernels import _sums
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places

NAMES = (
    *("sum_values", "median", "mean", "length", "standard_deviation", "variance", "root_mean_square"),
    *("maximum", "absolute_maximum", "minimum"),
)
"""The features in the order of the columns of `_ten`."""


def together(values: Floats, first: Places, last: Places) -> dict[str, Floats]:
    """Return all ten features of each window, in the values' unit (variance: its square; length: readings).

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading. Fastest where each window begins shortly after the one
        before it.

    Returns
    -------
    dict of ndarray of shape (n_windows,)
    """
    longest = int((last - first).max()) + 1 if len(first) else 0
    table = np.empty((len(NAMES), len(first)))
    _ten(values, first, last, np.empty(longest), np.empty(longest), table)
    return dict(zip(NAMES, table, strict=True))


def _only(name: str, values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return one of the ten, once for each (empty) parameter dict."""
    return np.repeat(together(values, first, last)[name][:, None], len(parameters), axis=1)


KERNELS: dict[str, Kernel] = {name: partial(_only, name) for name in NAMES}


@compiled
def _ten(values: Any, first: Any, last: Any, ordered: Any, room: Any, table: Any) -> None:
    """Fill the table, shape (10, n_windows), in the order of `NAMES`; the others hold the longest window."""
    start, stop = 0, 0  # The readings that ``ordered`` holds: values[start:stop].
    for window in range(len(first)):
        begin, end = first[window], last[window] + 1
        n = end - begin
        _slide(values, start, stop, begin, end, ordered)
        start, stop = begin, end
        total = _sums.total(values, begin, n)
        mean = total / n
        for place in range(n):
            distance = values[begin + place] - mean
            room[place] = distance * distance
        variance = _sums.total(room, 0, n) / n
        for place in range(n):
            room[place] = values[begin + place] * values[begin + place]
        half = n // 2
        table[0, window] = total
        table[1, window] = ordered[half] if n % 2 else (ordered[half - 1] + ordered[half]) / 2
        table[2, window] = mean
        table[3, window] = n
        table[4, window] = math.sqrt(variance)
        table[5, window] = variance
        table[6, window] = math.sqrt(_sums.total(room, 0, n) / n)
        table[7, window] = ordered[n - 1]
        table[8, window] = max(abs(ordered[0]), abs(ordered[n - 1]))
        table[9, window] = ordered[0]


@compiled
def _slide(values: Any, start: Any, stop: Any, begin: Any, end: Any, ordered: Any) -> None:
    """Turn ``ordered`` from the sorted values[start:stop] into the sorted values[begin:end]."""
    n, leave, arrive = stop - start, begin - start, end - stop
    if leave < 0 or arrive < 0 or 4 * (leave + arrive) > end - begin:
        for place in range(end - begin):
            ordered[place] = values[begin + place] + 0.0  # −0.0 becomes 0.0; which of the two came first was chance
        ordered[: end - begin].sort()
        return
    # As many as leave are replaced first, so that there is never less room than the longest window needs.
    swaps = min(leave, arrive)
    for place in range(swaps):
        _replace(ordered, n, values[start + place] + 0.0, values[stop + place] + 0.0)
    for place in range(start + swaps, begin):
        gap = np.searchsorted(ordered[:n], values[place] + 0.0)
        for other in range(gap, n - 1):
            ordered[other] = ordered[other + 1]
        n -= 1
    for place in range(stop + swaps, end):
        ordered[n] = np.inf
        n += 1
        _replace(ordered, n, np.inf, values[place] + 0.0)


@compiled
def _replace(ordered: Any, n: Any, leaves: Any, arrives: Any) -> None:
    """Take one value out of the sorted first n and put another in, moving only what lies between the two."""
    gap = np.searchsorted(ordered[:n], leaves)
    place = np.searchsorted(ordered[:n], arrives)
    if place > gap:
        place -= 1
        for other in range(gap, place):
            ordered[other] = ordered[other + 1]
    else:
        for other in range(gap, place, -1):
            ordered[other] = ordered[other - 1]
    ordered[place] = arrives
