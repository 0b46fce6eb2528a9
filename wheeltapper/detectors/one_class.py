"""One-class support vectors: a soft skin round the training rows; what is outside of it is unusual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors._derived import Derived, turned
from wheeltapper.detectors._options import check_between, check_whole
from wheeltapper.detectors._restless import is_restless
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows, thinned

_RESTLESS = 0.2
"""Measure of restlessness in the distance beside that of the level. Chosen by benchmarks/quality.py: with a third, much
is lost where levels tell the faults."""
_LEAST_SPREAD = 0.1  # rows are normalised: below a tenth of a usual deviation a difference is not worth hearing about
_CHUNK = 2048  # rows compared with the support vectors at a time


class OneClass(ArrayDetector):
    """Compare each row with the training rows on the skin: ``−ln (Σ αᵢ K(xᵢ, x) / Σ αᵢ)``, K a Gaussian.

    scikit-learn's OneClassSVM finds the support vectors ``xᵢ`` and their weights; scoring needs neither it nor more
    than them. Rows are ranked exactly as by its decision function, turned round; the logarithm only keeps scores
    rising far outside, where the function itself goes flat. The width of K is the median distance of training rows
    from their median (not their variance: one wild row would widen it until everything looks the same). How restless a
    sensor is enters the distance in a smaller measure than where it lies (see `wheeltapper.detectors._restless`).

    It works with few rows and curved shapes. It does not work well with hundreds of features, and a fault in training
    costs it more than a forest: up to a share of ``nu`` is taken to be outside, no more.

    Parameters
    ----------
    nu : float
        Share of training rows that may lie outside, between 0 and 1. It shapes the skin; where the alarm begins is
        set by the alarm budget.
    max_rows : int
        Of more training rows a seeded sample is used, as time grows with its square; from 10.

    References
    ----------
    .. [1] B. Schölkopf et al., "Estimating the Support of a High-Dimensional Distribution",
           Neural Computation 13 (2001) 1443, doi:10.1162/089976601750264965
    """

    learns_relations = True

    columns_: Names
    vectors_: Floats
    weights_: Floats
    gamma_: float
    measure_: Floats

    def __init__(self, nu: float = 0.05, max_rows: int = 4000) -> None:
        check_between("one_class", "nu", nu, low=0.0, high=1.0)
        check_whole("one_class", "max_rows", max_rows, low=10)
        self.nu = nu
        self.max_rows = max_rows
        self._vectors = Derived(turned)

    def fit(self, rows: pd.DataFrame) -> Self:
        """Find the support vectors.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        from sklearn.svm import OneClassSVM

        self.columns_, values = learn_rows(rows)
        self.measure_ = np.where(is_restless(self), _RESTLESS, 1.0)
        values = thinned(values * self.measure_, self.max_rows, self.seed)
        away = np.median(((values - np.median(values, axis=0)) ** 2).sum(axis=1))
        self.gamma_ = float(0.5 / max(away, values.shape[1] * _LEAST_SPREAD**2))
        machine = OneClassSVM(kernel="rbf", gamma=self.gamma_, nu=self.nu).fit(values)
        self.vectors_ = machine.support_vectors_
        self.weights_ = machine.dual_coef_[0] / machine.dual_coef_.sum()
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return how unlike the support vectors each row is: 0 is most alike."""
        from wheeltapper.detectors._alike import unlike  # numba opens slowly

        weighed = values * getattr(self, "measure_", 1.0)
        scores: Floats = unlike(weighed, self._vectors.of(self.vectors_), self.weights_, float(self.gamma_))
        return scores

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Share out each row's score by each feature's part in the squared distances to the vectors it resembles most.

        Every row adds up to its score; a row that lies on them is shared out evenly.

        Raises
        ------
        NotFittedError, DataError
        """
        values = self._weighed(rows)
        shared = [np.zeros((0, values.shape[1]))]
        for part, unlike, nearness in self._compared(values):
            middle = nearness @ self.vectors_
            squares = (part - middle) ** 2 + np.maximum(nearness @ self.vectors_**2 - middle**2, 0.0)
            total = squares.sum(axis=1, keepdims=True)
            even = np.full_like(squares, 1.0 / squares.shape[1])
            shared.append(np.divide(squares, total, out=even, where=total > 0) * unlike[:, None])
        return as_frame(np.concatenate(shared), self, rows)

    def _weighed(self, rows: pd.DataFrame) -> Floats:
        """Return rows as numbers, restlessness in a smaller measure; a state that was saved without one has none."""
        weighed: Floats = read_rows(self, rows) * getattr(self, "measure_", 1.0)
        return weighed

    def _compared(self, values: Floats) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Yield some rows, their scores, and how near they are to each vector (shares that add up to 1)."""
        lengths = np.einsum("ij,ij->i", self.vectors_, self.vectors_)
        for start in range(0, len(values), _CHUNK):
            part = values[start : start + _CHUNK]
            squares = np.einsum("ij,ij->i", part, part)[:, None] + lengths - 2.0 * (part @ self.vectors_.T)
            power = np.log(self.weights_) - self.gamma_ * np.maximum(squares, 0.0)
            highest = power.max(axis=1, keepdims=True)  # taken out before exp: far away all of them would become 0
            alike = np.exp(power - highest)
            total = alike.sum(axis=1, keepdims=True)
            yield part, -(highest + np.log(total))[:, 0], alike / total
