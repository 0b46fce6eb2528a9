"""What detectors share whose score is a sum of squares, one a feature: the squares are the contributions."""

from __future__ import annotations

from abc import abstractmethod

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
