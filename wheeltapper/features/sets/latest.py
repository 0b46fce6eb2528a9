"""The latest value of every sensor, as an operator reads it off the dial."""

from __future__ import annotations

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Stretch
from wheeltapper.features.windows import only_complete


class Latest(FeatureSet):
    """Each sensor's value at the window's last reading, in the sensor's unit: column ``<sensor>``.

    It does not show a sensor that is stuck at a usual value; `rolling` does.
    """

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the sensors."""
        return tuple(Feature(sensor, (sensor,), "latest") for sensor in asset_type.sensors)

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the readings themselves; NaN where the window lacks one."""
        return {
            sensor: only_complete(values[stretch.last], values, stretch.first, stretch.last)
            for sensor in asset_type.sensors
            for values in [stretch.sensors[sensor]]
        }
