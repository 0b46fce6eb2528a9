"""One machine after another: normal running, then faults, then limits, then gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from wheeltapper import _folder, tables
from wheeltapper.assets import Drivers, Floats, Physics
from wheeltapper.config import IDLE_REGIMES, AssetType
from wheeltapper.errors import ConfigError, SourceError
from wheeltapper.simulation import faults, regimes, signals

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Span:
    """The instants at which a fleet is read: every ``step`` from ``start`` on, up to ``duration`` later (exclusive)."""

    start: datetime
    duration: timedelta
    step: timedelta

    @property
    def readings(self) -> int:
        """How many there are."""
        return -(-self.duration // self.step)

    def seconds(self) -> Floats:
        """Return them as seconds since the epoch, shape (readings,)."""
        begin = (self.start - EPOCH) / timedelta(seconds=1)
        return np.asarray(begin + np.arange(self.readings) * self.step.total_seconds(), dtype=np.float64)

    def at(self, row: int) -> datetime:
        """Return one of them."""
        return self.start + row * self.step

    def row(self, instant: datetime) -> int:
        """Return the first row at or after an instant, between 0 and ``readings``."""
        return min(max(-((self.start - instant) // self.step), 0), self.readings)

    def timestamps(self) -> pd.DatetimeIndex:
        """Return them as UTC with microseconds."""
        begin = np.datetime64(self.start.astimezone(UTC).replace(tzinfo=None), "us")
        return pd.DatetimeIndex(begin + np.arange(self.readings) * np.timedelta64(self.step, "us"), tz=UTC)


@dataclass(frozen=True)
class Wishes:
    """What is to go wrong."""

    anomaly_rate: float = 0.0
    """Share of rows inside faults."""
    kinds: tuple[str, ...] = ()
    overlap: bool = False
    missing_rate: float = 0.0
    """Share of single sensor values that are missing."""


def physics_of(asset_type: AssetType) -> Physics:
    """Find how machines of this type are simulated.

    Raises
    ------
    SourceError
        If the type has no physics, or its sensors are not the ones that the physics speaks of.
    """
    name = asset_type.name
    try:
        module = _folder.load_module("assets", name)
    except ConfigError as error:
        raise SourceError(
            f"asset type '{name}' cannot be simulated: {error} Use one of these, or a source that reads its data."
        ) from error
    physics = getattr(module, "PHYSICS", None)
    if not isinstance(physics, Physics):
        raise SourceError(
            f"asset type '{name}' cannot be simulated: wheeltapper/assets/{name}.py holds no PHYSICS. "
            "Write one (see wheeltapper/assets/__init__.py), or use a source that reads its data."
        )
    return physics


def simulate(
    asset_type: AssetType, span: Span, *, seed: int, number: int, wishes: Wishes | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one machine's readings, and what was wrong with it when.

    Parameters
    ----------
    asset_type : AssetType
        One whose file holds ``PHYSICS``.
    span : Span
    seed : int
    number : int
        1 for the first machine of the fleet. The same number and seed give the same machine in every fleet.
    wishes : Wishes, optional
        Faults and missing values; none by default.

    Returns
    -------
    readings : DataFrame of shape (span.readings, n_sensors + 3)
        asset_id, timestamp, the sensors in their units, regime.
    faults : DataFrame
        Rows of `tables.FAULTS`; ``start`` and ``end`` are the times of the first and the last reading inside.

    Raises
    ------
    SourceError
        If the type cannot be simulated, or so many faults do not fit.
    """
    wishes = wishes or Wishes()
    physics = physics_of(asset_type)
    drivers = _drive(physics, span, seed, number)
    values = _run(asset_type, physics, drivers, seed, number)

    runs = ~np.isin(drivers.regime, IDLE_REGIMES) & (drivers.level > 0)
    planned = faults.plan(
        signals.stream(seed, number, "fault plan"),
        runs,
        span.step,
        wishes.anomaly_rate,
        wishes.kinds,
        gradual=physics.gradual,
        overlap=wishes.overlap,
    )
    values = faults.damage(values, planned, asset_type, signals.stream(seed, number, "fault noise"))
    values = _within_limits(values, asset_type)
    values = _with_gaps(values, wishes.missing_rate, signals.stream(seed, number, "missing"))

    asset_id = f"{asset_type.name}-{number:02d}"
    names, codes = np.unique(drivers.regime, return_inverse=True)
    readings = pd.DataFrame(
        {
            "asset_id": pd.Series(asset_id, index=range(span.readings), dtype="str"),
            "timestamp": span.timestamps(),
            **values,
            "regime": pd.array(names, dtype="str").take(codes),
        }
    )
    return readings, _as_table(planned, span, asset_id)


def _drive(physics: Physics, span: Span, seed: int, number: int) -> Drivers:
    """Draw what the machine is exposed to."""
    seconds, step = span.seconds(), span.step.total_seconds()
    late = signals.stream(seed, number, "timetable").uniform(-1, 1) * physics.shift
    regime, level = regimes.follow(physics.schedule, seconds, late)
    outer = {
        name: signals.draw(signal, signals.stream(seed, number, f"signal {name}"), seconds, step)
        for name, signal in physics.signals.items()
    }
    return Drivers(step=step, regime=regime, level=level, signals=outer)


def _run(asset_type: AssetType, physics: Physics, drivers: Drivers, seed: int, number: int) -> dict[str, Floats]:
    """Let the machine answer, as this one specimen of its kind, and measure it."""
    answer = physics.respond(drivers)
    if set(answer) != set(asset_type.sensors):
        raise SourceError(
            f"the physics of {asset_type.name} speaks of {sorted(answer)}, the asset type of "
            f"{sorted(asset_type.sensors)}. Simulate the type with its own sensors."
        )
    # A machine at rest shakes less than a running one, but its sensors never fall quite silent.
    loudness = np.clip(drivers.level, 0.1, 1.0)
    measured = {}
    for sensor in asset_type.sensors:
        own = signals.stream(seed, number, f"specimen {sensor}").uniform(-1, 1)
        measured[sensor] = answer[sensor] * (1 + physics.spread * own)
        if sensor in physics.noise:
            noise = physics.noise[sensor]
            rng = signals.stream(seed, number, f"measurement {sensor}")
            disturbance = signals.stream(seed, number, f"process {sensor}")
            measured[sensor] += loudness * (
                noise.process * signals.noise(disturbance, len(loudness), drivers.step)
                + noise.measurement * rng.standard_normal(len(loudness))
            )
    return measured


def _within_limits(values: dict[str, Floats], asset_type: AssetType) -> dict[str, Floats]:
    """Show no value that the sensor cannot show."""
    return {
        sensor: np.clip(column, asset_type.sensors[sensor].low, asset_type.sensors[sensor].high)
        for sensor, column in values.items()
    }


def _with_gaps(values: dict[str, Floats], share: float, rng: np.random.Generator) -> dict[str, Floats]:
    """Lose single values, each with the same chance."""
    if share == 0:
        return values
    return {sensor: np.where(rng.random(len(column)) < share, np.nan, column) for sensor, column in values.items()}


def _as_table(planned: Sequence[faults.Fault], span: Span, asset_id: str) -> pd.DataFrame:
    """Write the planned faults as rows of `tables.FAULTS`."""
    if not planned:
        return tables.FAULTS.empty()
    frame = pd.DataFrame(
        {
            "asset_id": asset_id,
            "start": pd.to_datetime([span.at(fault.first) for fault in planned], utc=True),
            "end": pd.to_datetime([span.at(fault.first + fault.rows - 1) for fault in planned], utc=True),
            "kind": [fault.kind for fault in planned],
            "severity": [fault.peak for fault in planned],
            "origin": "simulated",
        }
    )
    return tables.FAULTS.check(frame)
