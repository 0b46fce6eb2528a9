"""Principal components: sensors that no longer move together as they usually do are unusual."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_between
from wheeltapper.detectors._rows import Names, learn_rows, read_rows
from wheeltapper.detectors._squares import BoundedSquares

_LIMIT_AT = 0.99  # share of training rows within each limit, the usual control limit of process monitoring
_LEAST_SPREAD = 0.1  # rows are normalised: below a tenth of a usual deviation a difference is not worth hearing about


class PcaResidual(BoundedSquares):
    """Split each row into what the usual patterns explain and what is left, and judge both.

    ``T2 = sum_a t_a^2 / lambda_a`` says how far a row lies out along the usual patterns, ``Q`` (the squared
    prediction error) how much they leave unexplained. The score is Yue and Qin's combined index

        phi = T2 / T2_limit + Q / Q_limit

    with each limit the 99 % quantile of the training rows: sensor data are neither normal nor independent, so the
    textbook's F and chi-square limits do not hold, and the final threshold comes from the alarm budget anyway.

    As phi is a quadratic form ``x' M x`` it is computed as ``|W x|^2`` with ``W`` the square root of ``M``; the
    elements' squares are the contributions (Alcala and Qin's complete decomposition) and add up to the score exactly;
    elements far out grow linearly only.

    It does not work when relations between sensors are strongly curved, or differ from regime to regime within one
    model; then an autoencoder or a model per regime is better.

    Parameters
    ----------
    variance : float
        Share of the variance that the usual patterns explain, between 0 and 1.

    References
    ----------
    .. [1] H. H. Yue, S. J. Qin, "Reconstruction-Based Fault Identification Using a Combined Index",
           Ind. Eng. Chem. Res. 40 (2001) 4403, doi:10.1021/ie000141+
    .. [2] C. F. Alcala, S. J. Qin, "Reconstruction-based contribution for process monitoring",
           Automatica 45 (2009) 1593, doi:10.1016/j.automatica.2009.02.027
    """

    learns_relations = True

    columns_: Names
    centre_: Floats
    root_: Floats

    def __init__(self, variance: float = 0.95) -> None:
        check_between("pca_residual", "variance", variance, low=0.0, high=1.0)
        self.variance = variance

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn the usual patterns, and how far normal rows lie from them.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        self.centre_ = values.mean(axis=0)
        scale = np.maximum(values.std(axis=0), _LEAST_SPREAD)
        scaled = (values - self.centre_) / scale
        _, singular, patterns = np.linalg.svd(np.atleast_2d(scaled.T @ scaled / len(scaled)), hermitian=True)
        kept = _explaining(singular, self.variance)
        usual, rest = patterns[:kept].T, patterns[kept:].T
        spread = np.sqrt(singular[:kept])
        t2_limit = _limit(scaled @ usual / spread)
        q_limit = _limit(scaled @ rest)
        weights = np.concatenate([1.0 / (spread * np.sqrt(t2_limit)), np.full(rest.shape[1], 1.0 / np.sqrt(q_limit))])
        self.root_ = (1.0 / scale)[:, None] * ((patterns.T * weights) @ patterns)
        self._learn_far((values - self.centre_) @ self.root_)
        return self

    def _elements(self, rows: pd.DataFrame) -> Floats:
        elements: Floats = (read_rows(self, rows) - self.centre_) @ self.root_
        return elements


def _explaining(variances: Floats, share: float) -> int:
    """Return how many of the largest variances make up the share; none where nothing moves."""
    total = variances.sum()
    if total <= 0:
        return 0
    return int(np.searchsorted(np.cumsum(variances) / total, share)) + 1


def _limit(scores: Floats) -> float:
    """Return the 99 % quantile of the rows' squared lengths, at least that of a barely audible difference."""
    lengths: Floats = (scores**2).sum(axis=1)
    return max(float(np.quantile(lengths, _LIMIT_AT)), _LEAST_SPREAD**2)
