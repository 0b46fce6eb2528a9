"""Faults of sensors: the machine is well, and what is shown of it is not.

They are the same for every kind of machine, so they are written once, here. A plant asks for them among the
simulator's ``kinds``: ``stuck`` befalls any sensor, ``stuck:pressure`` this one. In the table of faults they always
stand as ``stuck:pressure``, so the truth says which sensor lied. Sizes are in usual deviations of the sensor, taken
over the normal running of the same machine without faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wheeltapper._folder import near_miss
from wheeltapper.assets import Floats
from wheeltapper.config import AssetType, FaultKind, Sensor
from wheeltapper.errors import SourceError
from wheeltapper.simulation.faults import Fault, Flags

DRIFT = 6.0
"""Deviations that a fully developed drift lies away: three is what people call unusual, so half of it is hidden."""
SPIKE = (8.0, 16.0)
SPIKE_SHARE = 0.15
"""Share of readings inside that are spikes."""
RESTLESS = 4.0
CLIP_AT = -0.3
"""A fully clipped sensor shows nothing above this many deviations from its usual value, three more in the mildest."""

OTHER_UNIT: Mapping[str, tuple[float, float, str]] = {
    "°C": (1.8, 32.0, "°F"),
    "bar": (0.1, 0.0, "MPa"),
    "mm/s": (1 / 25.4, 0.0, "in/s"),
    "m/s": (3600 / 1852, 0.0, "knots"),
    "m³/h": (1 / 3.6, 0.0, "l/s"),
    "m³/min": (1000 / 60, 0.0, "l/s"),
    "kW": (1.341, 0.0, "hp"),
    "Hz": (60.0, 0.0, "1/min"),
    "1/min": (1 / 60, 0.0, "Hz"),
    "%": (0.01, 0.0, "share of one"),
}
"""Unit → factor, offset and name of the one that it is taken for."""


@dataclass(frozen=True)
class _Place:
    """What a fault needs to know about the readings inside it."""

    values: Floats
    severity: Floats
    usual: float
    deviation: float
    sensor: Sensor
    peak: float


def _stuck(at: _Place, _: np.random.Generator) -> Floats:
    return np.full_like(at.values, at.values[0])


def _drift(at: _Place, rng: np.random.Generator) -> Floats:
    return np.asarray(at.values + rng.choice([-1.0, 1.0]) * DRIFT * at.deviation * at.severity)


def _dropout(at: _Place, rng: np.random.Generator) -> Floats:
    lost = rng.random(len(at.values)) < at.severity
    lost[-1] = True
    return np.where(lost, np.nan, at.values)


def _spike(at: _Place, rng: np.random.Generator) -> Floats:
    hit = rng.random(len(at.values)) < SPIKE_SHARE
    hit[len(hit) // 2] = True
    size = rng.uniform(*SPIKE, len(hit)) * rng.choice([-1.0, 1.0], len(hit))
    return np.asarray(at.values + hit * size * at.deviation * at.peak)


def _noise(at: _Place, rng: np.random.Generator) -> Floats:
    return np.asarray(at.values + RESTLESS * at.deviation * at.severity * rng.standard_normal(len(at.values)))


def _clipped(at: _Place, _: np.random.Generator) -> Floats:
    # A ceiling that the machine does not reach while it lasts would be no fault: it lies within what is shown.
    reached = float(np.quantile(at.values, 0.9 - 0.4 * at.peak))
    ceiling = min(at.usual + at.deviation * (CLIP_AT + 3.0 * (1 - at.peak)), reached)
    return np.asarray(np.minimum(at.values, ceiling))


def _unit_change(at: _Place, _: np.random.Generator) -> Floats:
    factor, offset, _name = OTHER_UNIT[at.sensor.unit]
    return np.asarray(at.values * factor + offset)


def _reset(at: _Place, _: np.random.Generator) -> Floats:
    return np.asarray(at.values - at.values[0])


_ALTER: Mapping[str, Callable[[_Place, np.random.Generator], Floats]] = {
    "stuck": _stuck,
    "drift": _drift,
    "dropout": _dropout,
    "spike": _spike,
    "noise": _noise,
    "clipped": _clipped,
    "unit_change": _unit_change,
    "reset": _reset,
}

KINDS: Mapping[str, FaultKind] = {
    "stuck": FaultKind(
        description="The sensor shows the same value again and again.",
        first_check="Compare with a second instrument; look for a frozen transmitter or a logger that repeats itself.",
        part="sensor",
    ),
    "drift": FaultKind(
        description="The sensor's zero moves slowly away.",
        first_check="Calibrate the sensor against a reference.",
        part="sensor",
    ),
    "dropout": FaultKind(
        description="The sensor falls silent, first now and then, at last for good.",
        first_check="Check plug, cable and supply of the sensor, and the radio link if it has one.",
        part="sensor",
    ),
    "spike": FaultKind(
        description="Single values jump far away and back.",
        first_check="Check shielding and earthing of the cable, and what switches near it.",
        part="sensor",
    ),
    "noise": FaultKind(
        description="The sensor becomes restless.",
        first_check="Check the sensor's mounting, terminals and shielding.",
        part="sensor",
    ),
    "clipped": FaultKind(
        description="The sensor shows no high values any more.",
        first_check="Check the range that transmitter and logger are set to.",
        part="sensor",
    ),
    "unit_change": FaultKind(
        description="The sensor's values come in another unit.",
        first_check="Ask who changed the configuration of the transmitter or the gateway.",
        part="sensor",
    ),
    "reset": FaultKind(
        description="The counter begins again at zero.",
        first_check="Ask whether the meter was exchanged or lost its supply.",
        part="sensor",
    ),
}
"""What sensors can suffer; which one can suffer what, `kinds_for` says."""

_OF_COUNTERS = ("stuck", "dropout", "reset")


def split(kind: str) -> tuple[str, str | None]:
    """Split ``stuck:pressure`` into ``stuck`` and ``pressure``; a bare ``stuck`` names no sensor."""
    name, _, sensor = kind.partition(":")
    return name, sensor or None


def is_sensor_kind(kind: str, asset_type: AssetType) -> bool:
    """Tell whether a kind is one of these; a kind that the asset type itself describes is its own."""
    return kind not in asset_type.faults and split(kind)[0] in KINDS


def describe(kind: str, asset_type: AssetType) -> FaultKind:
    """Return what is known about a kind of fault of a machine or of one of its sensors.

    Raises
    ------
    SourceError
        If the asset type has no such kind, no such sensor, or the sensor cannot suffer this.
    """
    if kind in asset_type.faults:
        return asset_type.faults[kind]
    name, sensor = split(kind)
    if name not in KINDS:
        known = [*asset_type.faults, *KINDS]
        raise SourceError(
            f"{asset_type.name} has no fault kind '{kind}' (it has: {', '.join(asset_type.faults) or 'none'}; and its "
            f"sensors: {', '.join(KINDS)}).{near_miss(kind, known)}"
        )
    able = [one for one in asset_type.sensors if name in kinds_for(asset_type.sensors[one])]
    if sensor is not None and sensor not in asset_type.sensors:
        raise SourceError(
            f"fault kind '{kind}': {asset_type.name} has no sensor '{sensor}' (it has: "
            f"{', '.join(asset_type.sensors)}).{near_miss(sensor, list(asset_type.sensors))}"
        )
    if not able or (sensor is not None and sensor not in able):
        raise SourceError(
            f"fault kind '{kind}': {f'sensor {sensor}' if sensor else 'no sensor'} of {asset_type.name} can suffer "
            f"{name} (these can: {', '.join(able) or 'none'}). A counter can be stuck, drop out or be reset, others "
            f"cannot be reset, and a unit can be mistaken where it has a rival: {', '.join(OTHER_UNIT)}."
        )
    return KINDS[name]


def choose_sensors(faults: Sequence[Fault], asset_type: AssetType, rng: np.random.Generator) -> list[Fault]:
    """Give each fault of a sensor its sensor, and a reset the single reading at which it happens."""
    chosen = []
    for fault in faults:
        name, sensor = split(fault.kind)
        drawn = float(rng.random())
        if is_sensor_kind(fault.kind, asset_type):
            able = [one for one in asset_type.sensors if name in kinds_for(asset_type.sensors[one])]
            sensor = sensor or able[int(drawn * len(able))]
            chosen.append(replace(fault, kind=f"{name}:{sensor}", rows=1 if name == "reset" else fault.rows))
        else:
            chosen.append(fault)
    return chosen


def disturb(
    values: Mapping[str, Floats],
    faults: Sequence[Fault],
    asset_type: AssetType,
    usual: Mapping[str, tuple[float, float]],
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Return what broken sensors show; the machine itself and all other sensors stay as they are.

    Parameters
    ----------
    values : mapping of ndarray of shape (n_readings,)
    faults : sequence of Fault
        With kinds such as ``stuck:pressure``.
    asset_type : AssetType
    usual : mapping
        Sensor → its usual value and usual deviation, in its unit.
    rng : Generator
    """
    shown = {sensor: column.copy() for sensor, column in values.items()}
    for fault in faults:
        name, sensor = split(fault.kind)
        column = shown[str(sensor)]
        # A counter that was reset counts on from there; everything else ends with the fault.
        span = slice(fault.first, None) if name == "reset" else fault.span
        centre, deviation = usual[str(sensor)]
        place = _Place(
            column[span], fault.severity(), centre, deviation, asset_type.sensors[str(sensor)], peak=fault.peak
        )
        column[span] = _ALTER[name](place, rng)
    return shown


def usual_of(values: Mapping[str, Floats], normal: Flags) -> dict[str, tuple[float, float]]:
    """Return each sensor's median and robust standard deviation (IQR ÷ 1.349) over normal running."""
    found = {}
    for sensor, column in values.items():
        own = column[normal] if normal.any() else column
        low, middle, high = np.quantile(own, [0.25, 0.5, 0.75])
        deviation = (high - low) / 1.349 or float(own.std()) or 0.01 * max(abs(float(middle)), 1.0)
        found[sensor] = (float(middle), float(deviation))
    return found


def kinds_for(sensor: Sensor) -> tuple[str, ...]:
    """List what a sensor can suffer: a counter to stick, to drop out and to be reset, others everything but the last.

    A unit is only mistaken where it has a rival.
    """
    if sensor.counter:
        return _OF_COUNTERS
    return tuple(name for name in KINDS if name != "reset" and (name != "unit_change" or sensor.unit in OTHER_UNIT))
