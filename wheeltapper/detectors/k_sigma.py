"""Baseline: how many standard deviations is the worst sensor away from its usual value."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows
from wheeltapper.features.columns import describe


class KSigma(ArrayDetector):
    """The control chart on every wall: the largest distance of one sensor from its mean, in standard deviations.

    The score is ``max_j |x_j - mean_j| / sigma_j`` over the sensors' latest values, or over all columns where there
    are none. There is no option ``k``: the k that the operator can live with (3 in
    the textbook) comes from the alarm budget, as for every detector.

    It does not work when every sensor stays within its own limits and only their combination is wrong, nor when a
    sensor is stuck at a usual value.

    References
    ----------
    .. [1] W. A. Shewhart, "Economic Control of Quality of Manufactured Product", 1931.
    """

    is_baseline: ClassVar[bool] = True
    columns_: Names
    used_: Floats
    centre_: Floats
    sigma_: Floats

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn the mean and the standard deviation of every sensor.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        is_latest = np.array([feature.shows == "latest" for feature in describe(self.columns_.tolist(), self.features)])
        self.used_ = np.where(is_latest | ~is_latest.any(), 1.0, 0.0)
        self.centre_ = values.mean(axis=0)
        self.sigma_ = _usable(values.std(axis=0))
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the largest number of standard deviations in each row, shape (n_windows,)."""
        worst: Floats = self._distances(values).max(axis=1)
        return worst

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the whole score at the sensor that is farthest away, and 0 elsewhere; each row adds up to its score.

        Raises
        ------
        NotFittedError, DataError
        """
        distances = self._distances(read_rows(self, rows))
        is_worst = np.arange(distances.shape[1]) == distances.argmax(axis=1)[:, None]
        return as_frame(np.where(is_worst, distances, 0.0), self, rows)

    def _distances(self, values: Floats) -> Floats:
        return self.used_ * np.abs(values - self.centre_) / self.sigma_


def _usable(sigma: Floats) -> Floats:
    # A sensor that never moved in training has no spread of its own: rows are normalised, so 1 is one usual deviation.
    return np.where(sigma > 1e-6, sigma, 1.0)
