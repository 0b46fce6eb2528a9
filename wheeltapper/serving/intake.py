"""Intake: a live reading is checked at the door as a delivery is checked before it is stored, and put into arrays.

What passes here is stored as it is: `wheeltapper.serving.fold` sends it through the ordinary delivery, whose promises
are the same. A reading that breaks one is refused with its reason, and whoever sent it knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pandas as pd

from wheeltapper.config import Plant
from wheeltapper.errors import RefusedReadingError
from wheeltapper.features.tracks import Arrivals
from wheeltapper.readings import clean
from wheeltapper.sources import Batch
from wheeltapper.sources.live.reading import LiveReading
from wheeltapper.tables import microseconds

AHEAD = timedelta(minutes=5)
"""How far a reading may lie in the future: clocks differ, and a reading of tomorrow would make today's late."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_YEARS = (1900, 2200)


@dataclass(frozen=True)
class Accepted:
    """A reading that may be stored."""

    asset_id: str
    micros: int
    """Time in microseconds since the epoch."""
    regime: str
    values: tuple[float, ...]
    """In the order of the asset type's sensors and in its units; NaN where there is none."""


class Intake:
    """Checks the live readings of a plant.

    Parameters
    ----------
    plant : Plant
    """

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        asset_type = plant.asset_type
        self._limits = {name: _limits(sensor.low, sensor.high) for name, sensor in asset_type.sensors.items()}
        self._units = {name: sensor.unit for name, sensor in asset_type.sensors.items()}
        self._delivered = frozenset(asset_type.delivered)
        self._is_plain = not (plant.cleaning.units or asset_type.categories or plant.cleaning.regimes)

    def accept(self, readings: Sequence[LiveReading], now: datetime) -> list[Accepted]:
        """Check readings that came together.

        Parameters
        ----------
        readings : sequence of LiveReading
        now : datetime with a time zone
            When they came.

        Raises
        ------
        RefusedReadingError
            At the first that breaks a promise.
        """
        for place, reading in enumerate(readings):
            self._require_form(place, reading, now)
        accepted = self._as_they_are(readings) if self._is_plain else self._cleaned(readings)
        for place, checked in enumerate(accepted):
            self._require_within_limits(place, checked)
        return accepted

    def _require_form(self, place: int, reading: LiveReading, now: datetime) -> None:
        """Require an asset, a time that can be, and a value of at least one known sensor."""
        if not reading.asset_id.strip():
            raise RefusedReadingError(place, "asset_id", "the reading names no asset")
        if reading.time.tzinfo is None:
            raise RefusedReadingError(
                place, "timestamp", f"timestamp {reading.time.isoformat()} names no time zone, such as Z or +01:00"
            )
        if reading.time > now + AHEAD or not _YEARS[0] < reading.time.year < _YEARS[1]:
            raise RefusedReadingError(
                place,
                "timestamp",
                f"timestamp {reading.time.isoformat()} cannot be: here it is {now.isoformat()}, and a reading may lie "
                f"at most {AHEAD // timedelta(minutes=1)} min ahead of that. Set the clock that it comes from.",
            )
        strange = [name for name in (*reading.values, *reading.missing) if name not in self._delivered]
        if strange:
            raise RefusedReadingError(
                place,
                strange[0],
                f"there is no sensor {strange[0]}; the plant has {', '.join(sorted(self._delivered))}",
            )
        if not reading.values:
            raise RefusedReadingError(place, "", "no sensor has a value")

    def _as_they_are(self, readings: Sequence[LiveReading]) -> list[Accepted]:
        """Take readings whose values need no conversion."""
        accepted = []
        for place, reading in enumerate(readings):
            values = tuple(self._number(place, name, reading.values.get(name, math.nan)) for name in self._limits)
            if all(map(math.isnan, values)):
                raise RefusedReadingError(place, "", "no sensor has a value")
            regime = "normal" if reading.regime is None else reading.regime
            if regime not in self._plant.asset_type.regimes:
                listed = ", ".join(self._plant.asset_type.regimes)
                raise RefusedReadingError(place, "regime", f"regime '{regime}' is none of {listed}")
            accepted.append(Accepted(reading.asset_id.strip(), micros_of(reading.time), regime, values))
        return accepted

    @staticmethod
    def _number(place: int, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RefusedReadingError(place, name, f"{name}: {value!r} is not a number")
        if math.isinf(value):
            raise RefusedReadingError(place, name, f"{name}: {value} is not finite")
        return float(value)

    def _cleaned(self, readings: Sequence[LiveReading]) -> list[Accepted]:
        """Convert units and categories, and infer operating states, as a delivery does."""
        parsed = clean.parse(Batch("live", as_delivered(readings, self._plant)), self._plant)
        if len(parsed.rejected):
            first = parsed.rejected.iloc[0]
            raise RefusedReadingError(int(first["row"]), "", str(first["reason"]))
        rows = parsed.rows
        values = rows[list(self._limits)].to_numpy(np.float64)
        return [
            Accepted(str(asset), int(micros), str(regime), tuple(row))
            for asset, micros, regime, row in zip(
                rows["asset_id"], microseconds(rows["timestamp"]), rows["regime"], values.tolist(), strict=True
            )
        ]

    def _require_within_limits(self, place: int, reading: Accepted) -> None:
        for (name, (low, high)), value in zip(self._limits.items(), reading.values, strict=True):
            if value < low or value > high:
                raise RefusedReadingError(
                    place, name, f"{name} is {value:g} {self._units[name]}, and can only lie from {low:g} to {high:g}"
                )

    def arrivals(self, accepted: Sequence[Accepted]) -> dict[str, Arrivals]:
        """Return readings as arrays, for each asset in the order of their arrival."""
        by_asset: dict[str, list[Accepted]] = {}
        for reading in accepted:
            by_asset.setdefault(reading.asset_id, []).append(reading)
        return {asset: self._arrivals(of_asset) for asset, of_asset in by_asset.items()}

    def _arrivals(self, readings: list[Accepted]) -> Arrivals:
        table = np.array([reading.values for reading in readings], dtype=np.float64)
        return Arrivals(
            np.array([reading.micros for reading in readings], dtype=np.int64),
            {name: np.ascontiguousarray(table[:, place]) for place, name in enumerate(self._limits)},
            np.array([reading.regime for reading in readings], dtype=object),
        )


def as_delivered(readings: Sequence[LiveReading], plant: Plant) -> pd.DataFrame:
    """Return live readings as the rows of a source's batch, in the order of their arrival."""
    rows: dict[str, Any] = {
        "asset_id": pd.Series([reading.asset_id for reading in readings], dtype="str"),
        "timestamp": pd.to_datetime([micros_of(reading.time) for reading in readings], unit="us", utc=True),
    }
    for name in plant.asset_type.delivered:
        values = [reading.values.get(name) for reading in readings]
        rows[name] = values if name in plant.asset_type.categories else np.array(values, dtype=object)
    regimes = [reading.regime for reading in readings]
    default = None if plant.cleaning.regimes else "normal"
    rows["regime"] = pd.Series([default if regime is None else regime for regime in regimes], dtype="str")
    return pd.DataFrame(rows)


def encode(readings: Sequence[LiveReading], now: datetime) -> bytes:
    """Write readings that came together as one entry of the journal."""
    return orjson.dumps(
        [
            micros_of(now),
            [
                [reading.asset_id, micros_of(reading.time), reading.regime, dict(reading.values), dict(reading.missing)]
                for reading in readings
            ],
        ]
    )


def decode(content: bytes) -> tuple[datetime, list[LiveReading]]:
    """Return when an entry of the journal came in, and its readings."""
    received, rows = orjson.loads(content)
    return _time_of(received), [
        LiveReading(asset, _time_of(micros), values, regime, missing) for asset, micros, regime, values, missing in rows
    ]


def micros_of(time: datetime) -> int:
    """Return a time in microseconds since the epoch."""
    return (time - _EPOCH) // _MICROSECOND


def _time_of(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def _limits(low: float | None, high: float | None) -> tuple[float, float]:
    return -math.inf if low is None else low, math.inf if high is None else high
