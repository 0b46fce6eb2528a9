"""How far a row lies from usual ones, in the measure of how usual rows spread together."""

from __future__ import annotations

import numpy as np

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_between
from wheeltapper.detectors._squares import BoundedSquares


class Mahalanobis(BoundedSquares):
    """Score each row by how long ``(R + r·I)^(−1/2) (x − μ)`` is, with R the correlations of normal rows.

    Deviations that usually come together count for less, those that never do for more: a pressure that falls while the
    flow rises scores high although each of them is within its usual spread. The ridge ``r`` keeps directions in which
    training rows never moved from deciding alone; it is in shares of one feature's own variance.

    With ``trimmed``, centre and correlations are fitted twice, the second time without that share of the training rows,
    those that lie furthest out (one reweighting step, as in the minimum covariance determinant [2]_). It helps where
    training holds unknown faults; where what is rare is normal all the same (a burst every night), it
    makes every later one an alarm, so nothing is trimmed unless asked for. The score is divided by the number of
    features, so that about 1 is usual.

    The textbook's length is the root of the sum of squares. This one is put together by a smaller power, so that many
    sensors that have moved a little count beside one that has moved far, and what lies very far out grows linearly only
    (see `wheeltapper.detectors._squares`). Each element's part is its contribution, and they add up to the score. How
    restless sensors are is measured apart from where they lie (see `wheeltapper.detectors._restless`).

    It does not work when normal running has several centres within one regime; then `k_nearest` or `lof` is better.

    Parameters
    ----------
    ridge : float
        Added to each feature's variance of 1 before inverting, above 0 and below 10.
    trimmed : float
        Share of the training rows that the second fit leaves out, from 0 (no second fit) to below 0.5.

    References
    ----------
    .. [1] P. C. Mahalanobis, "On the generalized distance in statistics", Proc. Nat. Inst. Sci. India 2 (1936) 49
    .. [2] P. J. Rousseeuw, K. Van Driessen, "A Fast Algorithm for the Minimum Covariance Determinant Estimator",
           Technometrics 41 (1999) 212, doi:10.1080/00401706.1999.10485670
    """

    learns_relations = True

    def __init__(self, ridge: float = 0.1, trimmed: float = 0.0) -> None:
        check_between("mahalanobis", "ridge", ridge, low=0.0, high=10.0)
        if trimmed != 0:
            check_between("mahalanobis", "trimmed", trimmed, low=0.0, high=0.5)
        self.ridge = ridge
        self.trimmed = trimmed

    def _measure(self, values: Floats, least_spread: float) -> tuple[Floats, Floats]:
        centre, root = self._spread_together(values, least_spread)
        if self.trimmed:
            distance = (((values - centre) @ root) ** 2).sum(axis=1)
            return self._spread_together(values[distance <= np.quantile(distance, 1 - self.trimmed)], least_spread)
        return centre, root

    def _spread_together(self, values: Floats, least_spread: float) -> tuple[Floats, Floats]:
        """Return the mean, and the symmetric root of the ridged inverse correlations over the number of features."""
        centre = values.mean(axis=0)
        scale = np.maximum(values.std(axis=0), least_spread)
        scaled = (values - centre) / scale
        variances, patterns = np.linalg.eigh(np.atleast_2d(scaled.T @ scaled / len(scaled)))
        weights = 1.0 / np.sqrt((np.maximum(variances, 0.0) + self.ridge) * len(scale))
        return centre, (1.0 / scale)[:, None] * ((patterns * weights) @ patterns.T)
