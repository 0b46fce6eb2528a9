"""One machine after another: normal running, then faults, then limits, then gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import assets, tables
from wheeltapper.assets import Drivers, Floats, Physics
from wheeltapper.config import IDLE_REGIMES, AssetType
from wheeltapper.config.sensor_faults import is_sensor_kind
from wheeltapper.errors import ConfigError, SourceError
from wheeltapper.plugins import INSTALLED, PlugIns
from wheeltapper.simulation import faults, lookalikes, regimes, sensor_faults, signals

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
class Disturbances:
    """The faults, gaps and events that a simulation is to contain."""

    anomaly_rate: float = 0.0
    """Share of rows inside faults."""
    kinds: tuple[str, ...] = ()
    """Kinds of fault: of machines (those of the asset type) and of sensors (`sensor_faults`)."""
    overlap: bool = False
    lookalike_rate: float = 0.0
    """Share of rows in which something happens that looks like a fault and is none."""
    missing_rate: float = 0.0
    """Share of single sensor values that are missing."""
    gap_rate: float = 0.0
    """Share of readings that never come."""
    gap: timedelta | None = None
    """How long they stay away on average; single readings by default."""
    jitter: timedelta = timedelta(0)
    """Readings are stamped up to this much late; less than a step."""
    turns: int = 0
    """At each instant only one of this many machines is read, left to chance; 0 reads all."""


def physics_of(asset_type: AssetType, plug_ins: PlugIns = INSTALLED) -> Physics:
    """Return how machines of this type are simulated.

    Raises
    ------
    SourceError
        If the type has no physics, or its sensors are not those of the physics.
    """
    name = asset_type.name
    try:
        physics = assets.physics(name, plug_ins)
    except ConfigError as error:
        raise SourceError(
            f"asset type '{name}' cannot be simulated: {error} Use one of these, or a source that reads its data."
        ) from error
    if physics is None:
        raise SourceError(
            f"asset type '{name}' cannot be simulated: its file {name}.py holds no PHYSICS. "
            "Write one (see wheeltapper/assets/__init__.py), or use a source that reads its data."
        )
    return physics


def simulate(
    asset_type: AssetType,
    span: Span,
    *,
    seed: int,
    number: int,
    disturbances: Disturbances | None = None,
    physics: Physics | None = None,
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
    disturbances : Disturbances, optional
        Faults and missing values; none by default.
    physics : Physics, optional
        How the machine is simulated; `physics_of` the type by default.

    Returns
    -------
    readings : DataFrame of shape (span.readings, n_sensors + 3)
        asset_id, timestamp, the sensors in their units, regime.
    faults : DataFrame
        Rows of `tables.FAULTS`; ``start`` and ``end`` are the times of the first and the last reading inside.

    Raises
    ------
    SourceError
        If the type cannot be simulated, or the faults do not fit into its running time.
    """
    disturbances = disturbances or Disturbances()
    physics = physics or physics_of(asset_type)
    drivers = _drive(physics, span, seed, number)
    drivers = _with_lookalikes(drivers, physics, span, disturbances.lookalike_rate, seed, number)
    planned = _plan(asset_type, physics, drivers, span, disturbances, seed, number)
    of_sensors = [fault for fault in planned if is_sensor_kind(fault.kind, asset_type)]
    of_machine = [fault for fault in planned if not is_sensor_kind(fault.kind, asset_type)]
    drivers = _with_repairs(drivers, of_machine, physics, span)

    values = _run(asset_type, physics, drivers, seed, number)
    # The error of a broken sensor is measured against healthy running; computing that costs a sort.
    healthy = _count_up(values, asset_type, drivers, 0.0) if of_sensors else {}
    usual = sensor_faults.usual_of(healthy, _runs(drivers), asset_type)
    noise = signals.stream(seed, number, "fault noise")
    values = faults.damage(values, of_machine, asset_type, noise, runs=_runs(drivers))
    begins = float(signals.stream(seed, number, "counter").uniform(1000, 9000))
    values = _within_limits(_count_up(values, asset_type, drivers, begins), asset_type)
    if of_sensors:
        rng = signals.stream(seed, number, "sensor fault noise")
        values = _within_limits(sensor_faults.disturb(values, of_sensors, asset_type, usual, rng), asset_type)
    labels = physics.label(values) if physics.label is not None else None
    values = _with_gaps(values, disturbances.missing_rate, signals.stream(seed, number, "missing"))

    arrived = _arrived(span, disturbances, seed, number)
    asset_id = physics.names[number - 1] if number <= len(physics.names) else f"{asset_type.name}-{number:02d}"
    times = _stamped(span, disturbances.jitter, signals.stream(seed, number, "jitter"))
    names, codes = np.unique(drivers.regime, return_inverse=True)
    readings = pd.DataFrame(
        {
            "asset_id": pd.Series(asset_id, index=range(span.readings), dtype="str"),
            "timestamp": times,
            **values,
            "regime": pd.array(names, dtype="str").take(codes),
        }
    )
    if labels is not None:
        planned = _labelled(labels, arrived)
    truth = _as_table(planned, times, arrived, asset_id)
    return readings if arrived.all() else readings[arrived].reset_index(drop=True), truth


def _plan(
    asset_type: AssetType,
    physics: Physics,
    drivers: Drivers,
    span: Span,
    disturbances: Disturbances,
    seed: int,
    number: int,
) -> list[faults.Fault]:
    """Choose the machine's faults, those of its sensors included."""
    if physics.label is not None:
        if disturbances.anomaly_rate > 0:
            raise SourceError(
                f"anomaly_rate is {disturbances.anomaly_rate:g}, but the faults of {asset_type.name} are a rule about "
                "its values and cannot be ordered. Set anomaly_rate: 0."
            )
        return []
    # A failure is followed by its repair, and after that the machine runs for a while before the next one begins.
    apart = faults.DISTANCE if physics.repair is None else 2 * physics.repair
    planned = faults.plan(
        signals.stream(seed, number, "fault plan"),
        _runs(drivers) if physics.repair is None else np.ones(span.readings, dtype=bool),
        span.step,
        disturbances.anomaly_rate,
        disturbances.kinds,
        gradual=(*physics.gradual, "drift", *(kind for kind in disturbances.kinds if kind.startswith("drift:"))),
        overlap=disturbances.overlap,
        lasts=physics.lasts,
        distance=apart,
    )
    return sensor_faults.choose_sensors(planned, asset_type, signals.stream(seed, number, "sensor fault"))


def _runs(drivers: Drivers) -> faults.Flags:
    """Tell where the machine runs and is watched."""
    return np.asarray(~np.isin(drivers.regime, IDLE_REGIMES) & (drivers.level > 0))


def _with_lookalikes(drivers: Drivers, physics: Physics, span: Span, rate: float, seed: int, number: int) -> Drivers:
    """Let things happen that are no faults."""
    if rate == 0:
        return drivers
    happenings = faults.plan(
        signals.stream(seed, number, "lookalikes"),
        np.asarray(drivers.regime == "normal"),
        span.step,
        rate,
        lookalikes.kinds(physics),
        lasts=lookalikes.LASTS,
        distance=lookalikes.DISTANCE,
    )
    return lookalikes.apply(drivers, happenings, physics)


def _with_repairs(drivers: Drivers, planned: Sequence[faults.Fault], physics: Physics, span: Span) -> Drivers:
    """Stop the machine after each failure until it is repaired."""
    if physics.repair is None or not planned:
        return drivers
    rows = max(1, round(physics.repair / span.step))
    regime, level = (
        drivers.regime.astype(f"<U{max(drivers.regime.dtype.itemsize // 4, len('maintenance'))}"),
        drivers.level.copy(),
    )
    for fault in planned:
        stop = slice(fault.span.stop, fault.span.stop + rows)
        regime[stop], level[stop] = "maintenance", 0.0
    return replace(drivers, regime=regime, level=level)


def _drive(physics: Physics, span: Span, seed: int, number: int) -> Drivers:
    """Draw what the machine is exposed to."""
    seconds, step = span.seconds(), span.step.total_seconds()
    late = signals.stream(seed, number, "timetable").uniform(-1, 1) * physics.shift
    regime, level = regimes.follow(physics.schedule, seconds, late)
    outer = {
        name: signals.draw(signal, signals.stream(seed, number, f"signal {name}"), seconds, step)
        for name, signal in physics.signals.items()
    }
    return Drivers(step=step, regime=regime, level=level, signals=outer, seconds=seconds, number=number)


def _run(asset_type: AssetType, physics: Physics, drivers: Drivers, seed: int, number: int) -> dict[str, Floats]:
    """Compute the response of this one specimen of its kind, and measure it."""
    response = physics.respond(drivers)
    if set(response) != set(asset_type.sensors):
        raise SourceError(
            f"the physics of {asset_type.name} has the sensors {sorted(response)}, the asset type has "
            f"{sorted(asset_type.sensors)}. Simulate the type with its own sensors."
        )
    # A machine at rest shakes less than a running one, but its sensors are never quite still.
    loudness = np.clip(drivers.level, 0.1, 1.0)
    measured = {}
    for sensor in asset_type.sensors:
        deviation = signals.stream(seed, number, f"specimen {sensor}").uniform(-1, 1)
        measured[sensor] = response[sensor] * (1 + physics.spread * deviation)
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


def _count_up(
    values: Mapping[str, Floats], asset_type: AssetType, drivers: Drivers, begins: float
) -> dict[str, Floats]:
    """Turn counts per hour into the values that counters show; a counter never counts down."""
    hours = drivers.step / 3600
    return {
        sensor: begins + np.cumsum(np.maximum(column, 0.0)) * hours if asset_type.sensors[sensor].counter else column
        for sensor, column in values.items()
    }


def _arrived(span: Span, disturbances: Disturbances, seed: int, number: int) -> faults.Flags:
    """Tell which readings reach the logger."""
    arrived = np.ones(span.readings, dtype=bool)
    if disturbances.turns:
        # Drawn once for the whole fleet, so that exactly one machine is read at each instant.
        arrived = signals.stream(seed, 0, "turns").integers(1, disturbances.turns + 1, span.readings) == number
    if disturbances.gap_rate > 0:
        arrived &= ~_lost(signals.stream(seed, number, "gaps"), span, disturbances)
    return arrived


def _lost(rng: np.random.Generator, span: Span, disturbances: Disturbances) -> faults.Flags:
    """Alternate between spells of readings and gaps, both of random length."""
    lost = max(1.0, (disturbances.gap or span.step) / span.step)
    # Mean length of the spells with readings: gaps of mean length `lost` then take the share `gap_rate` of the time.
    present = max(1.0, lost * (1 - disturbances.gap_rate) / disturbances.gap_rate)
    spells = int(span.readings / (lost + present) * 2) + 20
    lengths = np.column_stack([rng.geometric(1 / present, spells), rng.geometric(1 / lost, spells)]).ravel()
    away = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)[: span.readings]
    return np.concatenate([away, np.zeros(span.readings - len(away), dtype=bool)])


def _stamped(span: Span, jitter: timedelta, rng: np.random.Generator) -> pd.DatetimeIndex:
    """Return the time that the logger writes beside each reading: its arrival, in whole milliseconds."""
    times = span.timestamps()
    if not jitter:
        return times
    late = rng.integers(0, jitter // timedelta(milliseconds=1) + 1, span.readings)
    return times + pd.TimedeltaIndex(late.astype("timedelta64[ms]").astype("timedelta64[us]"))


def _labelled(labels: NDArray[np.str_], arrived: faults.Flags) -> list[faults.Fault]:
    """Turn labels into faults: consecutive readings that arrived and have the same label are one."""
    rows = np.flatnonzero(arrived)
    kinds = labels[rows]
    starts = (
        np.flatnonzero(np.concatenate([[True], kinds[1:] != kinds[:-1]])) if len(kinds) else np.array([], dtype=int)
    )
    ends = np.append(starts[1:], len(kinds)) - 1
    return [
        faults.Fault(first=int(rows[i]), rows=int(rows[j] - rows[i] + 1), kind=str(kinds[i]), peak=1.0, growth=0.0)
        for i, j in zip(starts, ends, strict=True)
        if kinds[i]
    ]


def _as_table(
    planned: Sequence[faults.Fault], times: pd.DatetimeIndex, arrived: faults.Flags, asset_id: str
) -> pd.DataFrame:
    """Write the planned faults as rows of `tables.FAULTS`, from their first to their last reading that arrived."""
    seen = [(fault, fault.first + np.flatnonzero(arrived[fault.span])) for fault in planned]
    seen = [(fault, rows) for fault, rows in seen if len(rows)]
    if not seen:
        return tables.FAULTS.empty()
    frame = pd.DataFrame(
        {
            "asset_id": asset_id,
            "start": times[[int(rows[0]) for _, rows in seen]],
            "end": times[[int(rows[-1]) for _, rows in seen]],
            "kind": [fault.kind for fault, _ in seen],
            "severity": [fault.peak for fault, _ in seen],
            "origin": "simulated",
        }
    )
    # With gaps, two overlapping faults of a kind may be seen from the same reading on; the longer one tells of both.
    frame = frame.sort_values(["start", "end"], kind="stable").drop_duplicates(["start", "kind"], keep="last")
    return tables.FAULTS.check(frame)
