"""Baseline: one gauge on the wall, and how far it is from its usual value."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows
from wheeltapper.features.columns import describe


class OneSensor(ArrayDetector):
    """Watch a single sensor: ``|x − mean| / sigma`` of its latest value.

    It is the sensor that says most about the others: the one whose absolute correlations with them are highest on
    average (the first such one). A plant needs no system for faults that one gauge shows.

    It does not notice a fault that shows elsewhere; `k_sigma` is the same rule on all sensors at once.
    """

    is_baseline: ClassVar[bool] = True
    notices: ClassVar[Literal["every sensor", "some sensors", "nothing"]] = "some sensors"
    columns_: Names
    watched_: Floats
    centre_: Floats
    sigma_: Floats

    def fit(self, rows: pd.DataFrame) -> Self:
        """Choose the sensor, and learn its mean and standard deviation.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            Sensors' latest values are looked at, or all columns where there are none.

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        is_latest = np.array([feature.shows == "latest" for feature in describe(self.columns_.tolist(), self.features)])
        usable = np.flatnonzero(is_latest | ~is_latest.any())
        self.centre_, spread = values.mean(axis=0), values.std(axis=0)
        self.sigma_ = np.where(spread > 1e-6, spread, 1.0)  # rows are normalised: 1 is one usual deviation
        agreement = _agreement(((values - self.centre_) / self.sigma_)[:, usable])
        self.watched_ = np.where(np.arange(len(self.columns_)) == usable[agreement.argmax()], 1.0, 0.0)
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return how many standard deviations the sensor is away, shape (n_windows,)."""
        away: Floats = self._away(values).sum(axis=1)
        return away

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the whole score at the sensor that is watched, and 0 elsewhere.

        Raises
        ------
        NotFittedError, DataError
        """
        return as_frame(self._away(read_rows(self, rows)), self, rows)

    def _away(self, values: Floats) -> Floats:
        away: Floats = self.watched_ * np.abs(values - self.centre_) / self.sigma_
        return away


def _agreement(scaled: Floats) -> Floats:
    """Return each column's mean absolute correlation with all columns, rounded: the last digits must not decide."""
    correlation: Floats = np.abs(scaled.T @ scaled).mean(axis=1) / len(scaled)
    return correlation.round(9)
