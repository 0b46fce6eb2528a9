"""State estimation: what the sensors should read, judging by the most similar states on record."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors._derived import Derived, turned
from wheeltapper.detectors._options import check_between, check_whole
from wheeltapper.detectors._squares import SumOfSquares
from wheeltapper.detectors.rows import Names, learn_rows, thinned

_LEAST_SPREAD = 0.1  # rows are normalised: below a tenth of a usual deviation a difference is not worth hearing about
_SEEN = 0.001  # share of training values on either side that is cut before extremes are looked for
_MOST = 5000  # training rows whose residuals say how large residuals usually are
_CHUNK = 2048  # rows compared with the memory at a time: 3 MB


class StateEstimation(SumOfSquares):
    """Keep some hundred states of normal running, estimate from them what a row should be, and judge the difference.

    The multivariate state estimation technique (MSET) of nuclear plants. With the memory ``D`` (one state a row), the
    similarity ``s(a, b) = exp(−|a − b|² / 2h²)`` and the row ``x``, the estimate is

        x̂ = Dᵀ (s(D, D) + r·I)⁻¹ s(D, x)

    and the score the mean square of ``x − x̂`` in each feature's usual residual. The memory takes the states with the
    smallest and largest value of every feature, then fills up evenly along the length of the rows (vector ordering).
    ``h`` is the median distance between states of the memory. The ridge ``r`` is what makes it work on states that
    resemble each other; without it, noise is multiplied.

    It works where sensors depend on each other in curves, in several regimes at once, and it says which sensor is
    wrong. A row that resembles nothing on record is estimated as the mean, so it is never taken for usual. It does not
    work when the training rows hold the fault (the extremes go into the memory first), nor when there are
    many more features than states.

    Parameters
    ----------
    states : int
        Rows of the memory; from 10; the reference uses up to 200. All different rows where there are fewer.
    ridge : float
        Added to the similarity of each state with itself, which is 1; above 0 and below 10.

    References
    ----------
    .. [1] R. M. Singer et al., "Model-based nuclear power plant monitoring and fault detection", ISAP 1997,
           Argonne National Laboratory ANL/RA/CP-92588.
    .. [2] J. W. Hines, D. R. Garvey, "Process and equipment monitoring methodologies applied to sensor calibration
           monitoring", Qual. Reliab. Eng. Int. 23 (2007) 123, doi:10.1002/qre.818 (Gaussian similarity, ridge).
    """

    learns_relations = True

    columns_: Names
    centre_: Floats
    memory_: Floats
    weights_: Floats
    width_: float
    scale_: Floats

    def __init__(self, states: int = 200, ridge: float = 0.1) -> None:
        check_whole("state_estimation", "states", states, low=10)
        check_between("state_estimation", "ridge", ridge, low=0.0, high=10.0)
        self.states = states
        self.ridge = ridge
        self._memory = Derived(turned)

    def fit(self, rows: pd.DataFrame) -> Self:
        """Choose the states of the memory, and learn how large residuals usually are.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        low, high = np.quantile(values, [_SEEN, 1 - _SEEN], axis=0)
        self.centre_ = np.clip(values, low, high).mean(axis=0)
        values = np.clip(values, low, high) - self.centre_
        self.memory_ = np.unique(values[_chosen(values, self.states)], axis=0)
        between = np.sqrt(_squared_distances(self.memory_, self.memory_))
        apart = between[np.triu_indices(len(between), 1)]
        self.width_ = (float(np.median(apart)) if len(apart) else 0.0) or 1.0
        alike = np.exp(-(between**2) / (2 * self.width_**2))
        regular = alike + self.ridge * np.eye(len(alike))
        self.weights_ = np.asarray(np.linalg.solve(regular, self.memory_), dtype=np.float64)
        sample = thinned(values, _MOST, self.seed)
        self.scale_ = np.maximum((sample - self._estimates(sample)).std(axis=0), _LEAST_SPREAD)
        return self

    def _squares(self, values: Floats) -> Floats:
        values = values - self.centre_
        squares: Floats = ((values - self._estimates(values)) / self.scale_) ** 2 / values.shape[1]
        return squares

    def _estimates(self, values: Floats) -> Floats:
        """Return what each centred row should be, centred."""
        from wheeltapper.detectors._alike import estimates  # numba opens slowly

        made: Floats = estimates(
            values, self._memory.of(self.memory_), np.ascontiguousarray(self.weights_), float(self.width_)
        )
        return made


def _squared_distances(values: Floats, others: Floats) -> Floats:
    """Return the squared distance of every row to every other, shape (n_rows, n_others)."""
    lengths = np.einsum("ij,ij->i", values, values)[:, None] + np.einsum("ij,ij->i", others, others)
    squares: Floats = np.maximum(lengths - 2.0 * (values @ others.T), 0.0)
    return squares


def _chosen(values: Floats, states: int) -> NDArray[np.int64]:
    """Return row numbers of the memory: extremes of the features in at most half of it, the rest along the length."""
    extremes = np.unique(np.concatenate([values.argmin(axis=0), values.argmax(axis=0)]))
    extremes = _evenly(extremes, states // 2)
    others = np.setdiff1d(np.arange(len(values)), extremes)
    ordered = others[np.argsort((values[others] ** 2).sum(axis=1), kind="stable")]
    return np.sort(np.concatenate([extremes, _evenly(ordered, states - len(extremes))]))


def _evenly(places: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return ``n`` of some places, evenly spaced, the first and the last among them; all where there are fewer."""
    if len(places) <= n:
        return places
    return places[np.linspace(0, len(places) - 1, n).round().astype(np.int64)]
