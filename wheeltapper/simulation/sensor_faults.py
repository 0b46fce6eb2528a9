"""How broken sensors look: what a sensor shows while one of the faults of `wheeltapper.config.sensor_faults` lasts.

A plant asks for them among the simulator's ``kinds``: ``stuck`` happens to any sensor, ``stuck:pressure`` to this one.
The table of faults always holds ``stuck:pressure``, so it says which sensor was wrong. Sizes are in usual deviations of
the sensor, taken over the normal running of the same machine without faults; lags of a clock in its rhythms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from wheeltapper.assets import Floats
from wheeltapper.config import AssetType, Sensor
from wheeltapper.config.sensor_faults import RIVAL_UNITS, is_sensor_kind, sensors_with, split
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
LATE = 2.0
"""Rhythms of the sensor by which a fully skewed clock is late: its values then say little about the right ones."""
FALLS_BEHIND = 0.5
"""Readings that a clock loses with each reading at most, so that it neither stands still nor runs backwards."""
LONGEST_RHYTHM = 1024
"""Readings within which a sensor has to move; a slower movement does not show during a fault."""
MOVES = 0.02
"""Share of a sensor's variance that lasts beyond a single reading; below it one value is as good as any other."""


class Usual(NamedTuple):
    """Usual values of a sensor of a healthy machine."""

    centre: float
    """Median, in the sensor's unit."""
    deviation: float
    """Robust standard deviation, in the sensor's unit."""
    rhythm: int | None
    """Readings after which half of a deviation is gone; None if it never moves in a way that lasts."""


@dataclass(frozen=True)
class _Place:
    """The readings inside a fault, and what decides how they are changed."""

    values: Floats
    severity: Floats
    usual: Usual
    sensor: Sensor
    fault: Fault
    before: Floats
    """The values before the fault."""


def _stuck(at: _Place, _: np.random.Generator) -> Floats:
    return np.full_like(at.values, at.values[0])


def _drift(at: _Place, rng: np.random.Generator) -> Floats:
    return np.asarray(at.values + rng.choice([-1.0, 1.0]) * DRIFT * at.usual.deviation * at.severity)


def _dropout(at: _Place, rng: np.random.Generator) -> Floats:
    lost = rng.random(len(at.values)) < at.severity
    lost[-1] = True
    return np.where(lost, np.nan, at.values)


def _spike(at: _Place, rng: np.random.Generator) -> Floats:
    hit = rng.random(len(at.values)) < SPIKE_SHARE
    hit[len(hit) // 2] = True
    size = rng.uniform(*SPIKE, len(hit)) * rng.choice([-1.0, 1.0], len(hit))
    return np.asarray(at.values + hit * size * at.usual.deviation * at.fault.peak)


def _noise(at: _Place, rng: np.random.Generator) -> Floats:
    return np.asarray(at.values + RESTLESS * at.usual.deviation * at.severity * rng.standard_normal(len(at.values)))


def _clipped(at: _Place, _: np.random.Generator) -> Floats:
    # A ceiling that the machine does not reach while it lasts would be no fault: it lies within what is shown.
    reached = float(np.quantile(at.values, 0.9 - 0.4 * at.fault.peak))
    ceiling = min(at.usual.centre + at.usual.deviation * (CLIP_AT + 3.0 * (1 - at.fault.peak)), reached)
    return np.asarray(np.minimum(at.values, ceiling))


def _unit_change(at: _Place, _: np.random.Generator) -> Floats:
    factor, offset, _name = RIVAL_UNITS[at.sensor.unit]
    return np.asarray(at.values * factor + offset)


def _clock_skew(at: _Place, _: np.random.Generator) -> Floats:
    """Show at t the value of t − lag; the lag grows to the peak's share of `LATE` rhythms.

    A clock falls behind at a limited pace. Where the fault is too short for the whole lag, the clock was set wrong by
    the rest at once; not so a counter's, which would count down: its lag stays smaller.
    """
    if at.usual.rhythm is None:
        raise SourceError(
            f"fault kind '{at.fault.kind}': this sensor does not move in a way that lasts for two readings, so a late "
            "clock would show nothing. Name another sensor in kinds."
        )
    target = at.fault.peak * LATE * at.usual.rhythm
    gradual = min(target, FALLS_BEHIND * max(at.fault.growth * len(at.values), 1.0))
    full = gradual if at.sensor.counter else target
    lag = np.maximum(np.round(full - gradual * (1 - at.severity / at.fault.peak)), 1).astype(np.int64)
    shown = np.concatenate([at.before, at.values])
    return np.asarray(shown[np.maximum(len(at.before) + np.arange(len(at.values)) - lag, 0)])


def _reset(at: _Place, _: np.random.Generator) -> Floats:
    return np.asarray(at.values - at.values[0])


_SHOWS: Mapping[str, Callable[[_Place, np.random.Generator], Floats]] = {
    "stuck": _stuck,
    "drift": _drift,
    "dropout": _dropout,
    "spike": _spike,
    "noise": _noise,
    "clipped": _clipped,
    "unit_change": _unit_change,
    "clock_skew": _clock_skew,
    "reset": _reset,
}
"""Name of a fault → what its sensor shows while it lasts."""


def choose_sensors(faults: Sequence[Fault], asset_type: AssetType, rng: np.random.Generator) -> list[Fault]:
    """Give each fault of a sensor its sensor, and a reset the single reading at which it happens."""
    chosen = []
    for fault in faults:
        name, sensor = split(fault.kind)
        drawn = float(rng.random())
        if is_sensor_kind(fault.kind, asset_type):
            possible = sensors_with(name, asset_type)
            sensor = sensor or possible[int(drawn * len(possible))]
            chosen.append(replace(fault, kind=f"{name}:{sensor}", rows=1 if name == "reset" else fault.rows))
        else:
            chosen.append(fault)
    return chosen


def disturb(
    values: Mapping[str, Floats],
    faults: Sequence[Fault],
    asset_type: AssetType,
    usual: Mapping[str, Usual],
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
        Sensor → what is usual for it: `usual_of` of a healthy twin.
    rng : Generator

    Raises
    ------
    SourceError
        If a fault would not show in its sensor.
    """
    shown = {sensor: column.copy() for sensor, column in values.items()}
    for fault in faults:
        name, sensor = split(fault.kind)
        column = shown[str(sensor)]
        # A counter that was reset counts on from there; everything else ends with the fault.
        span = slice(fault.first, None) if name == "reset" else fault.span
        place = _Place(
            values=column[span],
            severity=fault.severity(),
            usual=usual[str(sensor)],
            sensor=asset_type.sensors[str(sensor)],
            fault=fault,
            before=column[: fault.first],
        )
        column[span] = _SHOWS[name](place, rng)
    return shown


def usual_of(values: Mapping[str, Floats], normal: Flags, asset_type: AssetType) -> dict[str, Usual]:
    """Return what is usual for each sensor in normal running.

    Median, robust standard deviation (IQR ÷ 1.349), and the rhythm; a counter's rhythm is that of its differences from
    reading to reading.
    """
    usual = {}
    for sensor, column in values.items():
        values_in_normal = column[normal] if normal.any() else column
        low, middle, high = np.quantile(values_in_normal, [0.25, 0.5, 0.75])
        deviation = (high - low) / 1.349 or float(values_in_normal.std()) or 0.01 * max(abs(float(middle)), 1.0)
        is_counter = asset_type.sensors[sensor].counter
        moving = np.diff(values_in_normal) if is_counter else values_in_normal
        # A counter that counts evenly has no rhythm, but every reading of it differs from the one before.
        rhythm = _rhythm(moving) or (1 if is_counter and moving.any() else None)
        usual[sensor] = Usual(float(middle), float(deviation), rhythm)
    return usual


def _rhythm(values: Floats) -> int | None:
    """Return after how many readings half of a deviation that lasts beyond a single reading is gone.

    Read off the structure function, the mean square of x(t) − x(t − lag): it begins at twice the variance of the noise
    of single readings and ends at twice the whole variance.
    """
    whole = 2 * float(values.var())
    lags = [lag for lag in _lags() if lag < len(values) // 2]
    if not lags or whole == 0:
        return None
    forgotten = np.array([float(np.mean((values[lag:] - values[:-lag]) ** 2)) for lag in lags])
    if whole - forgotten[0] < MOVES * whole:
        return None
    half = (forgotten[0] + whole) / 2
    return int(lags[int(np.argmax(forgotten >= half))]) if (forgotten >= half).any() else lags[-1]


def _lags() -> list[int]:
    """Return 1, 2, 3, 4, 6, 8, 12 … readings: fine enough for a rhythm, and few."""
    powers = 2 ** np.arange(int(np.log2(LONGEST_RHYTHM)) + 1)
    return sorted({*powers.tolist(), *(powers[2:] * 3 // 4).tolist()})
