"""Mean and spread of every sensor over the window: its level, and how restless it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Places, Stretch


class Rolling(FeatureSet):
    """Columns ``<sensor>__rolling_mean`` and ``<sensor>__rolling_std``, both in the sensor's unit.

    The spread is the population's (divided by n, as tsfresh does); a stuck sensor has exactly 0. A fault that is much
    shorter than the window is averaged away in the mean; `latest` and `rates` show it.
    """

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List mean and spread of each sensor."""
        return tuple(
            feature
            for sensor in asset_type.sensors
            for feature in (
                Feature(f"{sensor}__rolling_mean", (sensor,), "level"),
                Feature(f"{sensor}__rolling_std", (sensor,), "spread"),
            )
        )

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return mean and spread of each window."""
        features = {}
        for sensor in asset_type.sensors:
            mean, std = window_moments(stretch.sensors[sensor], stretch.first, stretch.last)
            features[f"{sensor}__rolling_mean"] = mean
            features[f"{sensor}__rolling_std"] = std
        return features


def window_moments(values: Floats, first: Places, last: Places) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each window.

    Windows are put together from runs of 1, 2, 4, … values by the pairwise formula [1]_, in n·log(rows) steps however
    much their lengths differ. A running sum would be faster, but after a spike of 1e12 it stays wrong, and its last
    digits depend on where the reading began. Here every window depends on its own values only, to the last bit, and
    1e6 ± 1e-3 stays exact.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        In any unit, NaN where missing.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last value.

    Returns
    -------
    mean, std : ndarray of shape (n_windows,)
        In the values' unit; NaN where the window lacks a value.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
       Variances", COMPSTAT 1982, doi:10.1007/978-3-642-51461-6_3
    """
    lengths = last - first + 1
    mean, squares = np.full(len(last), np.nan), np.full(len(last), np.nan)
    done = np.zeros(len(last), dtype=np.int64)
    # run[j] is (mean, sum of squared deviations) of size values from j on; a window of 13 is runs of 1, 4 and 8.
    run, size = (values, np.zeros(len(values))), 1
    for bit in range(int(lengths.max(initial=0)).bit_length()):
        if bit:
            run, size = _join((run[0][:-size], run[1][:-size]), size, (run[0][size:], run[1][size:]), size), 2 * size
        takes = lengths & size > 0
        for begun in (False, True):
            which = _places(takes & ((done > 0) == begun))
            at = first[which] + done[which]
            part = run[0][at], run[1][at]
            so_far = mean[which], squares[which]
            mean[which], squares[which] = _join(so_far, done[which], part, size) if begun else part
        done[takes] += size
    return mean, np.sqrt(squares / lengths)


def window_extremes(values: Floats, first: Places, last: Places) -> tuple[Floats, Floats]:
    """Return lowest and highest value of each window.

    Two runs of the longest power of two that fits cover a window, one from its beginning and one to its end; both
    may hold a value without harm.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        In any unit, NaN where missing.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last value.

    Returns
    -------
    lowest, highest : ndarray of shape (n_windows,)
        In the values' unit; NaN where the window lacks a value.
    """
    lengths = last - first + 1
    lowest, highest = np.full(len(last), np.nan), np.full(len(last), np.nan)
    low, high, size = values, values, 1
    while size <= lengths.max(initial=0):
        fits = np.flatnonzero((lengths >= size) & (lengths < 2 * size))
        begin, end = first[fits], last[fits] + 1 - size
        lowest[fits], highest[fits] = np.minimum(low[begin], low[end]), np.maximum(high[begin], high[end])
        low, high = np.minimum(low[:-size], low[size:]), np.maximum(high[:-size], high[size:])
        size *= 2
    return lowest, highest


def _places(which: NDArray[np.bool_]) -> Places | slice:
    """Return the true positions; a slice if all are true, which is much cheaper."""
    return slice(None) if which.all() else np.flatnonzero(which)


def _join(
    first: tuple[Floats, Floats], n: int | Places, second: tuple[Floats, Floats], m: int
) -> tuple[Floats, Floats]:
    """Join each run of n values with the run of m values that follows it; (mean, sum of squared deviations)."""
    (mean_a, squares_a), (mean_b, squares_b) = first, second
    delta = mean_b - mean_a
    return mean_a + delta * (m / (n + m)), squares_a + squares_b + delta * delta * (n * m / (n + m))
