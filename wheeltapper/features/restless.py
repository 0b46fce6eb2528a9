"""Restlessness: how much a sensor changes from one reading to the next, and what its values mean.

The feature set `restlessness` computes it; the normaliser and the diagnosis need its unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def from_mean_square(mean_square: Floats) -> Floats:
    """Return restlessness from the mean square of the changes between two readings, in the unit's fourth root."""
    return np.asarray(np.sqrt(np.sqrt(np.sqrt(mean_square))))


def as_spread(restlessness: Floats) -> Floats:
    """Return the standard deviation of independent readings that change as much, in the sensor's unit.

    The difference of two of them spreads √2 times as far as each.
    """
    return np.asarray(restlessness**4 / np.sqrt(2.0))
