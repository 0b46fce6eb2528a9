"""Judge a candidate: compute every figure of its judgement from scores, alarms, faults and costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Literal

import numpy as np
import pandas as pd

from wheeltapper.config import Costs
from wheeltapper.errors import DataError
from wheeltapper.evaluation.costs import availability, break_down, missed_costs, price_events
from wheeltapper.evaluation.events import Events, match
from wheeltapper.evaluation.exposure import (
    HOUR,
    WEEK_HOURS,
    Flags,
    Integers,
    is_in_fault,
    places_by_asset,
    watched_rows,
)
from wheeltapper.evaluation.intervals import median_interval, rate_interval, share_interval, total_interval
from wheeltapper.evaluation.judgement import NO_FAULTS, Confusion, Judgement, KindResult, Outcome
from wheeltapper.evaluation.lead import ends_in_failure, lead_figures, lead_notes
from wheeltapper.evaluation.naming import compare
from wheeltapper.evaluation.ranges import judge_ranges
from wheeltapper.evaluation.ranking import Ranking, rank_windows
from wheeltapper.evaluation.window_shares import false_alarms_by, window_shares

_MINUTES = 60


def judge(
    candidate: str,
    part: Literal["validate", "test", "live"],
    scores: pd.DataFrame,
    alarms: pd.DataFrame,
    faults: pd.DataFrame,
    costs: Costs,
    *,
    spacing: timedelta,
    max_gap: timedelta,
    tolerance: timedelta,
    vus_window: int,
    seed: int,
    parts_of_kinds: Mapping[str, str] | None = None,
    lead: timedelta = timedelta(0),
    failing_kinds: Collection[str] = (),
) -> Judgement:
    """Judge a candidate's scores and alarms by the true faults and by money.

    Parameters
    ----------
    scores : DataFrame with columns asset_id, window_end, score, threshold and, where known, regime
        Every scored window of the part, of one bundle.
    alarms : DataFrame with columns asset_id, opened_at, last_at, closed_at
        The alarms folded from these scores; with ``parts_of_kinds`` also the fault that each alarm names, see
        `naming.compare`.
    faults : DataFrame with columns asset_id, start, end, kind
        All known faults; those of other parts are left out automatically.
    spacing, max_gap : timedelta
        Usual time between windows; a longer pause than ``max_gap`` is not watched time.
    tolerance : timedelta
        How much earlier or later than a fault an alarm may open and still count for it.
    vus_window : int
        Widest buffer round a fault for VUS, in windows.
    seed : int
        For the bootstrap and for the random scores.
    parts_of_kinds : mapping, optional
        Kind of fault → ``machine`` or ``sensor``, for kinds that an alarm can name.
    lead : timedelta
        How long before a fault's start an alarm that stands may open and still count for it, see `events`.
    failing_kinds : collection of str
        Kinds of fault whose end is a failure; lead times are measured to it.

    Raises
    ------
    DataError
        If nothing was scored, or a table is not as described.
    """
    rows = watched_rows(scores, spacing=spacing, max_gap=max_gap)
    if rows.empty:
        raise DataError(f"{candidate}: part {part} has no scored window of a running asset; there is nothing to judge")
    events = match(rows, alarms, faults, tolerance, lead)
    is_faulty = is_in_fault(rows, _spans(events))
    observed = events.faults[events.faults["is_observed"]]
    ranking = rank_windows(rows, is_faulty, vus_window=vus_window, seed=seed)
    return Judgement(
        candidate=candidate,
        part=part,
        notes=(*_notes(events, ranking), *lead_notes(faults, failing_kinds)),
        **_fault_figures(events, observed, costs, failing_kinds, seed),
        **lead_figures(observed, failing_kinds, seed=seed).model_dump(),
        naming=None if parts_of_kinds is None else compare(events, alarms, parts_of_kinds),
        **_alarm_figures(events, rows, is_faulty),
        **_cost_figures(events, rows, costs, seed),
        **ranking.model_dump(exclude={"assets_ranked"}),
        **judge_ranges(rows, observed, seed=seed).model_dump(),
        base_rate=float(is_faulty.mean()),
        **_window_figures(rows, is_faulty, len(observed)),
        **false_alarms_by(events.alarms, scores),
        windows_anomalous=int(rows["is_anomalous"].sum()),
        availability=availability(rows, is_faulty),
        mtbf_hours=float(rows["hours"].sum()) / len(observed) if len(observed) else None,
    )


def _spans(events: Events) -> pd.DataFrame:
    return events.faults[["asset_id", "start", "end"]]


def _notes(events: Events, ranking: Ranking) -> tuple[str, ...]:
    observed = int(events.faults["is_observed"].sum())
    hidden = len(events.faults) - observed
    notes = [] if observed else [NO_FAULTS]
    if hidden:
        notes.append(f"{hidden} of {len(events.faults)} faults have no watched window inside and do not count")
    if observed and not ranking.assets_ranked:
        notes.append("no asset has both faulty and normal windows: scores cannot be ranked")
    return tuple(notes)


def _fault_figures(
    events: Events, observed: pd.DataFrame, costs: Costs, failing: Collection[str], seed: int
) -> dict[str, object]:
    """Return figures on the faults: how many were found, and how late."""
    found_faults = observed[observed["is_found"]]
    rate = share_interval(len(found_faults), len(observed))
    minutes = found_faults["delay_hours"].to_numpy(np.float64) * _MINUTES
    spread = median_interval(minutes, seed=seed)
    priced = observed.assign(cost=price_events(events, costs).faults)
    return {
        "faults": len(observed),
        "found": len(found_faults),
        "not_observed": len(events.faults) - len(observed),
        "chance_found": events.chance,
        "detection_rate": len(found_faults) / len(observed) if len(observed) else None,
        "detection_rate_low": rate.low if rate else None,
        "detection_rate_high": rate.high if rate else None,
        "delay_minutes_median": float(np.median(minutes)) if len(found_faults) else None,
        "delay_minutes_median_low": spread.low if spread else None,
        "delay_minutes_median_high": spread.high if spread else None,
        "delay_minutes_mean": float(minutes.mean()) if len(found_faults) else None,
        "delay_minutes_max": float(minutes.max()) if len(found_faults) else None,
        "by_kind": tuple(
            _kind(str(kind), kind_faults, costs) for kind, kind_faults in priced.groupby("kind", sort=True)
        ),
        "outcomes": _outcomes(priced, costs, failing),
    }


def _kind(kind: str, kind_faults: pd.DataFrame, costs: Costs) -> KindResult:
    stop = costs.by_kind[kind].downtime_hours if kind in costs.by_kind else None
    found_faults = kind_faults[kind_faults["is_found"]]
    rate = share_interval(len(found_faults), len(kind_faults))
    assert rate is not None  # a kind is listed because a fault of it was observed
    return KindResult(
        kind=kind,
        faults=len(kind_faults),
        found=len(found_faults),
        detection_rate=len(found_faults) / len(kind_faults),
        detection_rate_low=rate.low,
        detection_rate_high=rate.high,
        median_delay_minutes=float(found_faults["delay_hours"].median()) * _MINUTES if len(found_faults) else None,
        cost=float(kind_faults["cost"].sum()),
        cost_if_missed=len(kind_faults) * costs.missed(kind),
        downtime_hours=None if stop is None else (len(kind_faults) - len(found_faults)) * stop,
    )


def _outcomes(priced: pd.DataFrame, costs: Costs, failing: Collection[str]) -> tuple[Outcome, ...]:
    starts = pd.to_datetime(priced["start"], unit="us", utc=True)
    failed = ends_in_failure(priced, failing)
    return tuple(
        Outcome(
            asset_id=asset,
            kind=kind,
            start=start.isoformat(),
            found=is_found,
            delay_minutes=_or_none(delay),
            lead_minutes=_or_none(lead),
            cost=cost,
            saved=if_missed - cost,
        )
        for asset, kind, start, is_found, delay, lead, cost, if_missed in zip(
            priced["asset_id"].astype(str),
            priced["kind"].astype(str),
            starts,
            priced["is_found"].tolist(),
            priced["delay_hours"].to_numpy(np.float64) * _MINUTES,
            priced["lead_hours"].where(failed).to_numpy(np.float64) * _MINUTES,
            priced["cost"].tolist(),
            missed_costs(priced, costs).tolist(),
            strict=True,
        )
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _alarm_figures(events: Events, rows: pd.DataFrame, is_faulty: Flags) -> dict[str, object]:
    """Return figures on the alarms: how many there were, and how many were false."""
    hours = rows["hours"].to_numpy(np.float64)
    weeks = float(hours.sum()) / WEEK_HOURS
    wrong = int(events.alarms["is_false"].sum())
    rate = rate_interval(wrong, weeks)
    alarm_spans = events.alarms.rename(columns={"opened": "start", "ended": "end"})
    normal_hours = float(hours[~is_faulty].sum())
    in_alarm = float(hours[~is_faulty & is_in_fault(rows, alarm_spans)].sum())
    return {
        "alarms": len(events.alarms),
        "false_alarms": wrong,
        "asset_weeks": weeks,
        "false_alarms_per_asset_week": wrong / weeks,
        "false_alarms_per_asset_week_low": rate.low if rate else None,
        "false_alarms_per_asset_week_high": rate.high if rate else None,
        "alarm_fraction": in_alarm / normal_hours if normal_hours else None,
    }


def _cost_figures(events: Events, rows: pd.DataFrame, costs: Costs, seed: int) -> dict[str, object]:
    """Return figures on the cost.

    Without known faults every alarm would seem false and no alarms at all would seem perfect, so there is no cost.
    """
    figures: dict[str, object] = {"currency": costs.currency}
    if not events.faults["is_observed"].any():
        names = ("cost", "cost_per_asset_week", "cost_per_asset_week_low", "cost_per_asset_week_high")
        return figures | dict.fromkeys((*names, "cost_by_asset_week"))
    weeks = float(rows["hours"].sum()) / WEEK_HOURS
    prices = price_events(events, costs)
    spread = total_interval(prices.faults, prices.alarms, seed=seed)
    spent = break_down(events, costs)
    return figures | {
        "cost": spent,
        "cost_per_asset_week": spent.total / weeks,
        "cost_per_asset_week_low": spread.low / weeks,
        "cost_per_asset_week_high": spread.high / weeks,
        "cost_by_asset_week": _by_asset_week(events, rows, costs),
    }


def _by_asset_week(events: Events, rows: pd.DataFrame, costs: Costs) -> dict[str, float]:
    """Sum the costs of events by asset and by the calendar week in which each began."""
    prices = price_events(events, costs)
    observed = events.faults[events.faults["is_observed"]]
    watched = _watched_weeks(rows)
    assets = np.concatenate([watched["asset_id"], observed["asset_id"], events.alarms["asset_id"]])
    began = np.concatenate([watched["week"], *(_week(time) for time in (observed["start"], events.alarms["opened"]))])
    first = watched.groupby("asset_id")["week"].min().reindex(assets, fill_value=0).to_numpy()
    week = np.maximum(began, first)
    cost = np.concatenate([np.zeros(len(watched)), prices.faults, prices.alarms])
    frame = pd.DataFrame({"asset_id": assets, "week": week - week.min(), "cost": cost})
    sums = frame.groupby(["asset_id", "week"], as_index=False)["cost"].sum()
    blocks = zip(sums["asset_id"], sums["week"], sums["cost"].tolist(), strict=True)
    return {f"{asset} week {number}": spent for asset, number, spent in blocks}


def _watched_weeks(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the calendar weeks in which each asset has a watched window, counted since the epoch."""
    weeks = _week(rows["time"])
    return pd.concat(
        [
            pd.DataFrame({"asset_id": asset, "week": np.unique(weeks[places])})
            for asset, places in places_by_asset(rows["asset_id"]).items()
        ]
    )


def _week(times: pd.Series) -> Integers:
    """Return the calendar week of instants in µs since the epoch."""
    return times.to_numpy(np.int64) // (WEEK_HOURS * HOUR)


def _window_figures(rows: pd.DataFrame, is_faulty: Flags, faults: int) -> dict[str, object]:
    if not faults:
        return {"confusion": None}
    counts = _confusion(rows, is_faulty)
    return {"confusion": counts, **window_shares(**counts.model_dump())}


def _confusion(rows: pd.DataFrame, is_faulty: Flags) -> Confusion:
    is_anomalous = rows["is_anomalous"].to_numpy(bool)
    return Confusion(
        tp=int((is_anomalous & is_faulty).sum()),
        fp=int((is_anomalous & ~is_faulty).sum()),
        fn=int((~is_anomalous & is_faulty).sum()),
        tn=int((~is_anomalous & ~is_faulty).sum()),
    )
