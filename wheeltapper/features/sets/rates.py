"""How fast every sensor changes, by the time that really passed."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Stretch
from wheeltapper.features.windows import only_complete

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


class Rates(FeatureSet):
    """Change since the previous reading: column ``<sensor>__rate``, in the sensor's unit per minute.

    It is divided by the time that really lies between the two readings: after a pause a slow drift must not look like a
    jump. It doubles the noise of noisy sensors. A slow drift is hidden in that noise; `rolling` shows it.
    """

    per: Literal["second", "minute", "hour"] = Field("minute", description="unit of time that changes are given in")

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the rate of each sensor."""
        return tuple(Feature(f"{sensor}__rate", (sensor,), "rate") for sensor in asset_type.sensors)

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the change between the window's last two readings."""
        passed = np.diff(stretch.seconds) / _SECONDS[self.per]
        features = {}
        for sensor in asset_type.sensors:
            values = stretch.sensors[sensor]
            rate = np.concatenate([[np.nan], np.diff(values) / passed])
            features[f"{sensor}__rate"] = only_complete(rate[stretch.last], values, stretch.first, stretch.last)
        return features
