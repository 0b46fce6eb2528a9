"""Events: which faults were found, how late, and which alarms rang for nothing.

**An alarm is judged by its opening**, the instant at which somebody is called:

* it opens inside a fault (give or take the tolerance): it finds that fault, and every other fault that it opens in;
* it opens anywhere else: it is a false alarm, *even if a fault begins while it still burns*. A lamp that is already on
  tells nobody anything new, so a detector that always rings finds nothing. This is strict with a false alarm that
  would have been a true one minutes later; the tolerance is there for exactly that.

Further alarms inside a fault that was found already are neither praised nor punished. Alarms of one asset that
overlap, or between which every watched window is anomalous (a pause in the readings closes an alarm; the lamp never
went out), count as one. Time in alarm outside every fault is wrong time, whatever the alarm found before.

**An early alarm** opens before a fault's record begins. Where that beginning is a convention (the last thirty cycles
before a failure) a plant may grant it a ``lead``. Within that time an alarm is about the next fault of its asset if

* it *stands*: it still burns when the fault begins (give or take the tolerance) or when the watch ends. One that went
  out before was withdrawn, and is as false as ever;
* it is *news*: the asset was quiet for more than half of the windows watched before it opened. A lamp that burns from
  the first window on, or flickers, foretells nothing, however long the lead is;
* it is about no other fault: one that opens inside a fault is about that one.

It finds the fault without delay; how early it was is the lead time. A fault whose alarm opened in an earlier part, or
before anybody watched, is not found in this one: that is strict, and no part borrows from another.

A fault is *observed* if at least one watched window ends inside it; others cannot be found and do not count. A
fault that runs on past the last window counts like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from wheeltapper.errors import DataError
from wheeltapper.evaluation.exposure import HOUR, Flags, Integers, is_covered, is_in_fault, own_places, require
from wheeltapper.tables import microseconds

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Events:
    """Faults and alarms of one part, matched. All instants are µs since the epoch, all durations hours."""

    faults: pd.DataFrame
    """asset_id, kind, start, end, is_observed, is_found, delay_hours (NaN unless found), found_by (opening of the alarm
    that found it; 0 unless found), is_over (its end is known), lead_hours (from that opening to the fault's end, below
    0 where it opened after it; NaN unless found and over)."""
    alarms: pd.DataFrame
    """asset_id, opened, ended, foretells (start of the fault that it is early for; 0: none), is_false, wrong_hours."""
    chance: float | None
    """Share of the observed faults that as many alarms at random instants would find; None without faults. With a lead
    every one of these is taken to stand, so it is an upper bound."""


def match(
    rows: pd.DataFrame,
    alarms: pd.DataFrame,
    faults: pd.DataFrame,
    tolerance: timedelta,
    lead: timedelta = timedelta(0),
) -> Events:
    """Match alarms to the faults of the same asset.

    Parameters
    ----------
    rows : DataFrame
        As `watch.watched_rows` returns them.
    alarms : DataFrame with columns asset_id, opened_at, last_at, closed_at
        ``closed_at`` is empty while an alarm is open. One without a watched window inside rang for another part, or
        while the asset was off, and is left out.
    faults : DataFrame with columns asset_id, start, end, kind
        Those of other assets, and those wholly before or after an asset's watched windows, belong to another part
        and are left out. A missing end means that the fault is still there.
    tolerance : timedelta
        How much earlier than a fault's start, or later than its end, an alarm may open and still be about it.
    lead : timedelta
        How long before a fault's start an alarm that stands may open and still be about it.

    Raises
    ------
    DataError
        If a column is missing, the tolerance or the lead is negative, or a fault or an alarm ends before it starts.
    """
    if tolerance < timedelta(0):
        raise DataError(f"the tolerance must not be negative, got {tolerance}")
    if lead < timedelta(0):
        raise DataError(f"the lead must not be negative, got {lead}")
    reach, ahead = int(tolerance / _MICROSECOND), int(lead / _MICROSECOND)
    known = _fault_spans(faults, rows)
    wide = known.assign(start=known["start"] - reach, end=known["end"] + reach)
    rung = _alarm_spans(alarms)
    lit = _windows_inside(rung.rename(columns={"opened": "start", "ended": "end"}), rows, "hours")[0] > 0
    lamps = _merge(rung[lit].reset_index(drop=True), rows)
    lamps = lamps.assign(foretells=_foretold(lamps, rows, wide, known, reach, ahead))
    truth = _of_this_part(known, rows)
    return Events(
        faults=_find(truth, lamps, rows, reach),
        alarms=_blame(lamps, rows, wide),
        chance=_chance(truth[truth["is_observed"]], lamps, rows, reach, ahead),
    )


def _fault_spans(faults: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    require(faults, "faults", ["asset_id", "start", "end", "kind"])
    start = microseconds(faults["start"])
    last = int(rows["time"].max()) if len(rows) else 0
    end = np.where(faults["end"].isna(), np.maximum(start, last), microseconds(faults["end"]))
    spans = pd.DataFrame(
        {"asset_id": faults["asset_id"].array, "kind": faults["kind"].array, "start": start, "end": end}
    )
    spans["is_over"] = faults["end"].notna().to_numpy()
    _require_order(spans, "start", "end", "fault")
    return spans.sort_values(["asset_id", "start", "kind"], kind="stable").reset_index(drop=True)


def _alarm_spans(alarms: pd.DataFrame) -> pd.DataFrame:
    require(alarms, "alarms", ["asset_id", "opened_at", "last_at", "closed_at"])
    ended = np.where(alarms["closed_at"].isna(), microseconds(alarms["last_at"]), microseconds(alarms["closed_at"]))
    spans = pd.DataFrame(
        {"asset_id": alarms["asset_id"].array, "opened": microseconds(alarms["opened_at"]), "ended": ended}
    )
    _require_order(spans, "opened", "ended", "alarm")
    return spans.sort_values(["asset_id", "opened"], kind="stable").reset_index(drop=True)


def _require_order(spans: pd.DataFrame, start: str, end: str, what: str) -> None:
    wrong = spans[spans[end] < spans[start]]
    if len(wrong):
        at = pd.Timestamp(int(wrong[start].iloc[0]), unit="us", tz="UTC").isoformat()
        raise DataError(f"{len(wrong)} {what}s end before they start, first of {wrong['asset_id'].iloc[0]} at {at}")


def _merge(spans: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Fold alarms of one asset that overlap, or between which no watched window is normal, into one."""
    mine = own_places(rows["asset_id"])
    time, normal = rows["time"].to_numpy(), ~rows["is_anomalous"].to_numpy()
    merged = []
    for asset, places in own_places(spans["asset_id"]).items():
        opened = spans["opened"].to_numpy()[places]
        ended = np.maximum.accumulate(spans["ended"].to_numpy()[places])
        own = mine.get(asset, np.zeros(0, dtype=np.int64))
        quiet = time[own][normal[own]]
        rested = np.searchsorted(quiet, opened[1:], "left") > np.searchsorted(quiet, ended[:-1], "right")
        begins = np.concatenate(([True], rested))
        merged.append(
            pd.DataFrame(
                {"asset_id": asset, "opened": opened[begins], "ended": ended[np.append(begins[1:], True)]},
            )
        )
    return pd.concat(merged, ignore_index=True) if merged else spans


def _of_this_part(faults: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the faults that touch their asset's watch, and say which of them a watched window ends in."""
    watch = rows.groupby("asset_id")["time"].agg(["min", "max"]).reindex(faults["asset_id"])
    is_here = (faults["end"].to_numpy() >= watch["min"].to_numpy()) & (
        faults["start"].to_numpy() <= watch["max"].to_numpy()
    )
    kept = faults[is_here].reset_index(drop=True)
    return kept.assign(is_observed=_windows_inside(kept, rows, "hours")[0] > 0)


def _windows_inside(spans: pd.DataFrame, rows: pd.DataFrame, what: str) -> tuple[Integers, pd.Series]:
    """Return how many watched windows end inside each span, and the sum of a column over them."""
    count = np.zeros(len(spans), dtype=np.int64)
    total = np.zeros(len(spans))
    mine, time, values = own_places(rows["asset_id"]), rows["time"].to_numpy(), rows[what].to_numpy(np.float64)
    for asset, places in own_places(spans["asset_id"]).items():
        if asset not in mine:
            continue
        own = mine[asset]
        first = np.searchsorted(time[own], spans["start"].to_numpy()[places], "left")
        stop = np.maximum(np.searchsorted(time[own], spans["end"].to_numpy()[places], "right"), first)
        running = np.concatenate(([0.0], np.cumsum(values[own])))
        count[places] = stop - first
        total[places] = running[stop] - running[first]
    return count, pd.Series(total)


def _foretold(
    lamps: pd.DataFrame, rows: pd.DataFrame, wide: pd.DataFrame, known: pd.DataFrame, reach: int, lead: int
) -> Integers:
    """Return for each alarm the start of the fault that it is early for, 0 for none; the rules are told above."""
    found = np.zeros(len(lamps), dtype=np.int64)
    if lead <= reach or known.empty:
        return found
    mine, about = own_places(rows["asset_id"]), own_places(known["asset_id"])
    time, rung = rows["time"].to_numpy(), rows["is_anomalous"].to_numpy(bool)
    opened, ended = lamps["opened"].to_numpy(), lamps["ended"].to_numpy()
    for asset, places in own_places(lamps["asset_id"]).items():
        if asset not in about:
            continue
        own, faults = mine[asset], about[asset]
        starts = np.append(np.unique(known["start"].to_numpy()[faults]), np.iinfo(np.int64).max)
        following = starts[np.searchsorted(starts, opened[places], "right")]
        elsewhere = ~is_covered(opened[places], wide["start"].to_numpy()[faults], wide["end"].to_numpy()[faults])
        stands = (ended[places] >= following - reach) | (ended[places] >= time[own][-1])
        is_early = (
            elsewhere & (following - opened[places] <= lead) & stands & _is_news(opened[places], time[own], rung[own])
        )
        found[places] = np.where(is_early, following, 0)
    return found


def _is_news(opened: Integers, time: Integers, rung: Flags) -> Flags:
    """Tell which alarms opened after their asset had been quiet for more than half of the windows watched so far."""
    before = np.searchsorted(time, opened, "right")
    loud = np.concatenate(([0], np.cumsum(rung)))[before]
    news: Flags = 2 * loud < before
    return news


def _find(faults: pd.DataFrame, alarms: pd.DataFrame, rows: pd.DataFrame, reach: int) -> pd.DataFrame:
    """Give each observed fault the first alarm that is about it; the delay counts from when the watch began."""
    delay, found_by = np.full(len(faults), np.nan), np.zeros(len(faults), dtype=np.int64)
    begun = rows.groupby("asset_id")["time"].min()
    openings = own_places(alarms["asset_id"])
    opened, start, end = alarms["opened"].to_numpy(), faults["start"].to_numpy(), faults["end"].to_numpy()
    foretells = alarms["foretells"].to_numpy()
    for asset, places in own_places(faults["asset_id"]).items():
        if asset not in openings:
            continue
        own = opened[openings[asset]]
        first = np.searchsorted(own, start[places] - reach, "left")
        at = np.append(own, np.iinfo(np.int64).max)[first]
        pairs = zip(foretells[openings[asset]].tolist(), own.tolist(), strict=True)
        early = {begin: opening for begin, opening in reversed(list(pairs)) if begin}  # of several the first stays
        at = np.array([early.get(begin, other) for begin, other in zip(start[places].tolist(), at, strict=True)])
        late = np.maximum(at - np.maximum(start[places], begun[asset]), 0) / HOUR
        delay[places], found_by[places] = np.where(at <= end[places] + reach, late, np.nan), at
    delay[~faults["is_observed"].to_numpy(bool)] = np.nan
    is_found = ~np.isnan(delay)
    lead = np.where(is_found & faults["is_over"].to_numpy(bool), (end - found_by) / HOUR, np.nan)
    return faults.assign(
        is_found=is_found, delay_hours=delay, found_by=np.where(is_found, found_by, 0), lead_hours=lead
    )


def _blame(alarms: pd.DataFrame, rows: pd.DataFrame, wide: pd.DataFrame) -> pd.DataFrame:
    """Say which alarms are false, and how many watched hours each burnt outside every fault."""
    is_true = (alarms["foretells"] > 0).to_numpy(copy=True)
    early = alarms[is_true].rename(columns={"opened": "start", "foretells": "end"})[["asset_id", "start", "end"]]
    known = own_places(wide["asset_id"])
    opened, start, end = alarms["opened"].to_numpy(), wide["start"].to_numpy(), wide["end"].to_numpy()
    for asset, places in own_places(alarms["asset_id"]).items():
        if asset in known:
            is_true[places] |= is_covered(opened[places], start[known[asset]], end[known[asset]])
    right = pd.concat([wide[["asset_id", "start", "end"]], early], ignore_index=True) if len(early) else wide
    outside = rows.assign(wrong=rows["hours"].where(~is_in_fault(rows, right), 0.0))
    spans = alarms.rename(columns={"opened": "start", "ended": "end"})
    return alarms.assign(is_false=~is_true, wrong_hours=_windows_inside(spans, outside, "wrong")[1].array)


def _chance(faults: pd.DataFrame, alarms: pd.DataFrame, rows: pd.DataFrame, reach: int, lead: int) -> float | None:
    """Return the share of faults that each asset's number of alarms would find at random watched instants.

    One alarm opens inside a fault with the fault's share ``p`` of the watched hours; n of them miss it together with
    (1 − p)ⁿ. The number is each asset's own, so a detector earns nothing here by ringing on the right asset.
    """
    if faults.empty:
        return None
    wide = faults.assign(start=faults["start"] - max(reach, lead), end=faults["end"] + reach)
    watched = rows.groupby("asset_id")["hours"].sum().reindex(faults["asset_id"]).to_numpy()
    share = np.clip(_windows_inside(wide, rows, "hours")[1].to_numpy() / watched, 0, 1)
    rung = alarms.groupby("asset_id").size().reindex(faults["asset_id"], fill_value=0).to_numpy()
    return float(np.mean(1 - (1 - share) ** rung))
