"""Tail probabilities: a row with many values that are rarely so high, or so low, is unusual."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors._tails import mean_excess, rarity, spread_out
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows

_LEAST_SCALE = 0.1  # rows are normalised: below a tenth of a usual deviation a difference is not worth hearing about


class Ecod(ArrayDetector):
    """Add up over all features how rarely training rows were as high, ``−ln P(X ≥ x)``, or as low, ``−ln P(X ≤ x)``.

    As in the paper, three sums are made (all upper tails, all lower tails, and for each feature the tail that its skew
    points to) and the largest is the score. Unlike in the paper, the chances come from the training rows alone, so
    that a row scores the same alone and in a batch; and beyond the largest (smallest) value seen, where counting
    ends, the tail goes on exponentially, so that a far outlier is more unusual than a near one.

    There is nothing to set, training is a sort, and one odd feature among few shows at once. It does not work when
    every value is usual and only their combination is wrong; and with hundreds of features one odd value is a small
    part of the sum.

    References
    ----------
    .. [1] Z. Li et al., "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions",
           IEEE TKDE 35 (2023), doi:10.1109/TKDE.2022.3159580
    """

    columns_: Names
    ordered_: Floats
    above_: Floats
    below_: Floats
    skewed_down_: Floats

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn how each feature's values are spread out.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        self.ordered_ = spread_out(values)
        self.above_ = mean_excess(self.ordered_, _LEAST_SCALE)
        self.below_ = mean_excess(-self.ordered_[::-1], _LEAST_SCALE)
        away = self.ordered_ - self.ordered_.mean(axis=0)
        self.skewed_down_ = np.where((away**3).sum(axis=0) < 0, 1.0, 0.0)
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the largest of the three sums of each row."""
        total: Floats = self._parts(values).sum(axis=1)
        return total

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return each feature's term of the largest sum, never negative; every row adds up to its score.

        Raises
        ------
        NotFittedError, DataError
        """
        return as_frame(self._parts(read_rows(self, rows)), self, rows)

    def _parts(self, values: Floats) -> Floats:
        """Return the terms of the largest sum, shape (n_rows, n_features)."""
        high = rarity(values, self.ordered_, self.above_)
        low = rarity(-values, -self.ordered_[::-1], self.below_)
        skewed = np.where(self.skewed_down_ > 0, low, high)
        parts = np.stack([skewed, high, low])
        largest = parts.sum(axis=2).argmax(axis=0)
        chosen: Floats = parts[largest, np.arange(len(values))]
        return chosen
