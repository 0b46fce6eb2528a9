"""Envelope: a long series thinned to few points, without losing a spike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POINTS = 900
"""Slices of time in a figure of full width: about one for each dot of a printed line."""


def envelope(seconds: Floats, values: Floats, slices: int = POINTS) -> tuple[Floats, Floats]:
    """Return the lowest and the highest point of every slice of time, which look like the whole line.

    Parameters
    ----------
    seconds : ndarray of shape (n,)
        Times in seconds, not decreasing.
    values : ndarray of shape (n,)
        Values of any unit; those that are not finite are left out.
    slices : int
        How many slices the whole span is cut into.

    Returns
    -------
    seconds, values : ndarrays of shape (m,), m ≤ 3 · slices
        Points of the series, in order of time. A NaN marks a pause, at which the line is interrupted: longer than three
        usual steps, and long enough to be visible.
    """
    is_finite = np.isfinite(values)
    seconds, values = seconds[is_finite], values[is_finite]
    if len(seconds) < 2:
        return seconds, values
    width = (seconds[-1] - seconds[0]) / slices
    steps = np.diff(seconds)
    is_pause = steps > max(3 * float(np.median(steps)), 1.5 * width)
    if len(seconds) > 2 * slices:
        stretch = np.concatenate([[0], np.cumsum(is_pause)])
        places = _extremes(((seconds - seconds[0]) / width).astype(np.int64), stretch, values)
        is_pause = np.diff(stretch[places]) > 0
        seconds, values = seconds[places], values[places]
    return _interrupted(seconds, values, is_pause)


def _extremes(piece: NDArray[np.int64], stretch: NDArray[np.int64], values: Floats) -> NDArray[np.int64]:
    """Return the places of the lowest and the highest value of every slice of every stretch, in order."""
    group = (
        piece + stretch
    )  # neither ever decreases, so a group is a run of consecutive rows of one slice and one stretch
    order = np.lexsort((values, group))
    edge = np.flatnonzero(np.diff(group[order])) + 1
    first, last = np.concatenate([[0], edge]), np.concatenate([edge, [len(order)]]) - 1
    return np.unique(np.concatenate([order[first], order[last]]))


def _interrupted(seconds: Floats, values: Floats, is_pause: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Insert a NaN into the middle of every pause."""
    places = np.flatnonzero(is_pause) + 1
    middle = (seconds[places - 1] + seconds[places]) / 2
    return np.insert(seconds, places, middle), np.insert(values, places, np.nan)
