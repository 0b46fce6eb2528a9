"""A weighted mean: the latest readings of the window count most."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Stretch
from wheeltapper.features.windows import only_complete


class Ewm(FeatureSet):
    """Column ``<sensor>__ewm``: the exponentially weighted mean of the window, in the sensor's unit.

    The k-th reading before the last has the weight ``(1 − α)^k`` with ``α = 2 / (span + 1)``. It ends at the window's
    first reading: a mean over all earlier readings would depend on where reading began. Weights count readings, not
    time. A window much shorter than the span gives nearly the mean that `rolling` has.
    """

    span: float = Field(5, ge=1, description="readings that matter: the last span ones have about 87 % of the weight")

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the weighted mean of each sensor."""
        return tuple(Feature(f"{sensor}__ewm", (sensor,), "statistic", words="ewm") for sensor in asset_type.sensors)

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the weighted mean of each window."""
        features = {}
        for sensor in asset_type.sensors:
            values = stretch.sensors[sensor]
            mean = self._weighted(values, stretch)
            features[f"{sensor}__ewm"] = only_complete(mean, values, stretch.first, stretch.last)
        return features

    def _weighted(self, values: Floats, stretch: Stretch) -> Floats:
        """Add up the readings of each window, the last one first, until weights no longer count."""
        keep = 1 - 2 / (self.span + 1)
        lengths = stretch.last - stretch.first + 1
        total, weights, weight = np.zeros(len(lengths)), np.zeros(len(lengths)), 1.0
        for back in range(int(lengths.max(initial=0))):
            has = lengths > back
            total[has] += weight * values[stretch.last[has] - back]
            weights[has] += weight
            weight *= keep
            if weight < np.finfo(np.float64).eps:
                break
        return total / weights
