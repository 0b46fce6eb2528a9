"""Mean and spread of every sensor over the window: its level, and how restless it is."""

from __future__ import annotations

from functools import partial

import numpy as np

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import CompiledSet, Fill, Floats, Places, places_of


class Rolling(CompiledSet):
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

    def compiled(self, asset_type: AssetType) -> Fill:
        """Return mean and spread of each window."""
        from wheeltapper.features.sets import _fills  # numba opens slowly

        return partial(_fills.rolling, places_of(asset_type.sensors, asset_type))


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
    from wheeltapper.features.sets._moments import all_moments  # numba opens slowly

    mean, std = np.empty(len(last)), np.empty(len(last))
    # Always contiguous and writable: numba compiles afresh for every other kind of array.
    places = (np.require(positions, np.int64, ["C", "W"]) for positions in (first, last))
    all_moments(np.require(values, np.float64, ["C", "W"]), *places, mean, std)
    return mean, std


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
