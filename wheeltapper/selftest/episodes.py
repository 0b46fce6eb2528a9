"""Episodes: short pieces of recent normal running, each rehearsed many times with a different injected fault.

A fault is injected into the readings, not into the features: it passes through conditioning, windows and feature sets
like a real one. Only the few readings around an episode are computed again, so hundreds of rehearsals take seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import steps
from wheeltapper.config import AssetType
from wheeltapper.features.compute import WindowRows, empty, rows_of
from wheeltapper.features.conditioning import Track
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.windows import ticks
from wheeltapper.selftest.injections import (
    FEW_SIZES,
    LAGS,
    SIZES,
    STEP,
    Injection,
    Place,
    Skipped,
    Usual,
    plan_injections,
)
from wheeltapper.selftest.injections import shown as show_fault
from wheeltapper.tables import microseconds

Places = NDArray[np.int64]

_log = logging.getLogger("wheeltapper.selftest")

CLEAN = -1
"""Value of ``injection`` for the rehearsal without a fault."""
LEAST, MOST = 5, 10
"""Episodes of each fault: with five, four must be found for a power of 80 %; ten are more exact and cost twice."""
ROWS = 24_000
"""Most windows that each candidate scores: a nearest-neighbour detector takes some seconds for them."""
CALLS = 1000
"""Most rehearsals in total: each takes some milliseconds, and machines with many sensors need many."""
SHORTEST = 10
"""Fewest readings in a fault."""


@dataclass(frozen=True)
class Slot:
    """A piece of one asset's normal running, in microseconds since the epoch."""

    asset_id: str
    start: int
    """Time of the first faulty reading."""
    stop: int
    """Last instant of the fault."""
    end: int
    """Last instant at which a window can still contain the fault."""


@dataclass(frozen=True)
class Rehearsal:
    """Feature rows of every fault in every slot, and of the slots without one."""

    rows: pd.DataFrame
    """Rows of the table of features, usable ones only."""
    injection: Places
    """For each row the position of its fault in ``injections``; `CLEAN` for none."""
    slot: Places
    injections: tuple[Injection, ...]
    slots: tuple[Slot, ...]
    skipped: tuple[Skipped, ...]
    usual: Mapping[str, Usual]
    window_minutes: float
    asset_type: AssetType


def slot_lengths(plan: FeaturePlan, open_after: int) -> tuple[int, int]:
    """Return how long a fault lasts, and how long windows after it still count, in microseconds.

    Both are just long enough for its windows to open an alarm: a fault that needs hours to be found does not count.
    """
    window = plan.windows.lasting(plan.step)
    spacing = plan.windows.every * plan.step
    lasts = max(window + (open_after + 1) * spacing, SHORTEST * plan.asset_type.step)
    return ticks(lasts), ticks(window)


def choose_slots(normal: pd.DataFrame, lasts: int, reach: int, max_gap: timedelta, limit: int) -> list[Slot]:
    """Choose pieces of normal running that do not overlap, the newest of each asset first, asset by asset in turn.

    Parameters
    ----------
    normal : DataFrame with columns asset_id, window_end
        Normal windows.
    lasts, reach : int
        Length of a fault, and of the time after it in which windows still contain it, in microseconds.
    max_gap : timedelta
        A longer pause between two windows ends a piece.
    limit : int
        Most slots in total.
    """
    by_asset = []
    for asset, asset_rows in normal.groupby("asset_id", sort=True):
        ends = np.sort(microseconds(asset_rows["window_end"]))
        cuts = np.flatnonzero(np.diff(ends) > ticks(max_gap)) + 1
        asset_slots: list[Slot] = []
        for run in np.split(ends, cuts):
            start, last = int(run[0]), int(run[-1])
            while start + lasts + reach <= last:
                at = int(run[np.searchsorted(run, start)])
                if at + lasts + reach > last:
                    break
                asset_slots.append(Slot(str(asset), at, at + lasts, at + lasts + reach))
                start = at + lasts + reach + 1
        by_asset.append(asset_slots[::-1])
    in_turn = [slot for row in zip_longest(*by_asset) for slot in row if slot is not None]
    return in_turn[:limit]


def rehearse(
    plan: FeaturePlan,
    readings: pd.DataFrame,
    normal: pd.DataFrame,
    usual_by_sensor: Mapping[str, Usual],
    *,
    open_after: int,
) -> Rehearsal:
    """Compute the feature rows of every fault of every sensor in several episodes of normal running.

    Parameters
    ----------
    plan : FeaturePlan
    readings : DataFrame
        Readings of the assets in ``normal``, with those before that windows and lags look back at.
    normal : DataFrame with columns asset_id, window_end
        Normal windows that episodes are taken from.
    usual_by_sensor : mapping
        Sensor → its usual level and deviation.
    open_after : int
        Anomalous windows that open an alarm.

    Returns
    -------
    Rehearsal
        Without a row where normal running never lasts long enough for an episode.
    """
    lasts, reach = slot_lengths(plan, open_after)
    windows_per_episode = max((lasts + reach) // ticks(plan.windows.every * plan.step), 1)
    injections, skipped = plan_injections(plan.asset_type, usual_by_sensor, SIZES)
    if len(injections) * max(windows_per_episode * LEAST / ROWS, LEAST / CALLS) > 1:
        injections, skipped = _fewer(*plan_injections(plan.asset_type, usual_by_sensor, FEW_SIZES), CALLS // LEAST)
    fault_count = max(len(injections), 1)
    episode_count = int(np.clip(min(ROWS // (fault_count * windows_per_episode), CALLS // fault_count), LEAST, MOST))
    slots = choose_slots(normal, lasts, reach, max(plan.max_gap, plan.windows.every * plan.step), episode_count)
    tracks = _tracks(plan, readings, {slot.asset_id for slot in slots})
    pieces: list[tuple[int, int, WindowRows]] = []
    for place, injection in [(CLEAN, None), *enumerate(injections)]:
        steps.report(_log, place + 1, len(injections) + 1, "injecting faults into %d normal episodes", len(slots))
        for number, slot in enumerate(slots):
            rows = _windows(plan, tracks[slot.asset_id], slot, injection, usual_by_sensor)
            pieces.append((place, number, rows))
    return Rehearsal(
        *_assembled(plan, pieces, slots),
        injections=tuple(injections),
        slots=tuple(slots),
        skipped=tuple(skipped),
        usual=usual_by_sensor,
        window_minutes=plan.windows.lasting(plan.step) / timedelta(minutes=1),
        asset_type=plan.asset_type,
    )


def _fewer(injections: list[Injection], skipped: list[Skipped], limit: int) -> tuple[list[Injection], list[Skipped]]:
    """Keep the unmistakable step of every sensor, and an even choice of the other faults up to the limit."""
    optional = [place for place, injection in enumerate(injections) if injection.kind != STEP]
    room = max(limit - (len(injections) - len(optional)), 0)
    if len(optional) <= room:
        return injections, skipped
    kept_places = {optional[int(at)] for at in np.linspace(0, len(optional) - 1, room)}
    dropped = [injections[place] for place in optional if place not in kept_places]
    why = "the machine has many sensors, so not every fault of each is rehearsed; faults of other sensors represent it"
    return (
        [injection for place, injection in enumerate(injections) if injection.kind == STEP or place in kept_places],
        [*skipped, *(Skipped(injection.sensor, injection.kind, why) for injection in dropped)],
    )


def look_back(plan: FeaturePlan) -> timedelta:
    """Return how far before an episode readings are needed: the reach of windows, plus the longest lag."""
    return plan.needed_before + max(LAGS) * plan.windows.lasting(plan.step)


def _tracks(plan: FeaturePlan, readings: pd.DataFrame, assets: set[str]) -> dict[str, Track]:
    """Return the readings of each asset as arrays, in time order."""
    tracks = {}
    for asset, asset_readings in readings[readings["asset_id"].isin(assets)].groupby("asset_id"):
        ordered = asset_readings.sort_values("timestamp")
        sensors = {name: ordered[name].to_numpy(np.float64, na_value=np.nan) for name in plan.sensors}
        tracks[str(asset)] = Track(microseconds(ordered["timestamp"]), sensors, ordered["regime"].to_numpy(object))
    return tracks


def _windows(
    plan: FeaturePlan, track: Track, slot: Slot, injection: Injection | None, usual_by_sensor: Mapping[str, Usual]
) -> WindowRows:
    """Compute the windows of one slot, with one fault in it or none."""
    first = int(np.searchsorted(track.micros, slot.start - ticks(plan.needed_before)))
    stop = int(np.searchsorted(track.micros, slot.end + ticks(plan.needed_after), "right"))
    sensors = {name: values[first:stop] for name, values in track.sensors.items()}
    micros = track.micros[first:stop]
    if injection is not None:
        begin = int(np.searchsorted(track.micros, slot.start))
        end = int(np.searchsorted(track.micros, slot.stop, "right"))
        before = track.sensors[injection.sensor]
        place = Place(
            seconds=(track.micros[begin:end] - slot.start) / 1e6,
            values=before[begin:end],
            before=before[:begin],
            usual=usual_by_sensor[injection.sensor],
            sensor=plan.asset_type.sensors[injection.sensor],
        )
        changed = sensors[injection.sensor].copy()
        changed[begin - first : end - first] = show_fault(injection, place, plan.windows.usual_rows(plan.step))
        if place.sensor.counter and injection.kind != "lag":
            # A counter continues from its value at the end of the fault.
            changed[end - first :] += changed[end - first - 1] - before[end - 1]
        sensors[injection.sensor] = changed
    return rows_of(plan, Track(micros, sensors, track.regimes[first:stop]), since=slot.start)


def _assembled(
    plan: FeaturePlan, pieces: Sequence[tuple[int, int, WindowRows]], slots: Sequence[Slot]
) -> tuple[pd.DataFrame, Places, Places]:
    """Put the usable windows of all rehearsals into one table, with the fault and the slot of each row."""
    usable = [np.flatnonzero((rows.why_not == "") & (rows.ends <= slots[number].end)) for _, number, rows in pieces]
    if not sum(len(places) for places in usable):
        return empty(plan), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    lengths = [len(places) for places in usable]
    values = np.concatenate([rows.values[places] for (_, _, rows), places in zip(pieces, usable, strict=True)])
    fixed = {
        "asset_id": np.repeat([slots[number].asset_id for _, number, _ in pieces], lengths),
        "window_end": _joined("ends", pieces, usable),
        "window_start": _joined("starts", pieces, usable),
        "regime": _joined("regimes", pieces, usable),
        "usable": True,
        "why_not": "",
        "plan": plan.hash,
    }
    for name in ("window_end", "window_start"):
        fixed[name] = pd.to_datetime(pd.Series(fixed[name]), unit="us", utc=True).dt.as_unit("us")
    frame = pd.concat([pd.DataFrame(fixed), pd.DataFrame(values, columns=list(plan.columns))], axis=1)
    places = [np.repeat([piece[which] for piece in pieces], lengths).astype(np.int64) for which in (0, 1)]
    return frame, places[0], places[1]


def _joined(name: str, pieces: Sequence[tuple[int, int, WindowRows]], usable: Sequence[Places]) -> NDArray[np.generic]:
    return np.concatenate([getattr(rows, name)[places] for (_, _, rows), places in zip(pieces, usable, strict=True)])
