"""Times for data without any: each reading is taken to come one step after the one before it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from wheeltapper.config import Plant


class Clock:
    """Makes times for data without any: each asset starts at ``first`` and goes on at the asset type's step."""

    def __init__(self, first: datetime, plant: Plant) -> None:
        self._first = pd.Timestamp(first).as_unit("us")
        self._step = plant.asset_type.step
        self._counts: dict[str, int] = {}

    def times(self, asset_id: pd.Series[str]) -> pd.Series[Any]:
        """Return the next time of each row's asset; NaT where the row names no asset."""
        names = asset_id.unique()
        before = asset_id.map({name: self._counts.get(name, 0) for name in names}).astype("float64")
        place = before + asset_id.groupby(asset_id, dropna=False).cumcount()
        for name, count in asset_id.value_counts().items():
            self._counts[str(name)] = self._counts.get(str(name), 0) + int(count)
        steps = (place.fillna(0) * (self._step.total_seconds() * 1e6)).round().astype("int64")
        times = self._first + pd.Series(steps.to_numpy().astype("timedelta64[us]"))
        times.index = asset_id.index
        return times.dt.tz_convert("UTC").astype("datetime64[us, UTC]").where(asset_id.notna())
