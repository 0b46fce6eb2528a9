"""Mean, spread, lowest and highest value over the last hours, for changes that are slower than one window."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator

from wheeltapper.config import AssetType
from wheeltapper.config.values import Duration, format_duration
from wheeltapper.features.columns import Feature, Shows
from wheeltapper.features.sets import FeatureSet, Floats, Places, Reach, Stretch
from wheeltapper.features.sets.rolling import window_extremes, window_moments
from wheeltapper.features.windows import micros_of, only_complete, ticks

Flags = NDArray[np.bool_]

What = Literal["mean", "std", "min", "max"]
_SHOWS: dict[What, Shows] = {"mean": "level", "std": "spread", "min": "statistic", "max": "statistic"}


class LongRolling(FeatureSet):
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
                f"{sensor}__{what}_{span}",
                (sensor,),
                _SHOWS[what],
                over=over,
                words=f"{what}_{span}".replace("_", " "),
            )
            for sensor in asset_type.measured
            for span, over in spans
            for what in self.what
        )

    def reach(self, asset_type: AssetType) -> Reach:  # noqa: ARG002 - the same for every machine
        """Return how far back the longest looks."""
        return Reach(readings=max(self.rows, default=0), time=max(self.over, default=timedelta(0)))

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the statistics over each look back; NaN where the stretch does not go back so far."""
        begins = self._begins(stretch, asset_type.step)
        states = self._states(stretch)
        values = [
            value
            for sensor in asset_type.measured
            for first in begins
            for value in self._of_one(stretch, stretch.sensors[sensor], first, states)
        ]
        return dict(zip(self.names(asset_type), values, strict=True))

    def _begins(self, stretch: Stretch, step: timedelta) -> list[Places]:
        """Return the place of the first reading of each look back; −1 where the stretch does not go back so far."""
        micros = micros_of(stretch.seconds)
        begins = []
        for time in self.over:
            begin = micros[stretch.last] - ticks(time)
            first = np.searchsorted(micros, begin, side="right").astype(np.int64)
            # One step of grace: with readings at 1:00, 2:00, … the six hours up to 6:00 begin with the one at 1:00.
            begins.append(np.where(micros[:1] <= begin + ticks(step), first, -1 if self.whole else 0))
        return begins + [np.maximum(stretch.last - rows + 1, -1 if self.whole else 0) for rows in self.rows]

    def _states(self, stretch: Stretch) -> list[tuple[Flags, Flags]]:
        """Return, for each operating state apart, its readings and the windows that end in it; all, if none counts."""
        if not self.same_regime or stretch.regimes is None:
            return [(np.ones(len(stretch.seconds), dtype=bool), np.ones(len(stretch.last), dtype=bool))]
        codes = pd.factorize(stretch.regimes)[0]
        return [(codes == code, codes[stretch.last] == code) for code in range(codes.max(initial=-1) + 1)]

    def _of_one(
        self, stretch: Stretch, values: Floats, first: Places, states: list[tuple[Flags, Flags]]
    ) -> list[Floats]:
        """Compute one look back of one sensor, state by state."""
        columns = [np.full(len(stretch.last), np.nan) for _ in self.what]
        for counts, ends_in in states:
            of_state = self._over_state(stretch, values, first, counts, ends_in)
            for column, part in zip(columns, of_state, strict=True):
                column[ends_in] = part
        return [only_complete(column, values, stretch.first, stretch.last) for column in columns]

    def _over_state(
        self, stretch: Stretch, values: Floats, first: Places, counts: Flags, ends_in: Flags
    ) -> list[Floats]:
        """Compute one look back of one sensor from those readings that count and have a value."""
        is_there = counts & ~np.isnan(values)
        last, begin_at = stretch.last[ends_in], first[ends_in]
        so_far, expected = (np.concatenate([[0], np.cumsum(which)]) for which in (is_there, counts))
        at = np.maximum(begin_at, 0)
        begin, end = so_far[at], so_far[last + 1]
        enough = (begin_at >= 0) & (end - begin >= self.present * (expected[last + 1] - expected[at])) & (end > begin)
        span = values[is_there], begin[enough], end[enough] - 1
        statistics: dict[str, Floats] = {}
        if {"mean", "std"} & set(self.what):
            statistics["mean"], statistics["std"] = window_moments(*span)
        if {"min", "max"} & set(self.what):
            statistics["min"], statistics["max"] = window_extremes(*span)
        columns = []
        for what in self.what:
            column = np.full(len(last), np.nan)
            column[enough] = statistics[what]
            columns.append(column)
        return columns
