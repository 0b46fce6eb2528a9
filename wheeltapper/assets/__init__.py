"""Asset types: descriptions of a kind of machine. One type a file; this page holds what all of them promise.

A file holds ``ASSET_TYPE``, the data: sensors, units, limits, regimes, faults. That is enough to watch such machines.
A type that can also be simulated holds ``PHYSICS`` beside it: its timetable, the outer influences on it, and one
function that says how its sensors answer to them (`wheeltapper.simulation` does everything else).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.plugins import ASSET_TYPES, INSTALLED, PlugIns

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spell:
    """A stretch of the clock (UTC) that belongs to one regime, every day or on one day of the week."""

    regime: str
    at: timedelta
    """Beginning, counted from midnight; a spell may run past the next midnight."""
    lasts: timedelta
    level: float
    """How hard the machine works: 0 stands still, 1 is normal running."""
    level_from: float | None = None
    """Level at the beginning where it ramps up or down to ``level``; None jumps."""
    weekday: int | None = None
    """Monday is 0; None is every day."""


@dataclass(frozen=True)
class Signal:
    """An outer influence that wanders about zero: weather, demand, the level of a tank."""

    sd: float
    """Standard deviation of the wandering, in any unit that ``respond`` understands."""
    memory: timedelta
    """After this time the correlation with now has fallen to 1/e."""
    daily: float = 0.0
    """Amplitude of the daily wave, same unit as ``sd``."""
    weekly: float = 0.0
    """Amplitude of the weekly wave, same unit as ``sd``."""
    peak: timedelta = timedelta(hours=15)
    """Time of day (UTC) at which the daily wave is highest."""


@dataclass(frozen=True)
class Noise:
    """The disturbance of one sensor beside the machine's common behaviour; standard deviations in the sensor's unit."""

    process: float
    """Local disturbance; its correlation falls to 0.7 within a minute, however often it is sampled."""
    measurement: float
    """Error of a single measurement, independent of the one before."""


@dataclass(frozen=True)
class Drivers:
    """The influences on one machine; every array has the shape (n_readings,)."""

    step: float
    """Seconds between two readings."""
    regime: NDArray[np.str_]
    level: Floats
    """How hard the timetable makes it work: 0 stands still, 1 is normal running."""
    signals: Mapping[str, Floats]
    """The influences that ``PHYSICS`` names."""
    seconds: Floats = field(default_factory=lambda: np.zeros(0))
    """Time of each reading in seconds since the epoch (UTC): for what follows the sun or the calendar."""
    number: int = 1
    """Which machine of the fleet it is, from 1: for types whose specimens have different jobs."""

    def lag(self, values: Floats, memory: timedelta) -> Floats:
        """Follow ``values`` sluggishly, as a heavy body follows its surroundings (a first-order lag).

        The first value is taken as having lasted for ever.
        """
        from scipy.signal import lfilter

        keep = float(np.exp(-self.step / memory.total_seconds()))
        slow, _ = lfilter([1 - keep], [1, -keep], values, zi=[keep * values[0]])
        return np.asarray(slow, dtype=np.float64)


@dataclass(frozen=True)
class Physics:
    """Everything that the simulation needs to know about a kind of machine."""

    respond: Callable[[Drivers], dict[str, Floats]]
    """Drivers in; every sensor's undisturbed value in its unit out, of shape (n_readings,) each.

    For a counter it returns the count per hour; the simulation counts it up.
    """
    schedule: tuple[Spell, ...] = ()
    """The timetable; where spells overlap the later one wins, and what none covers is ``normal`` at level 1."""
    signals: Mapping[str, Signal] = field(default_factory=dict)
    noise: Mapping[str, Noise] = field(default_factory=dict)
    """Sensor → its own disturbance; a sensor that is not named has none."""
    spread: float = 0.0
    """Machines of a kind differ: every sensor of every machine is off by up to this share, for good."""
    shift: timedelta = timedelta(0)
    """Every machine's timetable is early or late by up to this."""
    gradual: tuple[str, ...] = ()
    """Fault kinds that grow to their very end; all others are fully developed after a third to a half."""
    lasts: tuple[timedelta, timedelta] = (timedelta(minutes=30), timedelta(minutes=240))
    """The shortest and the longest fault."""
    repair: timedelta | None = None
    """Faults go on through standstill and end in a failure; then the machine is in maintenance for this long.

    None: a fault lies within one running stretch, and ends as if it had never been.
    """
    label: Callable[[Mapping[str, Floats]], NDArray[np.str_]] | None = None
    """Reads the kind of fault off the sensors' values, empty where there is none, shape (n_readings,).

    For types whose faults are a rule about the values and not planned; None plans them.
    """
    names: tuple[str, ...] = ()
    """Names of the first machines of a fleet; the others are called after the type and their number."""
    ambient: str | None = None
    """The signal that is the warmth of the surroundings, for hot days that are no fault."""


def named(name: str, plug_ins: PlugIns = INSTALLED) -> AssetType:
    """Return an asset type by its file's name.

    Raises
    ------
    ConfigError
        If there is no such type, or its file holds no ``ASSET_TYPE``.

    Examples
    --------
    >>> list(named("power_meter").sensors)
    ['energy']
    """
    asset_type = getattr(plug_ins.module(ASSET_TYPES, name), "ASSET_TYPE", None)
    if not isinstance(asset_type, AssetType):
        raise ConfigError(f"asset type {name}: its file must hold ASSET_TYPE, an AssetType; got {asset_type!r}.")
    return asset_type


def physics(name: str, plug_ins: PlugIns = INSTALLED) -> Physics | None:
    """Return how machines of an asset type are simulated; None where its file does not say so.

    Raises
    ------
    ConfigError
        If there is no such type.
    """
    content = getattr(plug_ins.module(ASSET_TYPES, name), "PHYSICS", None)
    return content if isinstance(content, Physics) else None
