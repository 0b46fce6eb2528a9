"""Mean, spread, lowest and highest value over the last hours, for changes that are slower than one window."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from wheeltapper.config import AssetType
from wheeltapper.config.values import Duration, format_duration
from wheeltapper.features.columns import Feature, Shows
from wheeltapper.features.sets import CompiledSet, Fill, Reach, places_of
from wheeltapper.features.windows import ticks

What = Literal["mean", "std", "min", "max"]
_SHOWS: dict[What, Shows] = {"mean": "level", "std": "spread", "min": "statistic", "max": "statistic"}


class LongRolling(CompiledSet):
    """Columns ``<sensor>__mean_6h``, ``__std_6h``, ``__min_6h``, ``__max_6h`` for each time, in the sensor's unit.

    A look back of six hours holds the readings of ``(end − 6h, end]``, so it never sees a later one, and has no value
    where the readings do not go back so far without a gap: a window may then not be used, and says so. A day is named
    ``1d``, ten readings ``10_rows``. Readings before the window may be missing; ``present`` says how many must not be.

    After a gap, or at the very beginning, ``whole: false`` looks as far back as there are readings, so that no window
    is lost; such a mean is more restless than others.

    With ``same_regime`` only readings in the state of the window's last one count: after a start-up a mean over an hour
    is one of normal running only, at first of few readings. Without it a mean mixes states for as long as it looks
    back, and each change of state looks like a fault.

    It does not show changes that are much shorter than its time: `rolling` does. Hours after a fault its mean still
    contains the fault.
    """

    later: ClassVar[dict[str, Any]] = {"same_regime": False}

    over: tuple[Duration, ...] = Field(
        (timedelta(hours=6), timedelta(hours=12), timedelta(hours=24)), description="how far back, as times"
    )
    rows: tuple[int, ...] = Field((), description="how far back, in readings; the window's last one is counted")
    what: tuple[What, ...] = Field(("mean", "std", "min", "max"), min_length=1, description="statistics to compute")
    whole: bool = Field(
        True, description="no value where readings do not go back so far; false: look as far back as they go"
    )
    same_regime: bool = Field(False, description="count only readings in the operating state that the window ends in")
    present: float = Field(
        0.5, gt=0, le=1, description="share of the readings looked at that must have a value; the window's must all"
    )

    @field_validator("over")
    @classmethod
    def _looks_back(cls, over: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        for time in over:
            if time <= timedelta(0):
                raise ValueError(f"a look back must be longer than nothing, got {format_duration(time)}")
        return over

    @field_validator("rows")
    @classmethod
    def _has_rows(cls, rows: tuple[int, ...]) -> tuple[int, ...]:
        for count in rows:
            if count < 1:
                raise ValueError(f"a look back needs at least 1 reading, got {count}")
        return rows

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the statistics of each sensor, look back by look back."""
        spans = [(format_duration(time), time) for time in self.over] + [(f"{rows}_rows", rows) for rows in self.rows]
        return tuple(
            Feature(
                f"{sensor}__{statistic}_{span}",
                (sensor,),
                _SHOWS[statistic],
                over=over,
                words=f"{statistic}_{span}".replace("_", " "),
            )
            for sensor in asset_type.measured
            for span, over in spans
            for statistic in self.what
        )

    def reach(self, asset_type: AssetType) -> Reach:  # noqa: ARG002 - the same for every machine
        """Return how far back the longest looks."""
        return Reach(readings=max(self.rows, default=0), time=max(self.over, default=timedelta(0)))

    def compiled(self, asset_type: AssetType) -> Fill:
        """Return the statistics over each look back; NaN where the stretch does not go back so far."""
        from wheeltapper.features.sets import _fills  # numba opens slowly

        numbers = {"mean": _fills.MEAN, "std": _fills.STD, "min": _fills.MIN, "max": _fills.MAX}
        return partial(
            _fills.over_spans,
            places_of(asset_type.measured, asset_type),
            np.array(self.rows, dtype=np.int64),
            np.array([ticks(time) for time in self.over], dtype=np.int64),
            ticks(asset_type.step),
            self.whole,
            self.same_regime,
            self.present,
            np.array([numbers[statistic] for statistic in self.what], dtype=np.int64),
        )
