"""Faults of sensors: the machine is well, and what one of its sensors shows is wrong.

They are the same for every kind of machine, so what is known about them stands once, here: their names, a sentence
about each, what to check first, and which sensor can have which. The simulator adds how each one looks
(`wheeltapper.simulation.sensor_faults`); the diagnosis of an alarm and the self-test use the names.

A kind is written ``stuck`` for any sensor, and ``stuck:pressure`` for this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from wheeltapper.config.machines import AssetType, FaultKind, Sensor
from wheeltapper.errors import SourceError
from wheeltapper.spelling import near_miss


class RivalUnit(NamedTuple):
    """The unit that another is mistaken for; a value in it is ``factor`` times the right value plus ``offset``."""

    factor: float
    offset: float
    unit: str


RIVAL_UNITS: Mapping[str, RivalUnit] = {
    "°C": RivalUnit(1.8, 32.0, "°F"),
    "bar": RivalUnit(0.1, 0.0, "MPa"),
    "mm/s": RivalUnit(1 / 25.4, 0.0, "in/s"),
    "m/s": RivalUnit(3600 / 1852, 0.0, "knots"),
    "m³/h": RivalUnit(1 / 3.6, 0.0, "l/s"),
    "m³/min": RivalUnit(1000 / 60, 0.0, "l/s"),
    "kW": RivalUnit(1.341, 0.0, "hp"),
    "Hz": RivalUnit(60.0, 0.0, "1/min"),
    "1/min": RivalUnit(1 / 60, 0.0, "Hz"),
    "%": RivalUnit(0.01, 0.0, "share of one"),
}
"""Unit of a sensor → the unit that it is mistaken for; a unit that is not here is not mistaken."""


def _kind(description: str, first_check: str) -> FaultKind:
    return FaultKind(description=description, first_check=first_check, part="sensor")


KINDS: Mapping[str, FaultKind] = {
    "stuck": _kind(
        "The sensor shows the same value again and again.",
        "Compare with a second instrument; look for a frozen transmitter or a logger that repeats itself.",
    ),
    "drift": _kind(
        "The sensor's zero moves slowly away.",
        "Calibrate the sensor against a reference.",
    ),
    "dropout": _kind(
        "The sensor falls silent, first now and then, at last for good.",
        "Check plug, cable and supply of the sensor, and the radio link if it has one.",
    ),
    "spike": _kind(
        "Single values jump far away and back.",
        "Check shielding and earthing of the cable, and what switches near it.",
    ),
    "noise": _kind(
        "The sensor becomes restless.",
        "Check the sensor's mounting, terminals and shielding.",
    ),
    "clipped": _kind(
        "The sensor shows no high values any more.",
        "Check the range that transmitter and logger are set to.",
    ),
    "unit_change": _kind(
        "The sensor's values come in another unit.",
        "Ask who changed the configuration of the transmitter or the gateway.",
    ),
    "clock_skew": _kind(
        "The sensor's clock is late, so its values come with the time of later ones.",
        "Compare the logger's clock with a time server, and its values with a sensor that moves with it.",
    ),
    "reset": _kind(
        "The counter begins again at zero.",
        "Ask whether the meter was exchanged or lost its supply.",
    ),
}
"""Name → what is known about the fault. Which sensor can have which: `kinds_for`."""

_OF_COUNTERS = ("stuck", "dropout", "clock_skew", "reset")
_OF_COUNTERS_ONLY = ("reset",)


def kinds_for(sensor: Sensor) -> tuple[str, ...]:
    """List the faults that a sensor can have.

    A counter can be stuck, drop out, be late or be reset; other sensors can have all but the last. A unit is only
    mistaken where it has a rival (`RIVAL_UNITS`).
    """
    possible = _OF_COUNTERS if sensor.counter else tuple(kind for kind in KINDS if kind not in _OF_COUNTERS_ONLY)
    return tuple(kind for kind in possible if kind != "unit_change" or sensor.unit in RIVAL_UNITS)


def split(kind: str) -> tuple[str, str | None]:
    """Split ``stuck:pressure`` into ``stuck`` and ``pressure``; a bare ``stuck`` names no sensor.

    >>> split("stuck:pressure")
    ('stuck', 'pressure')
    >>> split("stuck")
    ('stuck', None)
    """
    name, _, sensor = kind.partition(":")
    return name, sensor or None


def is_sensor_kind(kind: str, asset_type: AssetType) -> bool:
    """Tell whether a kind is a fault of a sensor; a kind that the asset type itself describes is its own."""
    return kind not in asset_type.faults and split(kind)[0] in KINDS


def sensors_with(name: str, asset_type: AssetType) -> list[str]:
    """List the sensors of an asset type that can have a fault such as ``stuck``."""
    return [sensor for sensor, about in asset_type.sensors.items() if name in kinds_for(about)]


def describe(kind: str, asset_type: AssetType) -> FaultKind:
    """Return what is known about a kind of fault of a machine or of one of its sensors.

    Raises
    ------
    SourceError
        If the asset type has no such kind, no such sensor, or the sensor cannot have this fault.
    """
    if kind in asset_type.faults:
        return asset_type.faults[kind]
    name, sensor = split(kind)
    if name not in KINDS:
        allowed = [*asset_type.faults, *KINDS]
        raise SourceError(
            f"{asset_type.name} has no fault kind '{kind}' (it has: {', '.join(asset_type.faults) or 'none'}; and its "
            f"sensors: {', '.join(KINDS)}).{near_miss(kind, allowed)}"
        )
    if sensor is not None and sensor not in asset_type.sensors:
        raise SourceError(
            f"fault kind '{kind}': {asset_type.name} has no sensor '{sensor}' (it has: "
            f"{', '.join(asset_type.sensors)}).{near_miss(sensor, asset_type.sensors)}"
        )
    possible = sensors_with(name, asset_type)
    if not possible or (sensor is not None and sensor not in possible):
        raise SourceError(
            f"fault kind '{kind}': {f'sensor {sensor}' if sensor else 'no sensor'} of {asset_type.name} can suffer "
            f"{name} (these can: {', '.join(possible) or 'none'}). A counter can be stuck, drop out, be late or be "
            f"reset, others cannot be reset, and a unit can be mistaken where it has a rival: {', '.join(RIVAL_UNITS)}."
        )
    return KINDS[name]
