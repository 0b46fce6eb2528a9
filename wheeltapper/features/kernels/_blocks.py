"""Windows of equal length side by side, for calculations that numpy does faster on a table than window by window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wheeltapper.features.kernels._kernel import Floats, Places

_ROOM = 2**17
"""Readings in one block: 1 MiB, so that a block and what is computed from it stay in a core's cache."""


def blocks(values: Floats, first: Places, last: Places) -> Iterator[tuple[Places, Floats]]:
    """Yield windows of equal length as tables, a bounded number at a time.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.

    Yields
    ------
    which : ndarray of shape (n,)
        The windows' numbers.
    block : ndarray of shape (n, length)
        Their readings, C-contiguous.
    """
    lengths = last - first + 1
    for length in np.unique(lengths).tolist():
        alike = np.flatnonzero(lengths == length)
        steps = np.arange(length)
        many = max(1, _ROOM // length)
        for start in range(0, len(alike), many):
            which = alike[start : start + many]
            yield which, values[first[which][:, None] + steps]
