"""Columns of restlessness: what they are called, and what their values mean.

Kept apart from the feature set that computes them, for those who read them: detectors, explanations, diagnoses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_COLUMN = re.compile(r"(?P<sensor>.+)__restless_(?P<rows>\d+)_rows")


def column(sensor: str, rows: int) -> str:
    """Name the restlessness of a sensor over so many readings."""
    return f"{sensor}__restless_{rows}_rows"


def rows_of(name: str) -> int | None:
    """Return over how many readings a column says how restless its sensor is; None if it says something else."""
    found = _COLUMN.fullmatch(name)
    return None if found is None else int(found["rows"])


def sensor_of(name: str) -> str | None:
    """Return the sensor whose restlessness a column holds; None if it holds something else."""
    found = _COLUMN.fullmatch(name)
    return None if found is None else found["sensor"]


def of_sensor(sensor: str, columns: Iterable[str]) -> list[str]:
    """List the columns that say how restless a sensor is, those over the fewest readings first."""
    return sorted((name for name in columns if sensor_of(name) == sensor), key=lambda name: rows_of(name) or 0)


def from_mean_square(mean_square: Floats) -> Floats:
    """Return restlessness from the mean square of the changes between two readings, in the unit's fourth root."""
    return np.asarray(np.sqrt(np.sqrt(np.sqrt(mean_square))))


def as_spread(restlessness: Floats) -> Floats:
    """Return the standard deviation of independent readings that change as much, in the sensor's unit.

    The difference of two of them spreads √2 times as far as each.
    """
    return np.asarray(restlessness**4 / np.sqrt(2.0))
