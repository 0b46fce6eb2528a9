"""Nearest neighbours: a row that is far from everything seen so far is unusual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors._derived import Derived, squared_lengths
from wheeltapper.detectors._neighbours import CHUNK, nearest
from wheeltapper.detectors._options import check_whole
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows, thinned


class KNearest(ArrayDetector):
    """Measure how far a row lies from the k-th nearest training row.

    The score is the squared Euclidean distance divided by the number of features. The k-th and not the nearest one,
    so that a few faulty rows in training do not make that fault usual.

    It works where normal running has several centres (regimes without a name), and when only a combination of
    values is wrong. It does not work well with hundreds of features (all distances become alike), nor where normal
    running is much denser at one place than at another: then the loosest place decides the threshold, and `lof` is
    better.

    Memory and time are bounded: of more than ``max_rows`` training rows a seeded sample is kept.

    Parameters
    ----------
    k : int
        Which neighbour; from 1. The last one where there are fewer.
    max_rows : int
        Training rows that are kept; from 10.

    References
    ----------
    .. [1] S. Ramaswamy, R. Rastogi, K. Shim, "Efficient algorithms for mining outliers from large data sets",
           SIGMOD 2000, doi:10.1145/342009.335437 (k = 5: within the range that they tried).
    """

    learns_relations = True

    columns_: Names
    kept_: Floats

    def __init__(self, k: int = 5, max_rows: int = 4000) -> None:
        check_whole("k_nearest", "k", k, low=1)
        check_whole("k_nearest", "max_rows", max_rows, low=10)
        self.k = k
        self.max_rows = max_rows
        self._lengths = Derived(squared_lengths)

    def fit(self, rows: pd.DataFrame) -> Self:
        """Keep a sample of the rows.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        self.kept_ = thinned(values, self.max_rows, self.seed)
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the squared distance per feature to the k-th nearest training row."""
        n_features = max(values.shape[1], 1)
        return np.concatenate([np.zeros(0), *(distance**2 / n_features for distance, _ in self._kth(values))])

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return each feature's part of the squared distance to that neighbour; every row adds up to its score.

        Raises
        ------
        NotFittedError, DataError
        """
        values = read_rows(self, rows)
        neighbours = [neighbour for _, neighbour in self._kth(values)]
        away = values - np.concatenate([np.zeros((0, values.shape[1])), *neighbours])
        return as_frame(away**2 / values.shape[1], self, rows)

    def _kth(self, values: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Yield distances to the k-th neighbours and these neighbours, for one part of the rows after the other."""
        k = min(self.k, len(self.kept_))
        for start in range(0, len(values), CHUNK):
            distance, place = nearest(values[start : start + CHUNK], self.kept_, self._lengths.of(self.kept_), k)
            yield distance[:, -1], self.kept_[place[:, -1]]
