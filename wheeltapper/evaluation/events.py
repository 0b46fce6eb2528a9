"""Events: the faults that were found, the delay of each, and the alarms that were false.

**An alarm is judged by its opening**, the instant at which a person is alerted:

* it opens inside a fault (plus or minus the tolerance): it finds that fault, and every other fault that it opens in;
* it opens anywhere else: it is a false alarm, *even if a fault begins before it closes*. An alarm that is already open
  gives no new information, so a detector that is always in alarm finds nothing. This is strict with an alarm that opens
  minutes before a fault; the tolerance allows for that case.

Further alarms inside a fault that is already found change no figure. Alarms of one asset that overlap, or between which
every watched window is anomalous (a pause in the readings closes an alarm), count as one. Time in alarm outside every
fault is wrong time, even if the alarm found a fault before.

**An early alarm** opens before a fault's record begins. Where that beginning is a convention (the last thirty cycles
before a failure) a plant may grant it a ``lead``. Within that time an alarm is about the next fault of its asset if

* it *stands*: it is still open when the fault begins (plus or minus the tolerance) or when the watch ends. An alarm
  that closed before counts as withdrawn and is false;
* it is *news*: more than half of the windows watched before it opened were normal. An alarm that is open from the first
  window on, or opens again and again, foretells nothing, however long the lead is;
* it is about no other fault: an alarm that opens inside a fault is about that fault.

It finds the fault without delay; the time between the two is the lead time. A fault whose alarm opened in an earlier
part, or before the watch began, is not found in this part: each part is judged alone.

A fault is *observed* if at least one watched window ends inside it; others cannot be found and do not count. A
fault that continues after the last window counts like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from wheeltapper.errors import DataError
from wheeltapper.evaluation.exposure import HOUR, Flags, Integers, is_covered, is_in_fault, places_by_asset, require
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
    """Share of the observed faults that the same number of alarms at random instants would find; None without faults.
    With a lead every random alarm is assumed to stand, so the share is an upper bound."""


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
        As `exposure.watched_rows` returns them.
    alarms : DataFrame with columns asset_id, opened_at, last_at, closed_at
        ``closed_at`` is empty while an alarm is open. An alarm without a watched window inside belongs to another part,
        or to a time when the asset was off, and is left out.
    faults : DataFrame with columns asset_id, start, end, kind
        Those of other assets, and those wholly before or after an asset's watched windows, belong to another part
        and are left out. A missing end means that the fault lasts.
    tolerance : timedelta
        How much earlier than a fault's start, or later than its end, an alarm may open and still count for it.
    lead : timedelta
        How long before a fault's start an alarm that stands may open and still count for it.

    Raises
    ------
    DataError
        If a column is missing, the tolerance or the lead is negative, or a fault or an alarm ends before it starts.
    """
    if tolerance < timedelta(0):
        raise DataError(f"the tolerance must not be negative, got {tolerance}")
    if lead < timedelta(0):
        raise DataError(f"the lead must not be negative, got {lead}")
    reach, lead_span = int(tolerance / _MICROSECOND), int(lead / _MICROSECOND)
    fault_spans = _fault_spans(faults, rows)
    widened = fault_spans.assign(start=fault_spans["start"] - reach, end=fault_spans["end"] + reach)
    alarm_spans = _alarm_spans(alarms)
    is_watched = _windows_inside(alarm_spans.rename(columns={"opened": "start", "ended": "end"}), rows, "hours")[0] > 0
    merged = _merge(alarm_spans[is_watched].reset_index(drop=True), rows)
    merged = merged.assign(foretells=_foretold(merged, rows, widened, fault_spans, reach, lead_span))
    part_faults = _of_this_part(fault_spans, rows)
    return Events(
        faults=_find(part_faults, merged, rows, reach),
        alarms=_blame(merged, rows, widened),
        chance=_chance(part_faults[part_faults["is_observed"]], merged, rows, reach, lead_span),
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
    """Merge alarms of one asset that overlap, or between which no watched window is normal."""
    places_of = places_by_asset(rows["asset_id"])
    time, normal = rows["time"].to_numpy(), ~rows["is_anomalous"].to_numpy()
    merged = []
    for asset, places in places_by_asset(spans["asset_id"]).items():
        opened = spans["opened"].to_numpy()[places]
        ended = np.maximum.accumulate(spans["ended"].to_numpy()[places])
        row_places = places_of.get(asset, np.zeros(0, dtype=np.int64))
        normal_times = time[row_places][normal[row_places]]
        is_separate = np.searchsorted(normal_times, opened[1:], "left") > np.searchsorted(
            normal_times, ended[:-1], "right"
        )
        begins = np.concatenate(([True], is_separate))
        merged.append(
            pd.DataFrame(
                {"asset_id": asset, "opened": opened[begins], "ended": ended[np.append(begins[1:], True)]},
            )
        )
    return pd.concat(merged, ignore_index=True) if merged else spans


def _of_this_part(faults: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the faults within their asset's watch, and mark those in which a watched window ends."""
    watch = rows.groupby("asset_id")["time"].agg(["min", "max"]).reindex(faults["asset_id"])
    is_watched = (faults["end"].to_numpy() >= watch["min"].to_numpy()) & (
        faults["start"].to_numpy() <= watch["max"].to_numpy()
    )
    part_faults = faults[is_watched].reset_index(drop=True)
    return part_faults.assign(is_observed=_windows_inside(part_faults, rows, "hours")[0] > 0)


def _windows_inside(spans: pd.DataFrame, rows: pd.DataFrame, what: str) -> tuple[Integers, pd.Series]:
    """Return how many watched windows end inside each span, and the sum of a column over them."""
    count = np.zeros(len(spans), dtype=np.int64)
    total = np.zeros(len(spans))
    places_of, time, values = (
        places_by_asset(rows["asset_id"]),
        rows["time"].to_numpy(),
        rows[what].to_numpy(np.float64),
    )
    for asset, places in places_by_asset(spans["asset_id"]).items():
        if asset not in places_of:
            continue
        row_places = places_of[asset]
        first = np.searchsorted(time[row_places], spans["start"].to_numpy()[places], "left")
        stop = np.maximum(np.searchsorted(time[row_places], spans["end"].to_numpy()[places], "right"), first)
        running = np.concatenate(([0.0], np.cumsum(values[row_places])))
        count[places] = stop - first
        total[places] = running[stop] - running[first]
    return count, pd.Series(total)


def _foretold(
    alarms: pd.DataFrame, rows: pd.DataFrame, widened: pd.DataFrame, faults: pd.DataFrame, reach: int, lead: int
) -> Integers:
    """Return for each alarm the start of the fault that it is early for, 0 for none; see the module for the rules."""
    foretold = np.zeros(len(alarms), dtype=np.int64)
    if lead <= reach or faults.empty:
        return foretold
    places_of, faults_of = places_by_asset(rows["asset_id"]), places_by_asset(faults["asset_id"])
    time, is_anomalous = rows["time"].to_numpy(), rows["is_anomalous"].to_numpy(bool)
    opened, ended = alarms["opened"].to_numpy(), alarms["ended"].to_numpy()
    for asset, places in places_by_asset(alarms["asset_id"]).items():
        if asset not in faults_of:
            continue
        row_places, asset_faults = places_of[asset], faults_of[asset]
        starts = np.append(np.unique(faults["start"].to_numpy()[asset_faults]), np.iinfo(np.int64).max)
        following = starts[np.searchsorted(starts, opened[places], "right")]
        elsewhere = ~is_covered(
            opened[places], widened["start"].to_numpy()[asset_faults], widened["end"].to_numpy()[asset_faults]
        )
        stands = (ended[places] >= following - reach) | (ended[places] >= time[row_places][-1])
        is_early = (
            elsewhere
            & (following - opened[places] <= lead)
            & stands
            & _is_news(opened[places], time[row_places], is_anomalous[row_places])
        )
        foretold[places] = np.where(is_early, following, 0)
    return foretold


def _is_news(opened: Integers, time: Integers, is_anomalous: Flags) -> Flags:
    """Return which alarms opened after more than half of the windows watched so far were normal."""
    before = np.searchsorted(time, opened, "right")
    anomalous_before = np.concatenate(([0], np.cumsum(is_anomalous)))[before]
    news: Flags = 2 * anomalous_before < before
    return news


def _find(faults: pd.DataFrame, alarms: pd.DataFrame, rows: pd.DataFrame, reach: int) -> pd.DataFrame:
    """Assign to each observed fault the first alarm that is about it; the delay counts from the start of the watch."""
    delay, found_by = np.full(len(faults), np.nan), np.zeros(len(faults), dtype=np.int64)
    watch_began = rows.groupby("asset_id")["time"].min()
    openings = places_by_asset(alarms["asset_id"])
    opened, start, end = alarms["opened"].to_numpy(), faults["start"].to_numpy(), faults["end"].to_numpy()
    foretells = alarms["foretells"].to_numpy()
    for asset, places in places_by_asset(faults["asset_id"]).items():
        if asset not in openings:
            continue
        asset_openings = opened[openings[asset]]
        first = np.searchsorted(asset_openings, start[places] - reach, "left")
        at = np.append(asset_openings, np.iinfo(np.int64).max)[first]
        pairs = zip(foretells[openings[asset]].tolist(), asset_openings.tolist(), strict=True)
        early = {begin: opening for begin, opening in reversed(list(pairs)) if begin}  # the first alarm wins
        at = np.array(
            [early.get(begin, first_opening) for begin, first_opening in zip(start[places].tolist(), at, strict=True)]
        )
        late = np.maximum(at - np.maximum(start[places], watch_began[asset]), 0) / HOUR
        delay[places], found_by[places] = np.where(at <= end[places] + reach, late, np.nan), at
    delay[~faults["is_observed"].to_numpy(bool)] = np.nan
    is_found = ~np.isnan(delay)
    lead = np.where(is_found & faults["is_over"].to_numpy(bool), (end - found_by) / HOUR, np.nan)
    return faults.assign(
        is_found=is_found, delay_hours=delay, found_by=np.where(is_found, found_by, 0), lead_hours=lead
    )


def _blame(alarms: pd.DataFrame, rows: pd.DataFrame, widened: pd.DataFrame) -> pd.DataFrame:
    """Mark false alarms, and add the watched hours of each alarm outside every fault."""
    is_true = (alarms["foretells"] > 0).to_numpy(copy=True)
    early = alarms[is_true].rename(columns={"opened": "start", "foretells": "end"})[["asset_id", "start", "end"]]
    faults_of = places_by_asset(widened["asset_id"])
    opened, start, end = alarms["opened"].to_numpy(), widened["start"].to_numpy(), widened["end"].to_numpy()
    for asset, places in places_by_asset(alarms["asset_id"]).items():
        if asset in faults_of:
            is_true[places] |= is_covered(opened[places], start[faults_of[asset]], end[faults_of[asset]])
    justified = pd.concat([widened[["asset_id", "start", "end"]], early], ignore_index=True) if len(early) else widened
    outside = rows.assign(wrong=rows["hours"].where(~is_in_fault(rows, justified), 0.0))
    spans = alarms.rename(columns={"opened": "start", "ended": "end"})
    return alarms.assign(is_false=~is_true, wrong_hours=_windows_inside(spans, outside, "wrong")[1].array)


def _chance(faults: pd.DataFrame, alarms: pd.DataFrame, rows: pd.DataFrame, reach: int, lead: int) -> float | None:
    """Return the share of faults that each asset's number of alarms would find at random watched instants.

    One alarm opens inside a fault with the fault's share ``p`` of the watched hours; n of them miss it together with
    (1 − p)ⁿ. The number of alarms is taken per asset, so a detector gains nothing here by choosing the right asset.
    """
    if faults.empty:
        return None
    widened = faults.assign(start=faults["start"] - max(reach, lead), end=faults["end"] + reach)
    watched = rows.groupby("asset_id")["hours"].sum().reindex(faults["asset_id"]).to_numpy()
    share = np.clip(_windows_inside(widened, rows, "hours")[1].to_numpy() / watched, 0, 1)
    alarm_counts = alarms.groupby("asset_id").size().reindex(faults["asset_id"], fill_value=0).to_numpy()
    return float(np.mean(1 - (1 - share) ** alarm_counts))
