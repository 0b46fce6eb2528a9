"""Intervals: the uncertainty of a figure that was counted on a few events."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wheeltapper.errors import DataError

Floats = NDArray[np.float64]

_MOST_AT_ONCE = 2_000_000
"""Resampled counts held in memory at a time."""


class Interval(NamedTuple):
    """A figure's lower and upper bound."""

    low: float
    high: float


def rate_interval(count: int, exposure: float, level: float = 0.95) -> Interval | None:
    """Return the interval of the true rate after ``count`` events in ``exposure`` (exact Poisson).

    No event in two weeks does not mean that none ever happens: the upper bound is then 1.8 a week.

    Parameters
    ----------
    count : int
        Events seen.
    exposure : float
        Time watched, for instance in asset-weeks.

    Returns
    -------
    Interval or None
        Events per unit of exposure; None where nothing was watched.

    Examples
    --------
    >>> [round(float(end), 2) for end in rate_interval(0, 2.0)]
    [0.0, 1.84]

    References
    ----------
    .. [1] F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936, doi:10.2307/2333958
    """
    from scipy.special import gammaincinv

    if count < 0 or exposure < 0:
        raise DataError(f"a count and its exposure must not be negative, got {count} in {exposure:g}")
    if exposure == 0:
        return None
    tail = (1 - level) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return Interval(low / exposure, float(gammaincinv(count + 1, 1 - tail)) / exposure)


def share_interval(hits: int, tries: int, level: float = 0.95) -> Interval | None:
    """Return the interval of the true share after ``hits`` of ``tries`` (Wilson).

    Nine of ten found means 60 % to 98 %, not 90 %. None where there were no tries.

    Examples
    --------
    >>> [round(end, 2) for end in share_interval(9, 10)]
    [0.6, 0.98]

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
       JASA 22, 1927, doi:10.1080/01621459.1927.10502953
    """
    if not 0 <= hits <= tries:
        raise DataError(f"expected between 0 and {tries} hits, got {hits}")
    if tries == 0:
        return None
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, weight = hits / tries, z * z / tries
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * np.sqrt(share * (1 - share) / tries + weight / (4 * tries))
    return Interval(max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def total_interval(
    faults: ArrayLike, alarms: ArrayLike, *, seed: int, draws: int = 1000, level: float = 0.95
) -> Interval:
    """Return the interval of a total cost, had other events of the same sort happened (bootstrap by event).

    The faults are drawn again with replacement, as many as there were, because their number does not depend on the
    detector. The number of alarms does depend on it, so each alarm is repeated a Poisson(1) number of times. Without
    any event there is nothing to draw: the interval is then a point and means nothing.

    Parameters
    ----------
    faults : array of shape (n_faults,)
        Cost of each fault, found or missed.
    alarms : array of shape (n_alarms,)
        Cost of each wrong alarm.
    seed : int
        Makes the draws repeatable.
    """
    random = np.random.default_rng(seed)
    totals = _redrawn(np.asarray(faults, dtype=np.float64), draws, random, fixed=True)
    totals = totals + _redrawn(np.asarray(alarms, dtype=np.float64), draws, random, fixed=False)
    low, high = np.quantile(totals, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


LEAST_RESAMPLED = 5
"""Fewest events or assets for resampling: three values have only ten different samples."""


def median_interval(values: ArrayLike, *, seed: int, draws: int = 1000, level: float = 0.95) -> Interval | None:
    """Return the interval of a median, had other events of the same sort happened (bootstrap by event).

    Parameters
    ----------
    values : array of shape (n_events,)
        One value per event, such as the delay of each found fault.
    seed : int
        Makes the draws repeatable.

    Returns
    -------
    Interval or None
        In the unit of the values; None where there are fewer than `LEAST_RESAMPLED`.
    """
    return _resampled(values, lambda drawn: np.median(drawn, axis=1), seed, draws, level)


def mean_interval(values: ArrayLike, *, seed: int, draws: int = 1000, level: float = 0.95) -> Interval | None:
    """Return the interval of a mean, had it been taken over other assets of the same sort (bootstrap by asset).

    As `median_interval`, with one value per asset.
    """
    return _resampled(values, lambda drawn: np.mean(drawn, axis=1), seed, draws, level)


def _resampled(
    values: ArrayLike, statistic: Callable[[Floats], Floats], seed: int, draws: int, level: float
) -> Interval | None:
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < LEAST_RESAMPLED:
        return None
    random, chunk = np.random.default_rng(seed), max(1, _MOST_AT_ONCE // sample.size)
    sizes = [min(chunk, draws - start) for start in range(0, draws, chunk)]
    statistics = [statistic(sample[random.integers(sample.size, size=(size, sample.size))]) for size in sizes]
    low, high = np.quantile(np.concatenate(statistics), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _redrawn(costs: Floats, draws: int, random: np.random.Generator, *, fixed: bool) -> Floats:
    if costs.size == 0:
        return np.zeros(draws)
    chunk = max(1, _MOST_AT_ONCE // costs.size)
    sums = []
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        if fixed:
            times = random.multinomial(costs.size, np.full(costs.size, 1 / costs.size), size=size)
        else:
            times = random.poisson(1.0, size=(size, costs.size))
        sums.append(times @ costs)
    return np.concatenate(sums)
