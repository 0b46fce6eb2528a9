"""Lengths of a row's elements, compiled: imported only where rows are scored, as numba takes a while to open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.compiled import compiled
from wheeltapper.detectors import Floats


@compiled
def parts_of(
    values: Floats, centre: Floats, root: Floats, far: Floats, apart: NDArray[np.bool_], power: float
) -> Floats:
    """Return each element's part of its row's score, as `BoundedSquares` describes it; same shape as ``values``.

    Each row is measured by itself, its features in their order: a row gets the same parts alone and in a batch, which
    products of whole matrices do not promise.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
    centre, far : ndarray of shape (n_features,)
    root : ndarray of shape (n_features, n_features)
    apart : ndarray of bool, shape (n_features,)
        The elements of restlessness.
    power : float
        How levels are put together; 2 adds up their squares.
    """
    n_rows, n_features = values.shape
    n_levels = n_features - np.count_nonzero(apart)
    parts = np.empty((n_rows, n_features))
    element = np.empty(n_features)
    for row in range(n_rows):
        element[:] = 0.0
        for feature in range(n_features):
            away = values[row, feature] - centre[feature]
            for target in range(n_features):
                element[target] += away * root[feature, target]
        for target in range(n_features):
            length = abs(element[target])
            near = min(length, far[target])
            parts[row, target] = near * (2.0 * length - near)
        if power != 2.0 and n_levels > 1:
            _put_together(parts[row], apart, n_levels, power)
        if n_levels < n_features:
            _keep_the_louder(parts[row], apart)
    return parts


@compiled
def _put_together(squares: Floats, apart: NDArray[np.bool_], n_levels: int, power: float) -> None:
    """Turn the squares of levels into parts of their power mean, times their number."""
    total = 0.0
    for target in range(len(squares)):
        if not apart[target]:
            # q ** 0.75 by two roots: a tenth of the time of a power.
            root = np.sqrt(squares[target])
            squares[target] = root * np.sqrt(root) if power == 1.5 else squares[target] ** (power / 2.0)
            total += squares[target]
    mean = total / n_levels
    factor = mean ** (2.0 / power - 1.0) if mean > 0.0 else 1.0
    for target in range(len(squares)):
        if not apart[target]:
            squares[target] *= factor


@compiled
def _keep_the_louder(squares: Floats, apart: NDArray[np.bool_]) -> None:
    """Set the parts of levels to 0, or those of restlessness, whichever add up to less."""
    level, restless = 0.0, 0.0
    for target in range(len(squares)):
        if apart[target]:
            restless += squares[target]
        else:
            level += squares[target]
    for target in range(len(squares)):
        if apart[target] != (restless > level):
            squares[target] = 0.0
