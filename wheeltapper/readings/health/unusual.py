"""Flags: values that are unusual beside those just before them. They are marked, never deleted and never altered.

No label is used, and no later value. A flag says that a value is unlike its own recent past: a spike is, but so is the
first reading after a change of load. It is a hint for the eye, and masks nothing.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROWS = 60
"""Earlier values that a value is compared with."""
LEAST = 30
"""Earlier values that there must be before anything is called unusual."""
REACH = 1.5
"""Interquartile ranges beyond the quartiles that are still usual."""
DEVIATIONS = 3.0
"""Standard deviations from the median, estimated by the median absolute deviation, that are still usual."""

NORMAL = 1.4826
"""Standard deviation of a normal distribution in median absolute deviations: 1 / 0.6745."""


def bounds(values: Floats, kinds: Collection[str]) -> dict[str, tuple[Floats, Floats]]:
    """Return, for each kind of flag, the lowest and highest value that are usual at each place.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order; missing values are skipped.
    kinds : collection of str
        ``iqr`` and ``hampel``; see `iqr_bounds` and `hampel_bounds`.

    Returns
    -------
    dict of str to (low, high), each of shape (n,)
        NaN where fewer than `LEAST` values came before, or these have no range.
    """
    order = _trailing_order(values)
    compute = {"iqr": iqr_bounds, "hampel": hampel_bounds}
    return {kind: compute[kind](order) for kind in kinds}


def iqr_bounds(order: Floats) -> tuple[Floats, Floats]:
    """Return bounds `REACH` interquartile ranges beyond the quartiles of the values before; NaN if these are equal.

    Parameters
    ----------
    order : ndarray of shape (4, n)
        Lower quartile, median, upper quartile and median deviation of the values before each value.

    References
    ----------
    .. [1] J. W. Tukey, "Exploratory Data Analysis", 1977, chapter 2: the fences.
    """
    lower, _, upper, _ = order
    width = np.where(upper > lower, upper - lower, np.nan)
    return lower - REACH * width, upper + REACH * width


def hampel_bounds(order: Floats) -> tuple[Floats, Floats]:
    """Return bounds `DEVIATIONS` standard deviations from the median of the values before.

    Median and median deviation hardly move for a few wild values, so several spikes in a row are all outside. On a
    steady slope the median lags behind. The bounds are NaN where more than half of the values before are equal.

    Parameters
    ----------
    order : ndarray of shape (4, n)
        Lower quartile, median, upper quartile and median deviation of the values before each value. (Hampel's own
        filter uses later values as well.)

    References
    ----------
    .. [1] R. K. Pearson et al., "Generalized Hampel Filters", EURASIP J. Adv. Signal Process. 2016,
       doi:10.1186/s13634-016-0383-6
    """
    _, median, _, deviation = order
    width = DEVIATIONS * NORMAL * np.where(deviation > 0, deviation, np.nan)
    return median - width, median + width


def outside(values: Floats, low: Floats, high: Floats) -> Flags:
    """Return which values lie outside their bounds; a missing value never does."""
    return np.asarray((values < low) | (values > high), dtype=bool)


def _trailing_order(values: Floats) -> Floats:
    """Return quartiles and median deviation of the given values before each, of shape (4, n); see `trailing_order`."""
    from wheeltapper.readings.health.trailing import trailing_order

    is_given = ~np.isnan(values)
    order = np.full((4, len(values)), np.nan)
    order[:, is_given] = trailing_order(np.ascontiguousarray(values[is_given], dtype=np.float64), ROWS, LEAST)
    return order
