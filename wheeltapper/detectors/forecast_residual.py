"""Forecast: what a sensor shows is unusual where the readings before it announced something else."""

from __future__ import annotations

import numpy as np

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_between, check_whole
from wheeltapper.detectors._sequences import SequenceDetector
from wheeltapper.detectors.rows import thinned

_LEAST_SPREAD = 0.01  # rows are normalised: a forecast that is wrong by a hundredth of a usual deviation is right
_WILD = 1000.0  # usual deviations; beyond, a reading is as wrong as it gets, and no lag may shout louder


class ForecastResidual(SequenceDetector):
    """Predict each sensor's latest reading from the earlier ones of all sensors, and score by how wrong that was.

    A linear autoregression of all sensors on all (a vector autoregression [1]_), fitted by ridge regression in closed
    form: ``B = (X'X + ridge·n·I)⁻¹ X'Y`` with X and Y around their means. How wrong a forecast usually is, ``s_j``,
    is measured on the training rows as if each had been left out: the residual divided by ``1 − h``, with h the row's
    weight in its own forecast [2]_. The score is ``mean_j (e_j / s_j)²``; about 1 is usual. Contributions are the
    terms of that mean, at each sensor's latest reading.

    It notices sudden changes and movements in another rhythm. It does not notice slow changes: the beginning of a
    drift forecasts the rest of it. A step raises the score for one reading; then it is part of the past. Another
    rhythm raises it with pauses, where the reading happens to equal the forecast.

    Parameters
    ----------
    ridge : float
        Added to the variance of every earlier reading before inverting; above 0 and below 10.
    max_rows : int
        Of more training rows, a seeded sample in time order is used, which bounds the memory for training.

    References
    ----------
    .. [1] H. Lütkepohl, "New Introduction to Multiple Time Series Analysis", Springer 2005,
           doi:10.1007/978-3-540-27752-1
    .. [2] D. M. Allen, "The Relationship between Variable Selection and Data Augmentation and a Method for
           Prediction", Technometrics 16 (1974) 125, doi:10.1080/00401706.1974.10489157
    """

    weights_: Floats
    offset_: Floats
    spread_: Floats

    def __init__(self, ridge: float = 1e-3, max_rows: int = 50_000) -> None:
        check_between("forecast_residual", "ridge", ridge, low=0.0, high=10.0)
        check_whole("forecast_residual", "max_rows", max_rows, low=10)
        self.ridge = ridge
        self.max_rows = max_rows

    def _learn(self, sequences: Floats) -> None:
        past, latest = _split(thinned(sequences, self.max_rows, self.seed))
        past_mean, latest_mean = past.mean(axis=0), latest.mean(axis=0)
        x, y = past - past_mean, latest - latest_mean
        inverse = np.linalg.inv(x.T @ x + self.ridge * len(x) * np.eye(x.shape[1]))
        self.weights_ = inverse @ (x.T @ y)
        self.offset_ = latest_mean - past_mean @ self.weights_
        leverage = np.einsum("ij,ij->i", x @ inverse, x) + 1 / len(x)
        residual = (y - x @ self.weights_) / np.maximum(1 - leverage, _LEAST_SPREAD)[:, None]
        self.spread_ = np.maximum(np.sqrt((residual**2).mean(axis=0)), _LEAST_SPREAD)

    def _parts(self, sequences: Floats) -> Floats:
        from wheeltapper.detectors._products import rows_times  # numba opens slowly

        past, latest = _split(sequences)
        residual = latest - (rows_times(past, np.ascontiguousarray(self.weights_)) + self.offset_)
        parts = np.zeros_like(sequences)
        parts[:, -1] = (residual / self.spread_) ** 2 / latest.shape[1]
        return parts


def _split(sequences: Floats) -> tuple[Floats, Floats]:
    """Return all readings but the latest side by side, and the latest, within what a reading can be."""
    limited = np.clip(sequences, -_WILD, _WILD)
    return limited[:, :-1].reshape(len(limited), -1), limited[:, -1]
