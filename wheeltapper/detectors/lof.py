"""Local outlier factor: a row with less company than its neighbours have is unusual."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors._derived import Derived, squared_lengths
from wheeltapper.detectors._neighbours import CHUNK, Places, nearest
from wheeltapper.detectors._options import check_whole
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows, thinned
from wheeltapper.errors import DataError

_NOT_ZERO = 1e-10  # added to a mean distance before dividing, as scikit-learn does


class LocalOutlierFactor(ArrayDetector):
    """Compare how dense the training rows lie around a row with how dense they lie around its neighbours.

    Scores equal scikit-learn's ``-score_samples`` (``novelty=True``) for the rows that were kept.

    Memory and time are bounded: of more than ``max_rows`` training rows a seeded sample is kept, so that
    scoring compares each row with at most ``max_rows`` others (4000 rows of 30 features are 1 MB). Rows that occur
    several times are kept once: a machine that stands still would otherwise be infinitely dense, and every breath of
    it infinitely unusual.

    It does not work well with hundreds of features (all distances become alike), nor when training rows hold the
    fault itself: it then has company.

    Parameters
    ----------
    n_neighbors : int
        Neighbours to compare with; from 1. All other rows where there are fewer.
    max_rows : int
        Training rows that are kept; from 10.

    References
    ----------
    .. [1] M. M. Breunig et al., "LOF: Identifying Density-Based Local Outliers", SIGMOD 2000,
           doi:10.1145/342009.335388 (20 neighbours: scikit-learn's default, within the paper's range).
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {"reference_001": {"n_neighbors": 20}}
    learns_relations = True

    columns_: Names
    kept_: Floats
    reach_: Floats
    density_: Floats

    def __init__(self, n_neighbors: int = 20, max_rows: int = 4000) -> None:
        check_whole("lof", "n_neighbors", n_neighbors, low=1)
        check_whole("lof", "max_rows", max_rows, low=10)
        self.n_neighbors = n_neighbors
        self.max_rows = max_rows
        self._lengths = Derived(squared_lengths)

    def fit(self, rows: pd.DataFrame) -> Self:
        """Keep a sample of the rows, and how dense it is around each of them.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
            If all rows are the same: there is no density to compare with.
        """
        from sklearn.neighbors import LocalOutlierFactor as Fitter

        columns, values = learn_rows(rows)
        kept = _distinct(thinned(values, self.max_rows, self.seed))
        if len(kept) < 2:
            raise DataError(
                f"lof compares densities, but all {len(values)} training rows are the same. "
                "Train on a stretch in which the machine moves, or leave lof out of the candidates."
            )
        n_neighbors = min(self.n_neighbors, len(kept) - 1)
        distance, neighbour = Fitter(n_neighbors=n_neighbors, novelty=True).fit(kept).kneighbors()
        self.columns_, self.kept_ = columns, kept
        self.reach_ = distance[:, -1]
        self.density_ = _density(distance, self.reach_[neighbour])
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the neighbours' density over the row's own: 1 is usual, 2 means half as much company."""
        scores = np.empty(len(values))
        for start in range(0, len(values), CHUNK):
            part = slice(start, start + CHUNK)
            scores[part] = self._factor(*self._nearest(values[part]))
        return scores

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Share out each row's score by each feature's part in the squared distances to the neighbours.

        Every row adds up to its score; a row that lies exactly on its neighbours is shared out evenly.

        Raises
        ------
        NotFittedError, DataError
        """
        values = read_rows(self, rows)
        shared = np.empty(values.shape)
        for start in range(0, len(values), CHUNK):
            part = slice(start, start + CHUNK)
            distance, neighbour = self._nearest(values[part])
            squares = ((values[part][:, None, :] - self.kept_[neighbour]) ** 2).sum(axis=1)
            total = squares.sum(axis=1, keepdims=True)
            even = np.full_like(squares, 1.0 / squares.shape[1])
            shares = np.divide(squares, total, out=even, where=total > 0)
            shared[part] = shares * self._factor(distance, neighbour)[:, None]
        return as_frame(shared, self, rows)

    def _factor(self, distance: Floats, neighbour: Places) -> Floats:
        row_density = _density(distance, self.reach_[neighbour])
        factor: Floats = self.density_[neighbour].mean(axis=1) / row_density
        return factor

    def _nearest(self, values: Floats) -> tuple[Floats, Places]:
        n_neighbors = min(self.n_neighbors, len(self.kept_) - 1)
        return nearest(values, self.kept_, self._lengths.of(self.kept_), n_neighbors)


def _density(distance: Floats, reach: Floats) -> Floats:
    """Return the local reachability density of [1], definition 6: one over the mean reachability distance."""
    density: Floats = 1.0 / (np.maximum(distance, reach).mean(axis=1) + _NOT_ZERO)
    return density


def _distinct(values: Floats) -> Floats:
    """Return each different row once, in the order in which they came."""
    _, first = np.unique(values, axis=0, return_index=True)
    return values[np.sort(first)]
