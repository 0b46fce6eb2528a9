"""Which of the kept training rows lie nearest to a row: measured exactly, found with one matrix product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.detectors import Floats

Places = NDArray[np.int64]

CHUNK = 512
"""Rows at a time: with 4000 rows to compare with, 16 MB."""


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

    squared, place = nearest_of(values, kept, lengths, values @ kept.T, n_neighbors)
    return np.sqrt(squared), place
