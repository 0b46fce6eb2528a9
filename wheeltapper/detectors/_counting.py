"""Counting how many known values lie below others, compiled; imported only where rows are scored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.compiled import compiled
from wheeltapper.detectors import Floats


@compiled
def counts_below(values: Floats, ordered: Floats) -> NDArray[np.int64]:
    """Return how many of each column's ordered values lie below each value: NumPy's ``searchsorted``, column by column.

    One call for all columns: for a single row, a call for each takes ten times as long as the counting.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns), no NaN
    ordered : ndarray of shape (n_levels, n_columns), rising down each column

    Returns
    -------
    ndarray of shape (n_rows, n_columns), from 0 to ``n_levels``
    """
    counts = np.empty(values.shape, dtype=np.int64)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            low, high = 0, len(ordered)
            while low < high:
                middle = (low + high) // 2
                if ordered[middle, column] < values[row, column]:
                    low = middle + 1
                else:
                    high = middle
            counts[row, column] = low
    return counts
