"""Principal components: sensors that no longer move together as they usually do are unusual."""

from __future__ import annotations

import numpy as np

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_between
from wheeltapper.detectors._squares import BoundedSquares

_LIMIT_AT = 0.99  # share of training rows within each limit, the usual control limit of process monitoring
_LEAST_SPREAD = 0.1  # rows are normalised: below a tenth of a usual deviation a difference is not worth hearing about


class PcaResidual(BoundedSquares):
    """Split each row into what the usual patterns explain and what is left, and judge both.

    ``T2 = sum_a t_a^2 / lambda_a`` says how far a row lies out along the usual patterns, ``Q`` (the squared
    prediction error) how much they leave unexplained. The score is Yue and Qin's combined index

        phi = T2 / T2_limit + Q / Q_limit

    with each limit the 99 % quantile of the training rows: sensor data are neither normal nor independent, so the
    textbook's F and chi-square limits do not hold, and the final threshold comes from the alarm budget anyway.

    The pattern at which the wanted share of the variance is reached is a usual one in part: phi is the mean of the
    index with it and the index without it. With a hard limit, a tiny difference of variance between two
    trainings would decide whether deviations that are small beside that pattern are noticed.

    As phi is a quadratic form ``x' M x`` it is computed as ``|W x|^2`` with ``W`` the square root of ``M``; the
    elements' parts are the contributions (Alcala and Qin's complete decomposition) and add up to the score exactly.
    The elements are put together by a smaller power than 2, so that many that have moved a little count beside one that
    has moved far, and what lies very far out grows linearly only (see `wheeltapper.detectors._squares`). How restless
    sensors are is measured apart from where they lie (see `wheeltapper.detectors._restless`).

    It does not work when relations between sensors are strongly curved, or differ from regime to regime within one
    model; then an autoencoder or a model per regime is better.

    Parameters
    ----------
    variance : float
        Share of the variance that the usual patterns explain, between 0 and 1.

    References
    ----------
    .. [1] H. H. Yue, S. J. Qin, "Reconstruction-Based Fault Identification Using a Combined Index",
           Ind. Eng. Chem. Res. 40 (2001) 4403, doi:10.1021/ie000141+
    .. [2] C. F. Alcala, S. J. Qin, "Reconstruction-based contribution for process monitoring",
           Automatica 45 (2009) 1593, doi:10.1016/j.automatica.2009.02.027
    """

    learns_relations = True

    def __init__(self, variance: float = 0.95) -> None:
        check_between("pca_residual", "variance", variance, low=0.0, high=1.0)
        self.variance = variance

    def _measure(self, values: Floats, least_spread: float) -> tuple[Floats, Floats]:
        centre = values.mean(axis=0)
        scale = np.maximum(values.std(axis=0), least_spread)
        scaled = (values - centre) / scale
        _, singular, patterns = np.linalg.svd(np.atleast_2d(scaled.T @ scaled / len(scaled)), hermitian=True)
        along = scaled @ patterns.T
        kept, share = _explaining(singular, self.variance)
        squared = share * _combined(along, singular, kept)
        if share < 1:
            squared += (1 - share) * _combined(along, singular, kept - 1)
        return centre, (1.0 / scale)[:, None] * ((patterns.T * np.sqrt(squared)) @ patterns)


def _explaining(variances: Floats, share: float) -> tuple[int, float]:
    """Return how many of the largest variances it takes to make up the share, and which part of the last one.

    Where nothing moves it takes none.
    """
    reached = np.cumsum(variances)
    total = reached[-1]
    if total <= 0:
        return 0, 1.0
    last = min(int(np.searchsorted(reached / total, share)), len(variances) - 1)
    before = reached[last] - variances[last]
    return last + 1, float(np.clip((share * total - before) / variances[last], 0.0, 1.0))


def _combined(along: Floats, variances: Floats, kept: int) -> Floats:
    """Return what a square along each pattern adds to the index when the first ``kept`` are the usual ones."""
    t2_limit = _limit(along[:, :kept] / np.sqrt(variances[:kept]))
    q_limit = _limit(along[:, kept:])
    return np.concatenate([1 / (variances[:kept] * t2_limit), np.full(len(variances) - kept, 1 / q_limit)])


def _limit(scores: Floats) -> float:
    """Return the 99 % quantile of the rows' squared lengths, at least that of a barely audible difference."""
    lengths: Floats = (scores**2).sum(axis=1)
    return max(float(np.quantile(lengths, _LIMIT_AT)), _LEAST_SPREAD**2)
