"""Baseline: how near is the worst sensor to its alarm limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_limits
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows
from wheeltapper.features.columns import describe


class Limits(ArrayDetector):
    """The rule that every control room has: an alarm limit for each sensor, in its own unit.

    A sensor's distance is 0 at its usual (median) value and 1 at its limit; the score is the largest distance. Where
    the asset type gives limits (``alarm_low``, ``alarm_high``), a score above 1 is the alarm and no threshold is
    set. Where it gives none, the range seen in training stands in for them and the threshold comes from the alarm
    budget.

    It does not see a wrong combination of usual values, a stuck sensor, or a small fault far from every limit.

    Parameters
    ----------
    low, high : mapping of sensor → limit in its unit, optional
    """

    is_baseline: ClassVar[bool] = True
    in_units: ClassVar[bool] = True
    columns_: Names
    usual_: Floats
    below_: Floats
    above_: Floats

    def __init__(self, low: Mapping[str, float] | None = None, high: Mapping[str, float] | None = None) -> None:
        self.low = check_limits("low", low)
        self.high = check_limits("high", high)
        if self.low or self.high:
            self.own_threshold = 1.0

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn the usual value of every sensor, and its range where no limits are given.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            In the features' own units; only sensors' latest values are looked at, or all columns where there are none.

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        names = self.columns_.tolist()
        usual = np.median(values, axis=0)
        low, high = values.min(axis=0), values.max(axis=0)
        if self.low or self.high:
            low = np.array([self.low.get(name, -np.inf) for name in names])
            high = np.array([self.high.get(name, np.inf) for name in names])
        else:
            is_latest = np.array([feature.shows == "latest" for feature in describe(names, self.features)])
            is_used = is_latest | ~is_latest.any()
            low, high = np.where(is_used, low, -np.inf), np.where(is_used, high, np.inf)
        # A machine that usually runs at or beyond its limit has no room left: the smallest step counts.
        room = np.maximum(0.01 * np.abs(usual), 1e-9)
        self.usual_ = usual
        self.below_ = np.maximum(usual - low, room)
        self.above_ = np.maximum(high - usual, room)
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the largest distance of each row, shape (n_windows,): 1 is at a limit."""
        worst: Floats = self._distances(values).max(axis=1)
        return worst

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the whole score at the sensor that is nearest to or farthest beyond its limit, and 0 elsewhere.

        Raises
        ------
        NotFittedError, DataError
        """
        distances = self._distances(read_rows(self, rows))
        is_worst = np.arange(distances.shape[1]) == distances.argmax(axis=1)[:, None]
        return as_frame(np.where(is_worst, distances, 0.0), self, rows)

    def _distances(self, values: Floats) -> Floats:
        away = values - self.usual_
        return np.maximum(away / self.above_, -away / self.below_)
