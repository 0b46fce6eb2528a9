"""Feature sets: what is computed from one window. One set a file; this page holds what all of them promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wheeltapper.config import AssetType, Model

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stretch:
    """Consecutive readings of one asset without a gap: the only thing that a feature set ever sees."""

    seconds: Floats
    """Time of each reading in seconds since the epoch, shape (n_readings,), strictly increasing."""
    sensors: dict[str, Floats]
    """Sensor → its values in its unit, each of shape (n_readings,); NaN where missing."""
    rows: int
    """Readings in a window."""


class FeatureSet(Model, ABC):
    """One kind of features. Its fields are its options in the plant's YAML."""

    @abstractmethod
    def columns(self, asset_type: AssetType) -> tuple[str, ...]:
        """List the columns that `compute` returns, in order: ``<sensor>`` or ``<sensor>__<what>``."""

    @abstractmethod
    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return one value for every reading: the feature of the window that ends there.

        A value uses its own window only (the last ``stretch.rows`` readings), never a later reading.
        The first ``rows - 1`` values, whose windows are not full, are not used by anyone.
        NaN in a window gives NaN, never a number.
        """
