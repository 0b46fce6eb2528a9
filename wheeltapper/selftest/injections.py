"""Injected faults for the self-test: the readings of a sensor that fails in one of six ways, at a known size.

The shapes are those of `wheeltapper.simulation.sensor_faults`, without randomness: the same readings and the same size
always give the same fault, so that all candidates are tested on the same faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wheeltapper.config import AssetType, Sensor
from wheeltapper.config.sensor_faults import RIVAL_UNITS

Floats = NDArray[np.float64]

SIZES = (2.0, 4.0, 8.0)
"""Sizes in usual deviations: within normal running, noticeable, and never seen in normal running."""
FEW_SIZES = (4.0,)
"""Sizes for a machine with too many sensors to test every size of every kind."""
LAGS = (1.0, 4.0)
"""Delays of a clock, in lengths of a window."""
UNMISTAKABLE = 20.0
"""Size of an unmistakable step in usual deviations; where the sensor cannot show it, the step goes to the limit."""
STEP = "step"
"""The unmistakable fault. It has one size and no line in the table; it only tests whether a sensor is used at all."""
EVERY = 4
"""Every fourth reading is a spike: a loose plug fails repeatedly, and a single reading opens no alarm."""


@dataclass(frozen=True)
class Usual:
    """Usual level and deviation of one sensor in recent normal running, in its unit (a counter: per hour)."""

    centre: float
    deviation: float


@dataclass(frozen=True)
class Injection:
    """One kind of fault of one sensor at one size."""

    sensor: str
    kind: str
    size: float | None
    """In usual deviations; of a lag in lengths of a window; None where a kind has no size."""


@dataclass(frozen=True)
class Place:
    """The readings that a fault changes, and those before it."""

    seconds: Floats
    """Time of each reading since the fault's start, shape (n_readings,)."""
    values: Floats
    before: Floats
    usual: Usual
    sensor: Sensor


def shown(injection: Injection, at: Place, window: int) -> Floats:
    """Return the sensor's readings during the fault, shape (n_readings,), within its limits.

    Parameters
    ----------
    injection : Injection
    at : Place
    window : int
        Readings in a window: the unit of a lag.
    """
    size = 0.0 if injection.size is None else injection.size
    if injection.kind == "lag":
        return _late(at, max(round(size * window), 1))
    if at.sensor.counter:
        return _COUNTER[injection.kind](at, size * at.usual.deviation)
    return _SHAPES[injection.kind](at, size * at.usual.deviation)


def _direction(at: Place, amount: float) -> float:
    """Return +1, or −1 where the limit leaves more room below than above."""
    above = np.inf if at.sensor.high is None else at.sensor.high - at.usual.centre
    below = np.inf if at.sensor.low is None else at.usual.centre - at.sensor.low
    return 1.0 if above >= amount or above >= below else -1.0


def _within(at: Place, values: Floats) -> Floats:
    """Keep a fault within the sensor's limits; a value beyond them would never reach a detector."""
    low = -np.inf if at.sensor.low is None else at.sensor.low
    high = np.inf if at.sensor.high is None else at.sensor.high
    return np.where(
        np.isnan(at.values), np.nan, np.clip(values, np.minimum(low, at.values), np.maximum(high, at.values))
    )


def _spike(at: Place, amount: float) -> Floats:
    hit = np.arange(len(at.values)) % EVERY == 0
    return _within(at, at.values + _direction(at, amount) * amount * hit)


def _stuck(at: Place, amount: float) -> Floats:
    frozen = at.values[np.isfinite(at.values)][:1]
    value = float(frozen[0]) if len(frozen) else at.usual.centre
    return _within(at, np.full_like(at.values, value + _direction(at, amount) * amount))


def _drift(at: Place, amount: float) -> Floats:
    grown = at.seconds / at.seconds[-1] if len(at.seconds) > 1 and at.seconds[-1] > 0 else np.ones(len(at.seconds))
    return _within(at, at.values + _direction(at, amount) * amount * grown)


def _noise(at: Place, amount: float) -> Floats:
    # The same noise every time, with a deviation of exactly one, so that sizes are comparable.
    noise = np.random.default_rng(7).standard_normal(len(at.values))
    spread = noise.std() if len(noise) > 1 else 1.0
    return _within(at, at.values + amount * (noise - noise.mean()) / spread)


def _step(at: Place, amount: float) -> Floats:
    return _within(at, at.values + _direction(at, amount) * amount)


def _unit_swap(at: Place, _: float) -> Floats:
    factor, offset, _name = RIVAL_UNITS[at.sensor.unit]
    return np.asarray(at.values * factor + offset)


def _late(at: Place, lag: int) -> Floats:
    past = np.concatenate([at.before, at.values])
    return np.asarray(past[np.maximum(len(at.before) + np.arange(len(at.values)) - lag, 0)])


def _count_stuck(at: Place, _: float) -> Floats:
    return np.full_like(at.values, at.values[0])


def _count_faster(at: Place, amount: float) -> Floats:
    return np.asarray(at.values + amount * at.seconds / 3600)


_SHAPES: Mapping[str, Callable[[Place, float], Floats]] = {
    "spike": _spike,
    "stuck": _stuck,
    "drift": _drift,
    "noise": _noise,
    "unit_swap": _unit_swap,
    STEP: _step,
}
_COUNTER: Mapping[str, Callable[[Place, float], Floats]] = {
    "stuck": _count_stuck,
    "drift": _count_faster,
    STEP: _count_faster,
}

KINDS = ("spike", "stuck", "drift", "noise", "lag", "unit_swap")
"""The kinds of faults, in the order of the table."""


@dataclass(frozen=True)
class Skipped:
    """A sensor, or one kind of fault of it, that cannot be tested, with the reason."""

    sensor: str
    kind: str
    """Empty for the whole sensor."""
    reason: str


def plan_injections(
    asset_type: AssetType, usual_by_sensor: Mapping[str, Usual], sizes: tuple[float, ...] = SIZES
) -> tuple[list[Injection], list[Skipped]]:
    """List the faults to inject into each sensor, and those that cannot be injected, with the reason.

    Parameters
    ----------
    asset_type : AssetType
    usual_by_sensor : mapping
        Sensor → its usual level and deviation.
    sizes : tuple of float
        In usual deviations.
    """
    injections: list[Injection] = []
    skipped: list[Skipped] = []
    for name, sensor in asset_type.sensors.items():
        why = _why_not(name, asset_type, usual_by_sensor)
        if why:
            skipped.append(Skipped(name, "", why))
            continue
        for kind in KINDS:
            reason = _why_not_kind(kind, sensor, usual_by_sensor[name])
            if reason:
                skipped.append(Skipped(name, kind, reason))
            else:
                injections += [Injection(name, kind, size) for size in _sizes(kind, sensor, sizes)]
        injections.append(Injection(name, STEP, UNMISTAKABLE))
    return injections, skipped


def _why_not(name: str, asset_type: AssetType, usual_by_sensor: Mapping[str, Usual]) -> str:
    if name not in asset_type.measured:
        return "it is derived from a category"
    if name not in usual_by_sensor or not np.isfinite(usual_by_sensor[name].deviation):
        return "it has no value in recent normal running"
    return "" if usual_by_sensor[name].deviation > 0 else "it never moved in recent normal running"


def _why_not_kind(kind: str, sensor: Sensor, usual: Usual) -> str:
    if sensor.counter and kind not in _COUNTER:
        return "it only counts up"
    if kind != "unit_swap":
        return ""
    if sensor.unit not in RIVAL_UNITS:
        return f"its unit {sensor.unit} is not confused with another"
    factor, offset, rival_unit = RIVAL_UNITS[sensor.unit]
    value = usual.centre * factor + offset
    if (sensor.high is not None and value > sensor.high) or (sensor.low is not None and value < sensor.low):
        return f"{usual.centre:.3g} {sensor.unit} in {rival_unit} lies outside its limits: it goes to quarantine"
    return ""


def _sizes(kind: str, sensor: Sensor, sizes: tuple[float, ...]) -> tuple[float | None, ...]:
    if kind == "unit_swap" or (kind == "stuck" and sensor.counter):
        return (None,)
    if kind == "lag":
        return LAGS if len(sizes) > 1 else LAGS[-1:]
    return sizes


def in_units(injection: Injection, sensor: Sensor, usual: Usual, window_minutes: float) -> str:
    """Return the size of a fault in the sensor's unit: ``1.2 bar``, ``5 min``, ``MPa``."""
    if injection.kind == "unit_swap":
        return RIVAL_UNITS[sensor.unit][2]
    if injection.size is None:
        return "at all"
    if injection.kind == "lag":
        minutes = injection.size * window_minutes
        return f"{minutes:.3g} min" if minutes >= 1 else f"{minutes * 60:.3g} s"
    unit = "" if sensor.unit == "1" else f" {sensor.unit}"
    return f"{injection.size * usual.deviation:.3g}{unit}{'/h' if sensor.counter and unit else ''}"
