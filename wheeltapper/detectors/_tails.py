"""How rarely a value this far out was seen: empirical tails, continued beyond the farthest value seen."""

from __future__ import annotations

import numpy as np

from wheeltapper.detectors import Floats

LEVELS = 1000
"""Values that are kept of each column: chances down to one in a thousand are counted, rarer ones extrapolated."""
_TAIL = 0.05  # share of values whose mean excess says how fast the tail falls


def spread_out(values: Floats, levels: int = LEVELS) -> Floats:
    """Return each column's values in rising order, thinned evenly where there are many.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)

    Returns
    -------
    ndarray of shape (at most ``levels``, n_columns)
        Smallest and largest value of each column are always among them.
    """
    ordered = np.sort(values, axis=0)
    if len(ordered) <= levels:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, levels).round().astype(np.int64)]


def mean_excess(ordered: Floats, least: float) -> Floats:
    """Return how far the highest 5 % of each column reach above the rest on average, at least ``least``.

    Beyond the largest value seen the tail is taken to be exponential, with this as its scale: the tail that a
    generalised Pareto distribution with shape 0 has.
    """
    start = min(int(np.ceil((1 - _TAIL) * len(ordered))), len(ordered) - 1)
    excess: Floats = (ordered[start:] - ordered[start - 1]).mean(axis=0)
    return np.maximum(excess, least)


def rarity(values: Floats, ordered: Floats, scale: Floats, rounding: float = 0.0) -> Floats:
    """Return −ln of the chance of a value at least this high: 0 is usual, and it never stops rising.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    ordered : ndarray of shape (n_levels, n_columns)
        From `spread_out`.
    scale : ndarray of shape (n_columns,)
        From `mean_excess`.
    rounding : float
        Share by which a value may lie above a level and still count as equal to it.

    Returns
    -------
    ndarray of shape (n_rows, n_columns), in nats, not negative
    """
    from wheeltapper.detectors._counting import counts_below

    highest = ordered[-1]
    lowered = values - rounding * np.abs(values) if rounding else values
    at_least = len(ordered) - counts_below(np.minimum(lowered, highest), ordered)
    rare: Floats = np.log((len(ordered) + 1) / (at_least + 1)) + np.maximum(values - highest, 0.0) / scale
    return rare
