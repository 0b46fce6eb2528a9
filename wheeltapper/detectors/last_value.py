"""Baseline: how far has any sensor moved since it was last read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows
from wheeltapper.features.columns import Feature, describe, readings_back, that_show


class LastValue(ArrayDetector):
    """Forecast that every sensor stays as it was, and take the largest error in its usual size.

    The error of a sensor is the best that its features give, in this order: its rate of change; its latest value minus
    its mean over the window or over the fewest readings; its latest value minus the mean of training, which is a
    forecast without a memory. Each is centred and divided by its standard deviation in training; the score is the
    largest.

    It notices jumps and spikes. It does not notice a drift, nor a fault that has lasted for as long as the window.

    References
    ----------
    .. [1] R. J. Hyndman, G. Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed. 2021, ch. 5.2
           (the naive forecast).
    """

    is_baseline: ClassVar[bool] = True
    notices: ClassVar[Literal["every sensor", "some sensors", "nothing"]] = "some sensors"
    columns_: Names
    used_: Floats
    before_: NDArray[np.int64]
    centre_: Floats
    sigma_: Floats

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn how large the errors usually are.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        self.used_, self.before_ = _forecasts(describe(self.columns_.tolist(), self.features))
        errors = self._changes(values)
        self.centre_ = errors.mean(axis=0)
        spread = errors.std(axis=0)
        self.sigma_ = np.where(spread > 1e-6, spread, 1.0)  # rows are normalised: 1 is one usual deviation
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the largest error of each row in standard deviations, shape (n_windows,)."""
        worst: Floats = self._errors(values).max(axis=1)
        return worst

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the whole score at the feature with the largest error, and 0 elsewhere.

        Raises
        ------
        NotFittedError, DataError
        """
        errors = self._errors(read_rows(self, rows))
        is_worst = np.arange(errors.shape[1]) == errors.argmax(axis=1)[:, None]
        return as_frame(np.where(is_worst, errors, 0.0), self, rows)

    def _errors(self, values: Floats) -> Floats:
        """Return each feature's error; 0 for features that no forecast is made of."""
        return self.used_ * np.abs(self._changes(values) - self.centre_) / self.sigma_

    def _changes(self, values: Floats) -> Floats:
        return values - np.where(self.before_ >= 0, values[:, self.before_], 0.0)


def _forecasts(features: Sequence[Feature]) -> tuple[Floats, NDArray[np.int64]]:
    """Return which features are used (1) or not (0), and the place of the feature that each is compared with, or −1."""
    used, before = np.zeros(len(features)), np.full(len(features), -1)
    for place, feature in enumerate(features):
        if feature.shows == "rate":
            used[place] = 1.0
        elif feature.shows == "latest" and not that_show(features, "rate", feature.sensors[0]):
            used[place] = 1.0
            before[place] = _shortest_mean(feature.sensors[0], features)
    if not used.any():  # neither rates nor latest values: every feature is forecast by its mean
        used[:] = 1.0
    return used, before


def _shortest_mean(sensor: str, features: Sequence[Feature]) -> int:
    """Return the place of the mean that looks back the least, that of the window first; −1 if there is none."""
    means = [mean for mean in that_show(features, "level", sensor) if mean.over is None or readings_back(mean)]
    shortest = min(means, key=lambda mean: (readings_back(mean), mean.name), default=None)
    return -1 if shortest is None else features.index(shortest)
