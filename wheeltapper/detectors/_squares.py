"""What detectors share whose score is a sum of squares, one a feature: the squares are the contributions."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import pandas as pd

from wheeltapper.detectors import Detector, Floats
from wheeltapper.detectors._rows import as_frame


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
    """Scores a row by the squares of elements, each of which counts linearly where it lies far out.

    ``e²`` up to ``f = FAR · √(mean e² in training)``, and ``f · (2 |e| − f)`` beyond it; the mean is at least that of
    all elements.
    """

    far_: Floats
    """Where far begins, one an element; detectors that were saved without it take every square as it is."""

    @abstractmethod
    def _elements(self, rows: pd.DataFrame) -> Floats:
        """Return the elements whose squares are summed, in the order that was learnt."""

    def _learn_far(self, elements: Floats) -> None:
        """Learn where far begins from the elements of the training rows, shape (n_windows, n_features).

        An element that never moved begins to be far where the others do; where none did, nothing is far.
        """
        squares = (elements**2).mean(axis=0)
        least = squares.mean()
        self.far_ = FAR * np.sqrt(np.maximum(squares, least)) if least > 0 else np.full_like(squares, np.inf)

    def _squares(self, rows: pd.DataFrame) -> Floats:
        elements = np.abs(self._elements(rows))
        far = getattr(self, "far_", np.inf)
        near = np.minimum(elements, far)
        squares: Floats = near * (2 * elements - near)
        return squares
