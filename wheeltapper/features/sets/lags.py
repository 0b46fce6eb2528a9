"""Earlier values of every sensor, and how far it has moved since then."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from pydantic import Field, field_validator

from wheeltapper.config import AssetType
from wheeltapper.config.values import Duration, format_duration
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Places, Reach, Stretch
from wheeltapper.features.windows import micros_of, only_complete, ticks


class Lags(FeatureSet):
    """Columns ``<sensor>__lag_3`` and ``<sensor>__change_3``: the value three readings ago, and the change since then.

    With ``times`` it is the last reading that is at least so old: ``<sensor>__lag_1h``. Both in the sensor's unit. A
    window has no value, and may then not be used, where the readings do not go back so far without a gap; nothing is
    filled in from later on. One reading decides: noise counts twice in a change, and `long_rolling` is calmer.
    """

    rows: tuple[int, ...] = Field((1, 3, 6, 12), description="how many readings back")
    times: tuple[Duration, ...] = Field((), description="how long back")

    @field_validator("rows", "times")
    @classmethod
    def _looks_back(cls, lags: tuple[int, ...] | tuple[timedelta, ...]) -> tuple[int, ...] | tuple[timedelta, ...]:
        for lag in lags:
            if (lag <= timedelta(0)) if isinstance(lag, timedelta) else (lag < 1):
                raise ValueError(f"a lag must be at least one reading, or longer than nothing; got {lag}")
        return lags

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List value and change, lag by lag, of each sensor."""
        return tuple(
            Feature(f"{sensor}__{figure}_{lag}", (sensor,), "statistic", over=over, words=f"{figure} {lag}")
            for sensor in asset_type.measured
            for lag, over in self._lags()
            for figure in ("lag", "change")
        )

    def reach(self, asset_type: AssetType) -> Reach:  # noqa: ARG002 - the same for every machine
        """Return how far back the longest lag looks."""
        return Reach(readings=max(self.rows, default=-1) + 1, time=max(self.times, default=timedelta(0)))

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the earlier values and the changes; NaN where the stretch does not go back so far."""
        places = self._places(stretch)
        columns: list[Floats] = []
        for sensor in asset_type.measured:
            values = stretch.sensors[sensor]
            latest = only_complete(values[stretch.last], values, stretch.first, stretch.last)
            for place in places:
                earlier = np.where((place >= 0) & ~np.isnan(latest), values[place], np.nan)
                columns += [earlier, latest - earlier]
        return dict(zip(self.names(asset_type), columns, strict=True))

    def _lags(self) -> list[tuple[str, int | timedelta]]:
        """Return what each lag is called in a column's name, and how long it is."""
        return [(str(rows), rows) for rows in self.rows] + [(format_duration(time), time) for time in self.times]

    def _places(self, stretch: Stretch) -> list[Places]:
        """Return where each lag's reading is; negative where the stretch has none."""
        micros = micros_of(stretch.seconds)
        in_time = [np.searchsorted(micros, micros[stretch.last] - ticks(time), side="right") - 1 for time in self.times]
        return [np.maximum(stretch.last - rows, -1) for rows in self.rows] + in_time
