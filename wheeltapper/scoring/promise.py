"""The promise: the rate of false alarms that a calibration expects, with its uncertainty.

A threshold that was set on few weeks of normal running is uncertain, and so is any count of alarms on the few weeks
after it. The promise keeps both apart: the error of the rate, and the scatter of alarms about it. The first shrinks
with more calibrate time, the second with more watched time.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.errors import DataError
from wheeltapper.tables import microseconds

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

SECTIONS = 6
"""Parts of the calibrate time that are compared with each other."""
UNSEEN = 0.5
"""Standard errors added to the disagreement of the sections, because six of them may agree by luck."""
_NODES = 201


@dataclass(frozen=True)
class Promise:
    """False alarms per asset and week that are expected at a threshold."""

    budget: float
    """Accepted alarms per asset and week; the threshold was set for it."""
    rate: float
    """Expected alarms per asset and week of watched time."""
    doubt: float
    """Standard deviation of the rate's logarithm; short calibrate time and differing weeks make it large."""
    dispersion: float
    """Variance of a week's alarms divided by their mean; 1 for independent alarms, above 1 for swarms."""
    weeks: float
    """Asset-weeks of normal running that the rate was fitted on."""

    def interval(self, weeks: float | None = None, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of the achieved rate, if normal running stays as it was.

        Parameters
        ----------
        weeks : float, optional
            Asset-weeks over which alarms are counted: with fewer weeks the count scatters more. Without it, the
            interval is that of the rate in the long run.

        Returns
        -------
        tuple of float
            Lower and upper bound, in alarms per asset and week.
        """
        if weeks is not None and not weeks > 0:
            raise DataError(f"a count needs watched time, got {weeks:g} asset-weeks")
        tail = (1 - level) / 2
        if weeks is None:
            far = NormalDist().inv_cdf(1 - tail) * self.doubt
            return self.rate * float(np.exp(-far)), self.rate * float(np.exp(far))
        return self._counted(tail, weeks) / weeks, self._counted(1 - tail, weeks) / weeks

    def rate_with_interval(self) -> tuple[float, float, float]:
        """Return the rate with both ends of its 95 % interval in the long run, for the gate ``keeps_budget``."""
        return (self.rate, *self.interval())

    def _counted(self, share: float, weeks: float) -> int:
        """Return the smallest count that is not exceeded with probability ``share``."""
        places = (np.arange(_NODES) + 0.5) / _NODES
        normal = NormalDist()
        rates = self.rate * np.exp(self.doubt * np.array([normal.inv_cdf(float(place)) for place in places]))
        low, high = -1, int(10 + 20 * self.dispersion * float(rates.max()) * weeks)
        while high - low > 1:
            middle = (low + high) // 2
            if float(at_most(middle, rates * weeks, self.dispersion).mean()) >= share:
                high = middle
            else:
                low = middle
        return high

    def as_dict(self) -> dict[str, Any]:
        """Return the promise as JSON values."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Promise:
        """Read what `as_dict` wrote."""
        return cls(**content)


def at_most(count: int, mean: Floats, dispersion: float) -> Floats:
    """Return the probability of at most ``count`` events: Poisson, or negative binomial for swarms of events.

    Parameters
    ----------
    mean : ndarray
        Expected events.
    dispersion : float
        Variance over mean, at least 1.

    Examples
    --------
    >>> at_most(0, np.array([1.0]), 1.0).round(3).tolist()
    [0.368]
    """
    from scipy.special import betainc, pdtr

    if dispersion <= 1 + 1e-6:
        return np.asarray(pdtr(count, mean))
    # Variance μφ: size μ/(φ−1) and success probability 1/φ.
    return np.asarray(betainc(np.maximum(mean / (dispersion - 1), 1e-12), count + 1, 1 / dispersion))


def disagreement(rows: pd.DataFrame, opened: Places, seconds: Floats) -> tuple[float, float]:
    """Return how much parts of the calibrate time differ, beyond what chance explains.

    Parameters
    ----------
    rows : DataFrame of shape (n_windows, …) with columns asset_id, window_end
    opened : ndarray of int
        The windows that open an alarm.
    seconds : ndarray of shape (n_windows,)
        Time that each window stands for.

    Returns
    -------
    swarm : float
        Variance over mean of the alarms of an asset's sixth of the time; at least 1.
    season : float
        Standard deviation of the logarithm of the rate from one sixth of the time to the next, over all assets.

    Both measure what chance (for the season: chance and swarms) does not explain. Six parts are few and may agree by
    luck, so half the standard error of the estimate is added to the season's variance.
    """
    time = microseconds(rows["window_end"])
    asset, names = pd.factorize(rows["asset_id"])
    section = _sections(time, seconds)
    cell = asset * SECTIONS + section
    size = len(names) * SECTIONS
    watched = np.bincount(cell, seconds, size).reshape(-1, SECTIONS)
    counts = np.bincount(cell[opened], minlength=size).reshape(-1, SECTIONS)
    by_asset = watched * (counts.sum(axis=1) / np.maximum(watched.sum(axis=1), 1e-9))[:, None]
    swarm = _variance_over_mean(counts, by_asset)
    expected = by_asset.sum(axis=0)
    return swarm, _season(counts.sum(axis=0), expected, swarm)


def _sections(time: Places, seconds: Floats) -> Places:
    """Cut the time of all assets together into sixths with about equal watched time."""
    order = np.argsort(time, kind="stable")
    share = np.empty(len(time))
    share[order] = np.cumsum(seconds[order]) / seconds.sum()
    return np.minimum((share * SECTIONS - 1e-9).astype(np.int64), SECTIONS - 1)


def _variance_over_mean(counts: Places, expected: Floats) -> float:
    has_events = expected >= 0.5
    freedom = int(has_events.sum() - has_events.any(axis=1).sum())
    if freedom < 1:
        return 1.0
    ratio = float(((counts - expected)[has_events] ** 2 / expected[has_events]).sum()) / freedom
    return max(1.0, ratio)


def _season(counts: Places, expected: Floats, swarm: float) -> float:
    has_events = expected >= 1
    freedom = int(has_events.sum()) - 1
    if freedom < 1:
        return 0.0
    squares = (counts - expected)[has_events] ** 2 / expected[has_events]
    beyond = max(float(squares.sum()) / freedom - swarm, 0.0)
    unseen = UNSEEN * swarm * float(np.sqrt(2 / freedom))
    return float(np.sqrt((beyond + unseen) / expected[has_events].mean()))
