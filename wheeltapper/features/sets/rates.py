"""How fast every sensor changes, by the time that really passed."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import CompiledSet, Fill, places_of

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


class Rates(CompiledSet):
    """Change since the previous reading: column ``<sensor>__rate``, in the sensor's unit per minute.

    It is divided by the time that really lies between the two readings: after a pause a slow drift must not look like a
    jump. It doubles the noise of noisy sensors. A slow drift is hidden in that noise; `rolling` shows it.
    """

    per: Literal["second", "minute", "hour"] = Field("minute", description="unit of time that changes are given in")

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the rate of each sensor."""
        return tuple(Feature(f"{sensor}__rate", (sensor,), "rate") for sensor in asset_type.sensors)

    def compiled(self, asset_type: AssetType) -> Fill:
        """Return the change between the window's last two readings."""
        from wheeltapper.features.sets import _fills  # numba opens slowly

        return partial(_fills.rates, places_of(asset_type.sensors, asset_type), _SECONDS[self.per])
