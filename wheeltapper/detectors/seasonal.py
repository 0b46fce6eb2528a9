"""Baseline: how far is the worst sensor from its usual value at this hour of the day."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, learnt_names, read_rows
from wheeltapper.errors import DataError
from wheeltapper.features.columns import describe

_SIN, _COS = "calendar__hour_sin", "calendar__hour_cos"
_HOURS = 24
_LEAST = 8  # rows of an hour; with fewer, its own mean says less than that of the whole day


class Seasonal(ArrayDetector):
    """Forecast each sensor by its mean at the same hour of the day: the largest error in standard deviations.

    The hour comes from the feature set `calendar`; a plant whose features do not have it goes without this baseline.
    An hour that training has hardly seen is given the mean of all hours.

    It notices a night-time load by day. It does not notice an error of less than a usual deviation at every hour, and
    knows no weekdays.

    References
    ----------
    .. [1] R. J. Hyndman, G. Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed. 2021, ch. 5.2
           (the seasonal naive forecast; here the mean of all such hours instead of the last one).
    """

    is_baseline: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = (_SIN, _COS)
    columns_: Names
    used_: Floats
    usual_: Floats
    sigma_: Floats

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn each sensor's mean at each hour, and its standard deviation around it.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            Sensors' latest values are looked at.

        Raises
        ------
        DataError
            If the hour of the day is not among the columns.
        """
        columns, values = learn_rows(rows)
        names = columns.tolist()
        missing = [name for name in self.needs if name not in names]
        if missing:
            raise DataError(
                f"seasonal needs the hour of the day, but {missing} is not among the {len(names)} features. "
                "Add the feature set calendar to the plant's features."
            )
        self.columns_ = columns
        described = describe(names, self.features)
        self.used_ = np.array(
            [float(feature.shows == "latest" and feature.name not in self.needs) for feature in described]
        )
        hour = self._hours(values)
        self.usual_ = np.tile(values.mean(axis=0), (_HOURS, 1))
        for hour_of_day in range(_HOURS):
            if (hour == hour_of_day).sum() >= _LEAST:
                self.usual_[hour_of_day] = values[hour == hour_of_day].mean(axis=0)
        sigma = np.sqrt(((values - self.usual_[hour]) ** 2).mean(axis=0))
        self.sigma_ = np.where(sigma > 1e-6, sigma, 1.0)  # rows are normalised: 1 is one usual deviation
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the largest error of each row in standard deviations, shape (n_windows,)."""
        worst: Floats = self._errors(values).max(axis=1)
        return worst

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the whole score at the sensor with the largest error, and 0 elsewhere.

        Raises
        ------
        NotFittedError, DataError
        """
        errors = self._errors(read_rows(self, rows))
        is_worst = np.arange(errors.shape[1]) == errors.argmax(axis=1)[:, None]
        return as_frame(np.where(is_worst, errors, 0.0), self, rows)

    def _errors(self, values: Floats) -> Floats:
        return self.used_ * np.abs(values - self.usual_[self._hours(values)]) / self.sigma_

    def _hours(self, values: Floats) -> NDArray[np.int64]:
        """Return the hour of the day of each row, 0 to 23; a hair before the full hour is the full hour."""
        names = learnt_names(self)
        turn = np.arctan2(values[:, names.index(_SIN)], values[:, names.index(_COS)]) / (2 * np.pi)
        hours: NDArray[np.int64] = np.floor(turn * _HOURS + 1e-6).astype(np.int64) % _HOURS
        return hours
