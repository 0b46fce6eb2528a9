"""Time of day and day of the week, as positions on a circle: 23 o'clock is next to midnight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Stretch
from wheeltapper.features.windows import micros_of

COLUMNS = tuple(f"calendar__{name}" for name in ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "is_night"))
_HOUR, _DAY = 3_600_000_000, 86_400_000_000
_QUARTER = 900_000_000
"""Clocks change at full quarters of an hour of UTC."""


class Calendar(FeatureSet):
    """Columns ``calendar__hour_sin``, ``hour_cos``, ``weekday_sin``, ``weekday_cos`` (−1 to 1) and ``is_night`` (0, 1).

    They are taken at the reading that ends the window, on the site's wall clock. The hour moves on from minute to
    minute; the weekday jumps at midnight, from Sunday to Monday too. They belong to no sensor: they are not scaled, and
    no explanation names them. They let a detector learn at which time something is usual. They do not help where the
    plant's day has no pattern. With few weeks of training a detector learns that a Tuesday is unusual, because training
    has only four.
    """

    zone: str = Field("UTC", description="time zone of the site's clock, such as Europe/Berlin")
    night: tuple[int, int] = Field((20, 6), description="hours at which the night begins and ends, 0 to 24")

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            return ZoneInfo(zone).key
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no time zone '{zone}'; write it like Europe/Berlin or UTC") from error

    @field_validator("night")
    @classmethod
    def _is_on_the_clock(cls, night: tuple[int, int]) -> tuple[int, int]:
        if not all(0 <= hour <= 24 for hour in night):
            raise ValueError(f"night is from one hour to another, each 0 to 24, such as [20, 6]; got {list(night)}")
        return night

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the positions.

        Raises
        ------
        ConfigError
            If a sensor is called calendar: its columns would look like these.
        """
        if "calendar" in asset_type.sensors:
            raise ConfigError(
                "feature set calendar cannot serve a machine with a sensor 'calendar'; rename the sensor."
            )
        return tuple(Feature(name, (), "phase") for name in COLUMNS)

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:  # noqa: ARG002 - needs no sensor
        """Return where on the clock and in the week each window ends."""
        local = _local(micros_of(stretch.seconds[stretch.last]), ZoneInfo(self.zone))
        hour = local % _DAY / _HOUR
        weekday = (local // _DAY + 3) % 7  # 1970-01-01 was a Thursday
        begins, ends = self.night
        is_night = (hour >= begins) & (hour < ends) if begins <= ends else (hour >= begins) | (hour < ends)
        values = (*_on_circle(hour / 24), *_on_circle(weekday / 7), is_night.astype(np.float64))
        return dict(zip(COLUMNS, values, strict=True))


def _on_circle(turn: Floats) -> tuple[Floats, Floats]:
    return np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)


def _local(micros: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Return what the wall clock shows, in microseconds; each quarter of an hour is looked up once."""
    quarters, place = np.unique(micros // _QUARTER, return_inverse=True)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    offsets = [
        (epoch + timedelta(microseconds=int(quarter) * _QUARTER)).astimezone(zone).utcoffset() for quarter in quarters
    ]
    shift = np.array([(offset or timedelta(0)) // timedelta(microseconds=1) for offset in offsets], dtype=np.int64)
    return np.asarray(micros + shift[place], dtype=np.int64)
