"""Which of the kept training rows lie nearest to a row: measured exactly, found with one matrix product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.detectors import Floats

Places = NDArray[np.int64]

CHUNK = 512
"""Rows at a time: with 4000 rows to compare with, 16 MB."""
_FEW = 32
"""Fewer rows are multiplied as they are: to convert the kept rows would take longer."""
_WIDE = 1e30
"""Squares from which single precision, which ends at 3e38, would overflow."""


def nearest(values: Floats, kept: Floats, lengths: Floats, n_neighbors: int) -> tuple[Floats, Places]:
    """Return distances and places of the nearest kept rows, nearest first; the same alone and in any batch.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        At most `CHUNK` rows at a time keep the memory small.
    kept : ndarray of shape (n_kept, n_features)
    lengths : ndarray of shape (n_kept,)
        Squared lengths of the kept rows.
    n_neighbors : int
        From 1 to ``n_kept``.

    Returns
    -------
    distance : ndarray of shape (n_rows, n_neighbors), Euclidean, in the features' own unit
    place : ndarray of shape (n_rows, n_neighbors), row numbers of ``kept``; of equal distances the first
    """
    from wheeltapper.detectors._nearest import nearest_of

    products, rounding, smallest = _products(values, kept, lengths)
    squared, place = nearest_of(values, kept, lengths, products, rounding, smallest, n_neighbors)
    return np.sqrt(squared), place


def _products(values: Floats, kept: Floats, lengths: Floats) -> tuple[Floats | NDArray[np.float32], float, float]:
    """Return the products of rows and kept rows, and how far they may be off: in single precision where that pays.

    They only say which kept rows have to be measured, see `nearest_of`.
    """
    terms = values.shape[1] + 8
    if len(values) < _FEW or max(lengths.max(), np.square(values).max()) > _WIDE:
        return values @ kept.T, 8 * 2.0**-52 * terms, 0.0
    return values.astype(np.float32) @ kept.astype(np.float32).T, 4 * 2.0**-24 * terms, 1e-36 * terms
