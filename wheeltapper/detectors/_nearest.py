"""The nearest of many known rows, compiled; imported only where rows are scored, as numba opens slowly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.compiled import compiled
from wheeltapper.detectors import Floats


@compiled
def nearest_of(
    values: Floats,
    kept: Floats,
    lengths: Floats,
    products: Floats | NDArray[np.float32],
    rounding: float,
    smallest: float,
    n: int,
) -> tuple[Floats, NDArray[np.int64]]:
    """Return each row's squared distances to the ``n`` nearest kept rows, and their places, nearest first.

    The products of rows and kept rows say roughly how far each kept row is, and never decide: every one that may be
    among the nearest by the roundest of roundings is measured exactly. So a row gets the same neighbours and distances
    in any batch, though the products' last digits depend on it. Of equal distances the first place counts.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
    kept : ndarray of shape (n_kept, n_features)
    lengths : ndarray of shape (n_kept,)
        Squared lengths of the kept rows.
    products : ndarray of shape (n_rows, n_kept)
    rounding : float
        How far a product may be off, in shares of the squared lengths of both rows.
    smallest : float
        How far it may be off beside that, where numbers are too small for its precision.
    n : int
        From 1 to ``n_kept``.

    Returns
    -------
    squared : ndarray of shape (n_rows, n)
    place : ndarray of shape (n_rows, n)
    """
    n_rows, n_features = values.shape
    n_kept = len(kept)
    squared, place = np.empty((n_rows, n)), np.zeros((n_rows, n), dtype=np.int64)
    highest, longest = np.empty(n_kept), lengths.max()
    for row in range(n_rows):
        length = 0.0
        for feature in range(n_features):
            length += values[row, feature] * values[row, feature]
        for known in range(n_kept):
            slack = rounding * (length + lengths[known]) + smallest
            highest[known] = lengths[known] - 2.0 * products[row, known] + slack
        best, where = squared[row], place[row]
        best[:] = np.inf
        limit = np.inf
        for known in range(n_kept):
            if highest[known] < limit:
                _insert(best, where, highest[known], known)
                limit = best[n - 1]
        far = limit + 2.0 * (rounding * (length + longest) + smallest)
        best[:] = np.inf
        for known in range(n_kept):
            if highest[known] > far:
                continue
            slack = rounding * (length + lengths[known]) + smallest
            if highest[known] - 2.0 * slack <= limit:
                exact = 0.0
                for feature in range(n_features):
                    away = values[row, feature] - kept[known, feature]
                    exact += away * away
                if exact < best[n - 1]:
                    _insert(best, where, exact, known)
    return squared, place


@compiled
def _insert(best: Floats, where: NDArray[np.int64], number: float, place: int) -> None:
    """Put a number where it belongs among rising ones; the largest falls out, and of equal ones the first stays."""
    spot = len(best) - 1
    while spot > 0 and number < best[spot - 1]:
        best[spot], where[spot] = best[spot - 1], where[spot - 1]
        spot -= 1
    best[spot], where[spot] = number, place
