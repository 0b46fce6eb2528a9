"""Columns of restlessness: what they are called, and what their values mean.

Kept apart from the feature set that computes them, for those who read them: detectors, explanations, diagnoses.
"""

from __future__ import annotations

import re
from collections.abc import Collection

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


def quickest(sensor: str, columns: Collection[str]) -> str | None:
    """Return the column over the fewest readings that says how restless a sensor is; None if there is none."""
    found = {name: rows_of(name) for name in columns if name.startswith(f"{sensor}__restless_")}
    known = {name: rows for name, rows in found.items() if rows is not None}
    return min(known, key=lambda name: known[name], default=None)


def from_mean_square(mean_square: Floats) -> Floats:
    """Return restlessness from the mean square of the changes between two readings, in the unit's fourth root."""
    return np.asarray(np.sqrt(np.sqrt(np.sqrt(mean_square))))


def as_spread(restlessness: Floats) -> Floats:
    """Return the standard deviation of independent readings that change as much, in the sensor's unit.

    The difference of two of them spreads √2 times as far as each.
    """
    return np.asarray(restlessness**4 / np.sqrt(2.0))
