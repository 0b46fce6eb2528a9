"""The last readings themselves, in order: for detectors that judge how a sensor moves, and not only its level."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Reach, Stretch
from wheeltapper.features.windows import only_complete


class Sequence(FeatureSet):
    """Columns ``<sensor>__at_0`` to ``<sensor>__at_<rows − 1>``: the last readings, the latest one at the end.

    All in the sensor's unit. With ``every: 5`` each fifth reading is taken, counted back from the latest: the same
    number of columns looks back five times as far, without the readings in between. A window has no value, and may
    then not be used, where the readings do not go back so far without a gap.

    The detectors `lstm_autoencoder`, `conv_autoencoder`, `matrix_profile` and `forecast_residual` use these columns and
    no others. There are many of them: sensors times ``rows``.
    """

    rows: int = Field(16, ge=4, le=1000, description="readings in a sequence")
    every: int = Field(1, ge=1, le=10_000, description="readings from one of them to the next")

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the readings of each sensor, the oldest one first."""
        return tuple(
            Feature(f"{sensor}__at_{place}", (sensor,), "sequence", place=place, words=f"at {place}")
            for sensor in asset_type.measured
            for place in range(self.rows)
        )

    def reach(self, asset_type: AssetType) -> Reach:  # noqa: ARG002 - the same for every machine
        """Return how far back the oldest reading lies."""
        return Reach(readings=self.every * (self.rows - 1) + 1)

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the readings; NaN where the stretch does not go back so far."""
        back = self.every * np.arange(self.rows - 1, -1, -1)
        places = [np.maximum(stretch.last - count, -1) for count in back]
        columns: list[Floats] = []
        for sensor in asset_type.measured:
            values = stretch.sensors[sensor]
            complete = only_complete(np.zeros(len(stretch.last)), values, stretch.first, stretch.last)
            columns += [np.where(place >= 0, values[place], np.nan) + complete for place in places]
        return dict(zip(self.names(asset_type), columns, strict=True))
