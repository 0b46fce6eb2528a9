"""Episodes: short pieces of recent normal running, each rehearsed again and again with another fault in it.

A fault is put into the readings, not into the features: it goes through conditioning, windows and feature sets like
any other. Only the few readings about an episode are computed again, so hundreds of rehearsals take seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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

CLEAN = -1
"""Stands in ``injection`` for the rehearsal without a fault."""
LEAST, MOST = 5, 10
"""Episodes of each fault: of five, four must be heard for a power of 80 %; ten tell more and cost twice as much."""
ROWS = 24_000
"""Windows that every candidate is asked about: a nearest-neighbour detector scores as many in some seconds."""
CALLS = 1000
"""Rehearsals in all, at the most: each takes some milliseconds, many where a machine has many sensors."""
SHORTEST = 10
"""Readings that a fault lasts at least."""


@dataclass(frozen=True)
class Slot:
    """A piece of one asset's normal running, in microseconds since the epoch."""

    asset_id: str
    start: int
    """Time of the first faulty reading."""
    stop: int
    """Last instant of the fault."""
    end: int
    """Last instant at which a window can still have heard it."""


@dataclass(frozen=True)
class Rehearsal:
    """Feature rows of every fault in every slot, and of the slots without one."""

    rows: pd.DataFrame
    """Rows of the table of features, usable ones only."""
    injection: Places
    """Of each row the place of its fault in ``injections``; `CLEAN` for none."""
    slot: Places
    injections: tuple[Injection, ...]
    slots: tuple[Slot, ...]
    skipped: tuple[Skipped, ...]
    usual: Mapping[str, Usual]
    window_minutes: float
    asset_type: AssetType


def slot_lengths(plan: FeaturePlan, open_after: int) -> tuple[int, int]:
    """Return how long a fault lasts and how long it is listened for after that, in microseconds.

    So long that its windows can open an alarm, and no longer: a fault that is heard only after hours is not found here.
    """
    window = plan.windows.lasting(plan.step)
    spacing = plan.windows.every * plan.step
    lasts = max(window + (open_after + 1) * spacing, SHORTEST * plan.asset_type.step)
    return ticks(lasts), ticks(window)


def choose_slots(normal: pd.DataFrame, lasts: int, reach: int, max_gap: timedelta, most: int) -> list[Slot]:
    """Choose pieces of normal running that do not overlap, the newest of each asset first, asset by asset in turn.

    Parameters
    ----------
    normal : DataFrame with columns asset_id, window_end
        Normal windows.
    lasts, reach : int
        Length of a fault, and of the time after it in which it may still be heard, in microseconds.
    max_gap : timedelta
        A longer pause between two windows ends a piece.
    most : int
        Slots in all.
    """
    by_asset = []
    for asset, own in normal.groupby("asset_id", sort=True):
        ends = np.sort(microseconds(own["window_end"]))
        cuts = np.flatnonzero(np.diff(ends) > ticks(max_gap)) + 1
        found: list[Slot] = []
        for run in np.split(ends, cuts):
            start, last = int(run[0]), int(run[-1])
            while start + lasts + reach <= last:
                at = int(run[np.searchsorted(run, start)])
                if at + lasts + reach > last:
                    break
                found.append(Slot(str(asset), at, at + lasts, at + lasts + reach))
                start = at + lasts + reach + 1
        by_asset.append(found[::-1])
    in_turn = [slot for row in zip_longest(*by_asset) for slot in row if slot is not None]
    return in_turn[:most]


def rehearse(
    plan: FeaturePlan, readings: pd.DataFrame, normal: pd.DataFrame, usual: Mapping[str, Usual], *, open_after: int
) -> Rehearsal:
    """Compute the feature rows of every fault of every sensor in several episodes of normal running.

    Parameters
    ----------
    plan : FeaturePlan
    readings : DataFrame
        Readings of the assets in ``normal``, with those before that windows and lags look back at.
    normal : DataFrame with columns asset_id, window_end
        Normal windows that episodes are taken from.
    usual : mapping
        Sensor → what is usual for it.
    open_after : int
        Anomalous windows that open an alarm.

    Returns
    -------
    Rehearsal
        Without a row where normal running never lasts long enough for an episode.
    """
    lasts, reach = slot_lengths(plan, open_after)
    each = max((lasts + reach) // ticks(plan.windows.every * plan.step), 1)
    injections, skipped = plan_injections(plan.asset_type, usual, SIZES)
    if len(injections) * max(each * LEAST / ROWS, LEAST / CALLS) > 1:
        injections, skipped = _fewer(*plan_injections(plan.asset_type, usual, FEW_SIZES), CALLS // LEAST)
    at_once = max(len(injections), 1)
    many = int(np.clip(min(ROWS // (at_once * each), CALLS // at_once), LEAST, MOST))
    slots = choose_slots(normal, lasts, reach, max(plan.max_gap, plan.windows.every * plan.step), many)
    tracks = _tracks(plan, readings, {slot.asset_id for slot in slots})
    pieces = [
        (place, number, _windows(plan, tracks[slot.asset_id], slot, injection, usual))
        for place, injection in [(CLEAN, None), *enumerate(injections)]
        for number, slot in enumerate(slots)
    ]
    return Rehearsal(
        *_assembled(plan, pieces, slots),
        injections=tuple(injections),
        slots=tuple(slots),
        skipped=tuple(skipped),
        usual=usual,
        window_minutes=plan.windows.lasting(plan.step) / timedelta(minutes=1),
        asset_type=plan.asset_type,
    )


def _fewer(injections: list[Injection], skipped: list[Skipped], most: int) -> tuple[list[Injection], list[Skipped]]:
    """Keep the unmistakable step of every sensor, and of the other faults as many as there is time for, evenly."""
    others = [place for place, one in enumerate(injections) if one.kind != STEP]
    room = max(most - (len(injections) - len(others)), 0)
    if len(others) <= room:
        return injections, skipped
    kept = {others[int(at)] for at in np.linspace(0, len(others) - 1, room)}
    left = [injections[place] for place in others if place not in kept]
    why = "with so many sensors not every fault of each is rehearsed; those of others stand for it"
    return (
        [one for place, one in enumerate(injections) if one.kind == STEP or place in kept],
        [*skipped, *(Skipped(one.sensor, one.kind, why) for one in left)],
    )


def look_back(plan: FeaturePlan) -> timedelta:
    """Return how far before an episode readings are needed: what windows look back at, and the longest lag."""
    return plan.needed_before + max(LAGS) * plan.windows.lasting(plan.step)


def _tracks(plan: FeaturePlan, readings: pd.DataFrame, assets: set[str]) -> dict[str, Track]:
    """Return the readings of each asset as arrays, in time order."""
    tracks = {}
    for asset, own in readings[readings["asset_id"].isin(assets)].groupby("asset_id"):
        ordered = own.sort_values("timestamp")
        sensors = {name: ordered[name].to_numpy(np.float64, na_value=np.nan) for name in plan.sensors}
        tracks[str(asset)] = Track(microseconds(ordered["timestamp"]), sensors, ordered["regime"].to_numpy(object))
    return tracks


def _windows(
    plan: FeaturePlan, track: Track, slot: Slot, injection: Injection | None, usual: Mapping[str, Usual]
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
            usual=usual[injection.sensor],
            sensor=plan.asset_type.sensors[injection.sensor],
        )
        changed = sensors[injection.sensor].copy()
        changed[begin - first : end - first] = show_fault(injection, place, plan.windows.usual_rows(plan.step))
        if place.sensor.counter and injection.kind != "lag":
            # A counter counts on from where its fault has left it.
            changed[end - first :] += changed[end - first - 1] - before[end - 1]
        sensors[injection.sensor] = changed
    return rows_of(plan, Track(micros, sensors, track.regimes[first:stop]), since=slot.start)


def _assembled(
    plan: FeaturePlan, pieces: Sequence[tuple[int, int, WindowRows]], slots: Sequence[Slot]
) -> tuple[pd.DataFrame, Places, Places]:
    """Put the usable windows of all rehearsals into one table, with the place of fault and slot beside each."""
    kept = [np.flatnonzero((rows.why_not == "") & (rows.ends <= slots[number].end)) for _, number, rows in pieces]
    if not sum(len(own) for own in kept):
        return empty(plan), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    lengths = [len(own) for own in kept]
    values = np.concatenate([rows.values[own] for (_, _, rows), own in zip(pieces, kept, strict=True)])
    fixed = {
        "asset_id": np.repeat([slots[number].asset_id for _, number, _ in pieces], lengths),
        "window_end": _joined("ends", pieces, kept),
        "window_start": _joined("starts", pieces, kept),
        "regime": _joined("regimes", pieces, kept),
        "usable": True,
        "why_not": "",
        "plan": plan.hash,
    }
    for name in ("window_end", "window_start"):
        fixed[name] = pd.to_datetime(pd.Series(fixed[name]), unit="us", utc=True).dt.as_unit("us")
    frame = pd.concat([pd.DataFrame(fixed), pd.DataFrame(values, columns=list(plan.columns))], axis=1)
    places = [np.repeat([piece[which] for piece in pieces], lengths).astype(np.int64) for which in (0, 1)]
    return frame, places[0], places[1]


def _joined(name: str, pieces: Sequence[tuple[int, int, WindowRows]], kept: Sequence[Places]) -> NDArray[np.generic]:
    return np.concatenate([getattr(rows, name)[own] for (_, _, rows), own in zip(pieces, kept, strict=True)])
