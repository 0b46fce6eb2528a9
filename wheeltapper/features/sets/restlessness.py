"""How restless every sensor is: how much it changes from one reading to the next, whatever its level."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator

from wheeltapper.config import AssetType
from wheeltapper.features import restless
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Places, Reach, Stretch
from wheeltapper.features.sets.rolling import window_moments
from wheeltapper.features.windows import only_complete

Flags = NDArray[np.bool_]

_FAR = 1e70
"""Changes beyond this count as this: their fourth powers are still numbers."""


class Restlessness(FeatureSet):
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

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the restlessness over each look back; after a beginning or a gap, over as many readings as there are.

        A window lacks a value where its sensor does.
        """
        preferred = list(_preferred(stretch))
        features = {}
        for sensor in asset_type.measured:
            values = stretch.sensors[sensor]
            squares = np.clip(np.diff(values, prepend=np.nan), -_FAR, _FAR) ** 2
            for rows in self.rows:
                # The change into the first reading of the look back happened before it.
                first = np.maximum(stretch.last - rows + 2, 1)
                mean_square = _mean_square(squares, first, stretch.last, preferred)
                restlessness = restless.from_mean_square(mean_square)
                features[_name(sensor, rows)] = only_complete(restlessness, values, stretch.first, stretch.last)
        return features


def _name(sensor: str, rows: int) -> str:
    return f"{sensor}__restless_{rows}_rows"


def _preferred(stretch: Stretch) -> Iterator[tuple[Flags, Flags]]:
    """Yield which changes count for which windows, best first: those of its state, of any one state, all."""
    every, all_windows = np.ones(len(stretch.seconds), dtype=bool), np.ones(len(stretch.last), dtype=bool)
    if stretch.regimes is not None:
        codes = pd.factorize(stretch.regimes)[0]
        within = np.concatenate([[False], codes[1:] == codes[:-1]])[: len(codes)]
        for code in range(codes.max(initial=-1) + 1):
            yield within & (codes == code), codes[stretch.last] == code
        yield within, all_windows
    yield every, all_windows


def _mean_square(squares: Floats, first: Places, last: Places, preferred: list[tuple[Flags, Flags]]) -> Floats:
    """Return each window's mean square of the changes that count, by the first preference that it has some of."""
    mean_square = np.full(len(last), np.nan)
    has_value = ~np.isnan(squares)
    for counts, windows in preferred:
        open_ = np.flatnonzero(windows & np.isnan(mean_square))
        if not len(open_):
            continue
        counted = has_value & counts
        so_far = np.concatenate([[0], np.cumsum(counted)])
        begin, end = so_far[first[open_]], so_far[last[open_] + 1]
        has = end > begin
        mean_square[open_[has]] = window_moments(squares[counted], begin[has], end[has] - 1)[0]
    return mean_square
