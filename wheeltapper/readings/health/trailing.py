"""Compiled code: quartiles, median and median deviation of the values before each value, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from wheeltapper.compiled import compiled


@compiled
def trailing_order(values: Any, rows: Any, least: Any) -> Any:
    """Return lower quartile, median, upper quartile and median absolute deviation of the ``rows`` values before each.

    The window is kept sorted: the oldest value leaves, the newest is inserted, and all four are read off.

    Parameters
    ----------
    values : ndarray of shape (n,)
        No value is missing.
    rows, least : int
        Length of the window, and how many values it must hold at least.

    Returns
    -------
    ndarray of shape (4, n)
        NaN where fewer than ``least`` values came before.
    """
    order = np.full((4, len(values)), np.nan)
    ordered = np.empty(rows)
    n_held = 0
    for place in range(len(values)):
        if n_held >= least:
            for which in range(3):
                at = 0.25 * (which + 1) * (n_held - 1)
                below = int(at)
                above = min(below + 1, n_held - 1)
                order[which, place] = ordered[below] + (at - below) * (ordered[above] - ordered[below])
            # The smallest deviations stand on both sides of the median: walk outwards until half are passed.
            median = order[1, place]
            right = n_held // 2
            left = right - 1
            last = before = 0.0
            for _ in range(n_held // 2 + 1):
                before = last
                if left < 0 or (right < n_held and ordered[right] - median <= median - ordered[left]):
                    last = ordered[right] - median
                    right += 1
                else:
                    last = median - ordered[left]
                    left -= 1
            order[3, place] = last if n_held % 2 else 0.5 * (before + last)
        value = values[place]
        if n_held < rows:
            at_end = n_held
            n_held += 1
        else:
            oldest = values[place - rows]
            at_end = np.searchsorted(ordered, oldest)
            while at_end < n_held - 1:
                ordered[at_end] = ordered[at_end + 1]
                at_end += 1
        while at_end > 0 and ordered[at_end - 1] > value:
            ordered[at_end] = ordered[at_end - 1]
            at_end -= 1
        ordered[at_end] = value
    return order
