"""How restless every sensor is: how much it changes from one reading to the next, whatever its level."""

from __future__ import annotations

from functools import partial

import numpy as np
from pydantic import Field, field_validator

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import CompiledSet, Fill, Reach, places_of


class Restlessness(CompiledSet):
    """Columns ``<sensor>__restless_10_rows``: the fourth root of the root mean square change between two readings.

    Changes are those within the last ten readings, in the operating state that the window ends in; at first, after a
    start-up, those within the state before it. A slow move of the level counts for little and a jump for one change of
    many, so it shows what `long_rolling` does not: a stuck sensor has 0 and a noisy one a high value, while both have
    their usual mean.

    The root (in the fourth root of the sensor's unit) makes twice as restless about as far from usual as half as
    restless; on the changes themselves a few lively hours in training would hide every quiet fault. It is no logarithm,
    because a sensor that stands still must have a value, too.

    Readings that come irregularly change more after a longer pause, and look more restless.
    """

    rows: tuple[int, ...] = Field((10, 60), min_length=1, description="how far back, in readings; the last one counts")

    @field_validator("rows")
    @classmethod
    def _holds_a_change(cls, rows: tuple[int, ...]) -> tuple[int, ...]:
        for count in rows:
            if count < 2:
                raise ValueError(f"a change takes at least 2 readings, got {count}")
        return rows

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List each look back of each sensor."""
        return tuple(
            Feature(_name(sensor, rows), (sensor,), "restlessness", over=rows)
            for sensor in asset_type.measured
            for rows in self.rows
        )

    def reach(self, asset_type: AssetType) -> Reach:  # noqa: ARG002 - the same for every machine
        """Return how far back the longest looks."""
        return Reach(readings=max(self.rows))

    def compiled(self, asset_type: AssetType) -> Fill:
        """Return the restlessness over each look back; after a beginning or a gap, over as many readings as there are.

        A window lacks a value where its sensor does.
        """
        from wheeltapper.features.sets import _fills  # numba opens slowly

        return partial(_fills.restless, places_of(asset_type.measured, asset_type), np.array(self.rows, dtype=np.int64))


def _name(sensor: str, rows: int) -> str:
    return f"{sensor}__restless_{rows}_rows"
