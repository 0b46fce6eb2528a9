"""Square, root and logarithm of every sensor's latest value: for detectors that only know straight lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Stretch
from wheeltapper.features.windows import only_complete

What = Literal["square", "sqrt_abs", "log1p_abs"]
_CURVES: dict[str, Callable[[Floats], Floats]] = {
    "square": np.square,
    "sqrt_abs": lambda values: np.sqrt(np.abs(values)),
    "log1p_abs": lambda values: np.log1p(np.abs(values)),
}


class Elementwise(FeatureSet):
    """Columns ``<sensor>__square`` (x²), ``<sensor>__sqrt_abs`` (√|x|) and ``<sensor>__log1p_abs`` (ln(1 + |x|)).

    They are computed from the reading that ends the window; a power grows with the square of a current. Root and
    logarithm depend on the sensor's unit. They add no information to the value: forests and nearest neighbours have
    little use for them, linear models (`pca_residual`) sometimes have.
    """

    what: tuple[What, ...] = Field(("square", "sqrt_abs", "log1p_abs"), min_length=1, description="which curves")

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the curves of each sensor."""
        return tuple(
            Feature(f"{sensor}__{curve}", (sensor,), "statistic", words=curve.replace("_", " "))
            for sensor in asset_type.measured
            for curve in self.what
        )

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the latest value on each curve."""
        features = {}
        for sensor in asset_type.measured:
            values = stretch.sensors[sensor]
            latest = only_complete(values[stretch.last], values, stretch.first, stretch.last)
            for curve in self.what:
                features[f"{sensor}__{curve}"] = _CURVES[curve](latest)
        return features
