"""Tracks: readings of one asset in time order, cut, laid over one another and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wheeltapper.features.compute import require_sensors
from wheeltapper.features.conditioning import Track, finite
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.sets import Floats
from wheeltapper.features.windows import Flags, Micros, Places, Texts


@dataclass(frozen=True)
class Arrivals:
    """Readings of one asset as they arrived: in any order; of several for one instant, the last counts."""

    micros: Micros
    """Time of each reading in microseconds since the epoch, shape (n_readings,)."""
    sensors: Mapping[str, Floats]
    """Sensor → its values in its unit, each of shape (n_readings,); NaN where missing."""
    regimes: Texts
    """Operating state at each reading, shape (n_readings,)."""


def empty(plan: FeaturePlan) -> Track:
    """Return no readings."""
    none = np.array([], dtype=np.float64)
    return Track(np.array([], dtype=np.int64), dict.fromkeys(plan.sensors, none), np.array([], dtype=object))


def in_order(plan: FeaturePlan, readings: Track | Arrivals) -> Track:
    """Return readings in time order with the plan's sensors only; of several for one instant the last counts.

    Raises
    ------
    DataError
        If a sensor of the plan is not among them.
    """
    require_sensors(plan, readings.sensors)
    micros = np.asarray(readings.micros, dtype=np.int64)
    order = np.argsort(micros, kind="stable")
    is_last = np.append(np.diff(micros[order]) > 0, True)[: len(order)]
    order = order[is_last]
    sensors = {name: finite(np.asarray(readings.sensors[name], dtype=np.float64)[order]) for name in plan.sensors}
    return Track(micros[order], sensors, np.asarray(readings.regimes, dtype=object)[order])


def part(track: Track, places: slice) -> Track:
    """Return some readings that follow each other."""
    sensors = {name: values[places] for name, values in track.sensors.items()}
    return Track(track.micros[places], sensors, track.regimes[places])


def within(track: Track, begin: int, end: int) -> Track:
    """Return the readings from an instant (inclusive) to another (exclusive)."""
    return part(track, slice(*np.searchsorted(track.micros, [begin, end])))


def select(track: Track, which: Flags) -> Track:
    """Return the readings that are marked."""
    sensors = {name: values[which] for name, values in track.sensors.items()}
    return Track(track.micros[which], sensors, track.regimes[which])


def overlaid(track: Track, later_arrivals: Track) -> Track:
    """Return the readings of both in time order; of two for one instant, the one that arrived later."""
    micros = np.concatenate([track.micros, later_arrivals.micros])
    order = np.argsort(micros, kind="stable")
    order = order[np.append(np.diff(micros[order]) > 0, True)[: len(order)]]
    sensors = {
        name: np.concatenate([track.sensors[name], later_arrivals.sensors[name]])[order] for name in track.sensors
    }
    return Track(micros[order], sensors, np.concatenate([track.regimes, later_arrivals.regimes])[order])


def is_known(readings: Track, other_readings: Track) -> Flags:
    """Tell which readings are among others with the same values and regime."""
    places, is_there = places_in(readings.micros, other_readings.micros)
    same = is_there.copy()
    for name, values in readings.sensors.items():
        same[is_there] &= are_equal(values[is_there], other_readings.sensors[name][places[is_there]])
    same[is_there] &= readings.regimes[is_there] == other_readings.regimes[places[is_there]]
    return same


def places_in(micros: Micros, other_micros: Micros) -> tuple[Places, Flags]:
    """Return where each instant stands among others that rise, and whether it does."""
    places = np.searchsorted(other_micros, micros)
    if not len(other_micros):
        return places, np.zeros(len(micros), dtype=bool)
    return places, (places < len(other_micros)) & (other_micros[np.minimum(places, len(other_micros) - 1)] == micros)


def are_equal(values: Floats, other_values: Floats) -> Flags:
    """Tell which values are the same to the last bit, −0.0 and 0.0 apart; NaN is the same as NaN."""
    is_same = np.ascontiguousarray(values).view(np.int64) == np.ascontiguousarray(other_values).view(np.int64)
    return np.asarray(is_same | (np.isnan(values) & np.isnan(other_values)))
