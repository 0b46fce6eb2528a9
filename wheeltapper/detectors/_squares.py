"""What detectors share whose score is a sum of squares, one a feature: the squares are the contributions."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Detector, Floats
from wheeltapper.detectors._restless import WEIGHT, is_restless
from wheeltapper.detectors._rows import Names, as_frame, learn_rows, read_rows

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

_LIMIT_AT = 0.99  # share of the training rows by whose sums level and restlessness are put on one scale
_MOST = 10.0  # restlessness is made so many times louder at the most to get there


class SumOfSquares(Detector):
    """Scores a row by the sum of its features' squares."""

    @abstractmethod
    def _squares(self, rows: pd.DataFrame) -> Floats:
        """Return each feature's part of the score, never negative, in the order that was learnt."""

    def score(self, rows: pd.DataFrame) -> Floats:
        """Return the sum of each row's squares, in the measure that the class describes.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features)

        Returns
        -------
        ndarray of shape (n_windows,), unitless

        Raises
        ------
        NotFittedError, DataError
        """
        total: Floats = self._squares(rows).sum(axis=1)
        return total

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return each feature's part of the score, never negative; every row adds up to its score.

        Raises
        ------
        NotFittedError, DataError
        """
        return as_frame(self._squares(rows), self, rows)


FAR = 10.0
"""Usual deviations beyond which an element counts by its length and no more by its square (Huber [1]_).

One metric that leapt by a thousand usual deviations once, in normal running, would else set a threshold that nothing
else ever reaches.

References
----------
.. [1] P. J. Huber, "Robust Estimation of a Location Parameter", Ann. Math. Statist. 35 (1964) 73,
       doi:10.1214/aoms/1177703732
"""


class BoundedSquares(SumOfSquares):
    """Scores a row by the squares of elements ``(x − centre) W``, each of which counts linearly where it lies far out.

    ``e²`` up to ``f = FAR · √(mean e² in training)``, and ``f · (2 |e| − f)`` beyond it; the mean is at least that of
    all elements.

    How restless sensors are is measured apart from where they lie, and the row's score is the larger of both sums;
    their 99 % quantiles over the training rows stand to each other as `WEIGHT` to 1. The squares of the smaller sum
    are no part of the score, and count as 0.
    """

    columns_: Names
    centre_: Floats
    root_: Floats
    far_: Floats
    """Where far begins, one an element; detectors that were saved without it take every square as it is."""
    apart_: Flags
    """Which elements are of restlessness; detectors that were saved without it know of none."""

    @abstractmethod
    def _measure(self, values: Floats) -> tuple[Floats, Floats]:
        """Learn from normal rows, shape (n_windows, n_features), the centre and the matrix ``W``."""

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn where normal rows lie and how they move together.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        self.apart_ = is_restless(self.columns_)
        size = len(self.columns_)
        self.centre_, self.root_, self.far_ = np.zeros(size), np.zeros((size, size)), np.zeros(size)
        limits = []
        for block in self._blocks():
            centre, root = self._measure(values[:, block])
            elements = (values[:, block] - centre) @ root
            far = _far(elements)
            self.centre_[block], self.root_[np.ix_(block, block)], self.far_[block] = centre, root, far
            limits.append(float(np.quantile(_bounded(elements, far).sum(axis=1), _LIMIT_AT)))
        if len(limits) > 1:
            level, restless = limits
            # What never moved in training must not drown the level the first time that it does.
            share = np.sqrt(WEIGHT * level / max(restless, level / _MOST)) if level > 0 else 1.0
            self.root_[:, self.apart_] *= share
            self.far_[self.apart_] *= share
        return self

    def _blocks(self) -> list[Places]:
        """Return the places of the features that are measured together: of level, then of restlessness."""
        found = [np.flatnonzero(~self.apart_), np.flatnonzero(self.apart_)]
        return [block for block in found if len(block)]

    def _squares(self, rows: pd.DataFrame) -> Floats:
        elements = (read_rows(self, rows) - self.centre_) @ self.root_
        squares = _bounded(elements, getattr(self, "far_", np.inf))
        apart = getattr(self, "apart_", None)
        if apart is not None and apart.any() and not apart.all():
            is_louder = squares[:, apart].sum(axis=1) > squares[:, ~apart].sum(axis=1)
            squares[is_louder[:, None] != apart] = 0.0
        return squares


def _far(elements: Floats) -> Floats:
    """Return where far begins for the elements of the training rows, shape (n_windows, n_features).

    An element that never moved begins to be far where the others do; where none did, nothing is far.
    """
    squares = (elements**2).mean(axis=0)
    least = squares.mean()
    return FAR * np.sqrt(np.maximum(squares, least)) if least > 0 else np.full_like(squares, np.inf)


def _bounded(elements: Floats, far: Floats | float) -> Floats:
    """Return the squares, growing linearly only beyond where far begins."""
    length = np.abs(elements)
    near = np.minimum(length, far)
    squares: Floats = near * (2 * length - near)
    return squares
