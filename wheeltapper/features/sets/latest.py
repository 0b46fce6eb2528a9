"""The latest value of every sensor, as an operator reads it off the dial."""

from __future__ import annotations

from functools import partial

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import CompiledSet, Fill, places_of


class Latest(CompiledSet):
    """Each sensor's value at the window's last reading, in the sensor's unit: column ``<sensor>``.

    It does not show a sensor that is stuck at a usual value; `rolling` does.
    """

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the sensors."""
        return tuple(Feature(sensor, (sensor,), "latest") for sensor in asset_type.sensors)

    def compiled(self, asset_type: AssetType) -> Fill:
        """Return the readings themselves; NaN where the window lacks one."""
        from wheeltapper.features.sets import _fills  # numba opens slowly

        return partial(_fills.latest, places_of(asset_type.sensors, asset_type))
