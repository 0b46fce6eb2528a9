"""Conditioning: the feature plan prepares one asset's readings before it cuts windows.

It puts them on a grid, fills in missing values, and smooths; in this order. Each asset is prepared on its own, never
across a gap and never with a later reading. Nothing is deleted: the table of readings keeps what was measured. Every
value depends on a bounded past alone, so reading a day again, or continuing from yesterday, gives the same values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wheeltapper.config import Conditioning, Smooth
from wheeltapper.errors import DataError
from wheeltapper.features.sets.rolling import window_moments
from wheeltapper.features.windows import cut_stretches, ticks

Floats = NDArray[np.float64]
Micros = NDArray[np.int64]
Places = NDArray[np.int64]
Texts = NDArray[Any]

NO_HISTORY = -1
"""Begin of a reading before which the stretch is too short to smooth it."""

_NEVER = np.iinfo(np.int64).max // 2
_CHUNK = 65_536
"""Medians that are taken at once: their windows are copied."""


@dataclass(frozen=True)
class Track:
    """One asset's readings in time order, as arrays: for callers that keep the last readings themselves, too."""

    micros: Micros
    """Time of each reading in microseconds since the epoch, shape (n_readings,), strictly increasing."""
    sensors: Mapping[str, Floats]
    """Sensor → its values in its unit as they were measured, each of shape (n_readings,); NaN where missing."""
    regimes: Texts
    """Operating state at each reading, shape (n_readings,)."""

    def __post_init__(self) -> None:
        """Refuse readings that are out of order, and columns of another length."""
        if (np.diff(self.micros) <= 0).any():
            at = int(np.argmax(np.diff(self.micros) <= 0))
            raise DataError(
                f"an asset's readings must follow each other in time; after {self.micros[at]} µs came "
                f"{self.micros[at + 1]} µs. Sort them and leave one reading for each time."
            )
        lengths = {"regimes": len(self.regimes)} | {name: len(values) for name, values in self.sensors.items()}
        for name, length in lengths.items():
            if length != len(self.micros):
                raise DataError(f"expected {len(self.micros)} values of {name}, one for each time, got {length}")


@dataclass(frozen=True)
class Conditioned:
    """Readings as feature sets see them: those of the track, or the cells of the grid that they were put on."""

    micros: Micros
    """Time of each, shape (n,), strictly increasing."""
    sensors: dict[str, Floats]
    """Sensor → its values; a counter has the amount per hour, NaN at a stretch's first reading."""
    levels: dict[str, Floats]
    """Counter → what it showed."""
    parts: list[slice]
    """The stretches between the gaps, in time order."""
    begin: Places
    """Place in the track of the earliest reading that a value was made from, never falling within a stretch;
    `NO_HISTORY` where the stretch is too young to be smoothed."""
    end: Places
    """Place in the track of the last one."""


@dataclass(frozen=True)
class _Grid:
    """Readings on their grid, or as they arrived where there is none."""

    micros: Micros
    sensors: dict[str, Floats]
    counted_at: dict[str, Micros]
    """Counter → when it showed its value."""
    begin: Places
    end: Places


def condition(track: Track, how: Conditioning, counters: Collection[str], max_gap: timedelta) -> Conditioned:
    """Prepare one asset's readings as the plan says; without conditioning they stay as they are.

    Parameters
    ----------
    track : Track
        One asset's readings; an infinite value was not measured and counts as missing.
    how : Conditioning
        Grid, fillers and smoothers.
    counters : collection of str
        Sensors that only count up. Their level shows when the meter was installed and nothing else. So it is replaced
        by the amount per hour, over the time that really passed, and that is smoothed.
    max_gap : timedelta
        The longest pause inside a stretch.
    """
    # Sensors near the largest float overflow; they have no value then, and are not warned about.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sensors = {name: finite(values) for name, values in track.sensors.items()}
        grid = _without_grid(track.micros, sensors, counters)
        if how.resample is not None:
            grid = _put_on_grid(grid, ticks(how.resample), ticks(max_gap))
        parts = cut_stretches(grid.micros, max_gap)
        opens = np.concatenate([np.full(part.stop - part.start, part.start) for part in parts] or [grid.begin])
        values, begin = _fill(grid, opens, how.fill)
        levels = {name: values[name] for name in counters}
        values |= {name: _rates(levels[name], grid.counted_at[name], opens) for name in counters}
        values, begin = _smooth(values, begin, opens, how.smooth)
    return Conditioned(grid.micros, values, levels, parts, begin, grid.end)


def _without_grid(micros: Micros, sensors: dict[str, Floats], counters: Collection[str]) -> _Grid:
    places = np.arange(len(micros), dtype=np.int64)
    return _Grid(micros, sensors, dict.fromkeys(counters, micros), places, places)


def _put_on_grid(arrived: _Grid, step: int, max_gap: int) -> _Grid:
    """Put readings on a grid that starts at the epoch: the cell (t − step, t] becomes one reading at t.

    A value is the mean of the cell's values; a counter has its last one. A cell without a reading stays a pause. A cell
    is complete only once a reading at or after t has arrived, so later readings do not change it. Where none arrives
    within the longest gap after t, the stretch ends before the cell; otherwise readings of one day could change a cell
    of any earlier day.

    Parameters
    ----------
    step, max_gap : int
        Length of a cell and the longest pause inside a stretch, in microseconds.
    """
    cell = -(-arrived.micros // step)
    first = np.flatnonzero(np.diff(cell, prepend=cell[:1] - 1))
    last = np.append(first[1:], len(cell))[: len(first)] - 1
    stamps = cell[first] * step
    following = np.append(arrived.micros[first[1:]], _NEVER)[: len(first)]
    is_whole = (arrived.micros[last] == stamps) | (following - stamps <= max_gap)
    first, last = first[is_whole], last[is_whole]
    sensors: dict[str, Floats] = {}
    counted_at: dict[str, Micros] = {}
    for name, values in arrived.sensors.items():
        places, has_value = _last_values(values, last)
        has_value &= places >= first
        if name in arrived.counted_at:
            sensors[name] = np.where(has_value, values[places], np.nan)
            counted_at[name] = np.where(has_value, arrived.micros[places], stamps[is_whole])
        else:
            sensors[name] = _means(values, first, last, has_value)
    return _Grid(stamps[is_whole], sensors, counted_at, first, last)


def _means(values: Floats, first: Places, last: Places, has_value: NDArray[np.bool_]) -> Floats:
    """Return the mean of each cell's values, without the missing ones.

    The mean of equal values is exactly that value, so a stuck sensor stays stuck.
    """
    is_given = ~np.isnan(values)
    so_far = np.concatenate([[0], np.cumsum(is_given)])
    means = np.full(len(first), np.nan)
    means[has_value], _ = window_moments(values[is_given], so_far[first[has_value]], so_far[last[has_value] + 1] - 1)
    return finite(means)


def _last_values(values: Floats, last: Places) -> tuple[Places, NDArray[np.bool_]]:
    """Return where the newest value at or before each place is, and whether there is one at all (else 0)."""
    newest = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))[last]
    return np.maximum(newest, 0), newest >= 0


def _fill(grid: _Grid, opens: Places, ages: Mapping[str, timedelta]) -> tuple[dict[str, Floats], Places]:
    """Replace a missing value by the sensor's last value of the stretch, if that is young enough.

    A straight line to the next value would be closer to the truth, but it would use a later reading.
    """
    sensors, source = dict(grid.sensors), np.arange(len(opens), dtype=np.int64)
    for name, age in ages.items():
        values = sensors[name]
        newest, has_value = _last_values(values, np.arange(len(values)))
        is_filled = np.isnan(values) & has_value & (newest >= opens) & (grid.micros - grid.micros[newest] <= ticks(age))
        sensors[name] = np.where(is_filled, values[newest], values)
        source = np.where(is_filled, np.minimum(source, newest), source)
    return sensors, grid.begin[source]


def _rates(levels: Floats, counted_at: Micros, opens: Places) -> Floats:
    """Return what a counter counted per hour since the reading before; a stretch's first has no rate: NaN, not 0."""
    rates = np.full(len(levels), np.nan)
    rates[1:] = np.diff(levels) / (np.diff(counted_at / 1e6) / 3600)
    rates[opens == np.arange(len(levels))] = np.nan
    return rates


def _smooth(
    sensors: dict[str, Floats], begin: Places, opens: Places, how: Mapping[str, Smooth]
) -> tuple[dict[str, Floats], Places]:
    """Put the mean or median of the last readings of a stretch in the place of each value."""
    places = np.arange(len(opens))
    smoothed = dict(sensors)
    for name, smoother in how.items():
        first = places - (smoother.rows - 1)
        is_old = first >= opens
        values = np.full(len(places), np.nan)
        if is_old.any():
            values[is_old] = _moving(sensors[name], smoother, first[is_old], places[is_old])
        smoothed[name] = finite(values)
    first = places - look_back(how)
    begin = np.where(first >= opens, begin[np.maximum(first, 0)], NO_HISTORY)
    return smoothed, begin


def _moving(values: Floats, how: Smooth, first: Places, last: Places) -> Floats:
    """Return mean or median of each run of ``how.rows`` values, from those alone; NaN where one is missing."""
    if how.by == "mean":
        return window_moments(values, first, last)[0]
    runs = sliding_window_view(values, how.rows)
    chunks = [np.median(runs[first[at : at + _CHUNK]], axis=1) for at in range(0, len(first), _CHUNK)]
    return np.concatenate(chunks)


def look_back(how: Mapping[str, Smooth]) -> int:
    """Return from how many earlier readings a smoothed value is made, at the most."""
    return max((smoother.rows - 1 for smoother in how.values()), default=0)


def finite(values: Floats) -> Floats:
    """Return values with NaN in the place of those that are no finite numbers: they were not measured."""
    return np.where(np.isfinite(values), values, np.nan)
