"""Flags: values that are unusual beside those just before them. They are marked, never deleted and never altered.

Nothing here knows a label, and nothing looks ahead. A flag says that a value is unlike its own recent past: a spike
does so, but so does the first reading after a change of load. It is a hint for the eye, and masks nothing.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from wheeltapper.errors import ConfigError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROWS = 60
"""Values that are looked back at."""
LEAST = 30
"""Values that must have come before anything is called unusual."""

NORMAL = 1.4826
"""Median absolute deviations in the standard deviation of a normal distribution: 1 / 0.6745."""


def iqr(values: Floats, *, rows: int = ROWS, reach: float = 1.5) -> Flags:
    """Flag values that lie far outside the middle half of the values before them.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order; missing ones are never flagged, and passed over.
    rows : int
        Values that are looked back at; the value itself is not among them.
    reach : float
        Interquartile ranges beyond the quartiles that are still usual.

    Returns
    -------
    ndarray of bool of shape (n,)
        False for the first `LEAST` values, and where the values before are all but equal: then there is no range.

    References
    ----------
    .. [1] J. W. Tukey, "Exploratory Data Analysis", 1977, chapter 2: the fences.
    """
    return outside(values, *iqr_bounds(_order(values, rows), reach))


def hampel(values: Floats, *, rows: int = ROWS, deviations: float = 3.0) -> Flags:
    """Flag values that lie far from the median of the values before them.

    Median and median deviation hardly move for a few wild values, so several spikes in a row are all flagged. On a
    steady slope it flags late: the median lags behind.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order; missing ones are never flagged, and passed over.
    rows : int
        Values that are looked back at; the value itself is not among them (Hampel's own filter looks ahead as well).
    deviations : float
        Standard deviations, told from the median absolute deviation, that are still usual.

    Returns
    -------
    ndarray of bool of shape (n,)
        False for the first `LEAST` values, and where more than half of the values before are equal.

    References
    ----------
    .. [1] R. K. Pearson et al., "Generalized Hampel Filters", EURASIP J. Adv. Signal Process. 2016,
       doi:10.1186/s13634-016-0383-6
    """
    return outside(values, *hampel_bounds(_order(values, rows), deviations))


def bounds(values: Floats, kinds: Collection[str], *, rows: int = ROWS) -> dict[str, tuple[Floats, Floats]]:
    """Return, for each kind of flag, the lowest and highest value that are usual; NaN where nobody can tell."""
    order = _order(values, rows)
    draw = {"iqr": iqr_bounds, "hampel": hampel_bounds}
    return {kind: draw[kind](order) for kind in kinds}


def iqr_bounds(order: Floats, reach: float = 1.5) -> tuple[Floats, Floats]:
    """Return the lowest and highest usual value from quartiles of shape (4, n); see `iqr`."""
    lower, _, upper, _ = order
    width = np.where(upper > lower, upper - lower, np.nan)
    return lower - reach * width, upper + reach * width


def hampel_bounds(order: Floats, deviations: float = 3.0) -> tuple[Floats, Floats]:
    """Return the lowest and highest usual value from medians and their deviations of shape (4, n); see `hampel`."""
    _, median, _, deviation = order
    width = deviations * NORMAL * np.where(deviation > 0, deviation, np.nan)
    return median - width, median + width


def outside(values: Floats, low: Floats, high: Floats) -> Flags:
    """Say which values lie outside their bounds; what is missing lies nowhere."""
    return np.asarray((values < low) | (values > high), dtype=bool)


def _order(values: Floats, rows: int) -> Floats:
    """Return quartiles and median deviation of the known values before each, of shape (4, n); see `trailing_order`."""
    if rows < LEAST:
        raise ConfigError(f"unusual values are told from at least {LEAST} values before them, got rows={rows}.")
    from wheeltapper.readings.health.trailing import trailing_order

    known = ~np.isnan(values)
    found = np.full((4, len(values)), np.nan)
    found[:, known] = trailing_order(np.ascontiguousarray(values[known], dtype=np.float64), rows, LEAST)
    return found
