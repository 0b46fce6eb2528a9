"""Judgement: everything that can honestly be said about one candidate on one part, in one frozen record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from wheeltapper.config import Costs
from wheeltapper.errors import DataError
from wheeltapper.evaluation.costs import CostBreakdown, availability, break_down, missed_costs, price_events
from wheeltapper.evaluation.events import Events, match
from wheeltapper.evaluation.exposure import HOUR, WEEK_HOURS, Flags, is_in_fault, watched_rows
from wheeltapper.evaluation.intervals import median_interval, rate_interval, share_interval, total_interval
from wheeltapper.evaluation.lead import ends_in_failure, lead_figures, lead_notes
from wheeltapper.evaluation.naming import Naming, compare
from wheeltapper.evaluation.ranges import judge_ranges
from wheeltapper.evaluation.ranking import Ranking, rank_windows
from wheeltapper.evaluation.window_shares import false_alarms_by, window_shares

NO_FAULTS = "cannot be judged: no faults known"
_MINUTES = 60


class _Record(BaseModel):
    # A NaN or an infinity in a record would be no JSON; what is undefined is None.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Confusion(_Record):
    """Windows at the threshold: faulty and anomalous (tp), normal and anomalous (fp), and so on."""

    tp: int
    fp: int
    fn: int
    tn: int


class KindResult(_Record):
    """How one kind of fault fared, and what it cost in the plant's currency; 95 % Wilson interval."""

    kind: str
    faults: int
    found: int
    detection_rate: float
    detection_rate_low: float
    detection_rate_high: float
    median_delay_minutes: float | None
    cost: float = Field(description="what these faults cost: missed, or repaired after a delay")
    cost_if_missed: float = Field(description="what they would have cost had nobody watched")
    downtime_hours: float | None = Field(description="unplanned stops of those missed; None: the plant names none")


class Outcome(_Record):
    """What became of one observed fault."""

    asset_id: str
    kind: str
    start: str = Field(description="onset, UTC, ISO 8601")
    found: bool
    delay_minutes: float | None
    lead_minutes: float | None = Field(
        None, description="alarm's opening to the failure; None: not found, or it ends in none; below 0: after it"
    )
    cost: float
    saved: float | None = Field(None, description="what it would have cost unwatched, less its cost")


class Judgement(_Record):
    """One candidate on one part. None where a figure is undefined; intervals are 95 %."""

    candidate: str
    part: Literal["validate", "test", "live"]
    notes: tuple[str, ...] = ()

    faults: int = Field(description="faults with at least one watched window inside")
    found: int
    not_observed: int = Field(description="faults without one: nobody looked, so they count for nobody")
    chance_found: float | None = Field(description="share that as many alarms at random would find, 0 to 1")
    detection_rate: float | None
    detection_rate_low: float | None
    detection_rate_high: float | None
    delay_minutes_median: float | None = Field(description="fault's start to its first alarm's opening")
    delay_minutes_median_low: float | None = Field(None, description="by event bootstrap; None: fewer than 5 found")
    delay_minutes_median_high: float | None = None
    delay_minutes_mean: float | None
    delay_minutes_max: float | None
    failures: int | None = Field(None, description="faults that ended in a failure; None: no kind is known to")
    foreseen: int | None = Field(None, description="failures that an alarm preceded")
    foreseen_rate: float | None = None
    foreseen_rate_low: float | None = None
    foreseen_rate_high: float | None = None
    lead_minutes_median: float | None = Field(None, description="alarm's opening to the failure, of those foreseen")
    lead_minutes_median_low: float | None = Field(None, description="by event bootstrap; None: fewer than 5 foreseen")
    lead_minutes_median_high: float | None = None
    lead_minutes_min: float | None = None
    by_kind: tuple[KindResult, ...]
    outcomes: tuple[Outcome, ...]
    naming: Naming | None = Field(None, description="what found faults were called; None where nobody named any")

    alarms: int
    false_alarms: int = Field(description="alarms that opened outside every known fault")
    false_alarms_by_asset: dict[str, int] | None = Field(None, description="machines without any are left out")
    false_alarms_by_regime: dict[str, int] | None = Field(None, description="by the regime in which they opened")
    asset_weeks: float = Field(description="watched time")
    false_alarms_per_asset_week: float | None
    false_alarms_per_asset_week_low: float | None
    false_alarms_per_asset_week_high: float | None
    alarm_fraction: float | None = Field(description="share of the watched time outside faults spent in alarm, 0 to 1")

    currency: str
    cost: CostBreakdown | None
    cost_per_asset_week: float | None
    cost_per_asset_week_low: float | None
    cost_per_asset_week_high: float | None
    cost_by_asset_week: dict[str, float] | None = Field(
        description="asset and week of the part → cost; what two candidates are compared on, pair by pair"
    )

    vus_pr: float | None
    vus_pr_low: float | None = Field(None, description="by asset bootstrap; None: fewer than 5 assets are ranked")
    vus_pr_high: float | None = None
    vus_pr_random: float | None = Field(description="what a random score reaches on the same faults")
    vus_roc: float | None
    roc_auc: float | None
    average_precision: float | None
    base_rate: float = Field(description="share of watched windows that end inside a fault")
    range_precision: float | None = Field(None, description="of runs of anomalous windows, see `ranges`")
    range_recall: float | None = Field(None, description="of faults as spans of windows, see `ranges`")
    range_f1: float | None = None
    range_f1_random: float | None = Field(None, description="the same anomalous windows at random instants")
    range_f1_by_asset: dict[str, float] | None = Field(None, description="of every asset with a fault")
    confusion: Confusion | None
    window_precision: float | None = Field(None, description="of windows at the threshold, as are the next three")
    window_recall: float | None = None
    window_f1: float | None = None
    window_specificity: float | None = None
    windows_anomalous: int

    availability: float | None = Field(
        ge=0, le=1, description="share of watched time without a fault: the plant's, not a merit"
    )
    mtbf_hours: float | None = Field(description="watched hours, all of them, divided by the faults observed in them")


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
    """Judge a candidate's scores and alarms by the faults that really were there, and by money.

    Parameters
    ----------
    scores : DataFrame with columns asset_id, window_end, score, threshold and, where known, regime
        Every scored window of the part, of one bundle.
    alarms : DataFrame with columns asset_id, opened_at, last_at, closed_at
        The alarms folded from these scores; with ``parts_of_kinds`` also what each says it is, see `naming.compare`.
    faults : DataFrame with columns asset_id, start, end, kind
        All known faults; those of other parts are left out by themselves.
    spacing, max_gap : timedelta
        Usual time between windows; a longer pause than ``max_gap`` is not watched time.
    tolerance : timedelta
        How much earlier or later than a fault an alarm may open and still be about it.
    vus_window : int
        Widest buffer round a fault for VUS, in windows.
    seed : int
        For the bootstrap and for the random scores.
    parts_of_kinds : mapping, optional
        Kind of fault → ``machine`` or ``sensor``, for kinds that an alarm could name.
    lead : timedelta
        How long before a fault's start an alarm that stands may open and still be about it, see `events`.
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
    seen = events.faults[events.faults["is_observed"]]
    ranking = rank_windows(rows, is_faulty, vus_window=vus_window, seed=seed)
    return Judgement(
        candidate=candidate,
        part=part,
        notes=(*_notes(events, ranking), *lead_notes(faults, failing_kinds)),
        **_finding(events, seen, costs, failing_kinds, seed),
        **lead_figures(seen, failing_kinds, seed=seed).model_dump(),
        naming=None if parts_of_kinds is None else compare(events, alarms, parts_of_kinds),
        **_ringing(events, rows, is_faulty),
        **_spending(events, rows, costs, seed),
        **ranking.model_dump(exclude={"assets_ranked"}),
        **judge_ranges(rows, seen, seed=seed).model_dump(),
        base_rate=float(is_faulty.mean()),
        **_right_and_wrong(rows, is_faulty, len(seen)),
        **false_alarms_by(events.alarms, scores),
        windows_anomalous=int(rows["is_anomalous"].sum()),
        availability=availability(rows, is_faulty),
        mtbf_hours=float(rows["hours"].sum()) / len(seen) if len(seen) else None,
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


def _finding(
    events: Events, seen: pd.DataFrame, costs: Costs, failing: Collection[str], seed: int
) -> dict[str, object]:
    """Return what was found, and how late."""
    found = seen[seen["is_found"]]
    rate = share_interval(len(found), len(seen))
    minutes = found["delay_hours"].to_numpy(np.float64) * _MINUTES
    spread = median_interval(minutes, seed=seed)
    priced = seen.assign(cost=price_events(events, costs).faults)
    return {
        "faults": len(seen),
        "found": len(found),
        "not_observed": len(events.faults) - len(seen),
        "chance_found": events.chance,
        "detection_rate": len(found) / len(seen) if len(seen) else None,
        "detection_rate_low": rate.low if rate else None,
        "detection_rate_high": rate.high if rate else None,
        "delay_minutes_median": float(np.median(minutes)) if len(found) else None,
        "delay_minutes_median_low": spread.low if spread else None,
        "delay_minutes_median_high": spread.high if spread else None,
        "delay_minutes_mean": float(minutes.mean()) if len(found) else None,
        "delay_minutes_max": float(minutes.max()) if len(found) else None,
        "by_kind": tuple(_kind(str(kind), own, costs) for kind, own in priced.groupby("kind", sort=True)),
        "outcomes": _outcomes(priced, costs, failing),
    }


def _kind(kind: str, own: pd.DataFrame, costs: Costs) -> KindResult:
    stop = costs.by_kind[kind].downtime_hours if kind in costs.by_kind else None
    found = own[own["is_found"]]
    rate = share_interval(len(found), len(own))
    assert rate is not None  # a kind is listed because a fault of it was observed
    return KindResult(
        kind=kind,
        faults=len(own),
        found=len(found),
        detection_rate=len(found) / len(own),
        detection_rate_low=rate.low,
        detection_rate_high=rate.high,
        median_delay_minutes=float(found["delay_hours"].median()) * _MINUTES if len(found) else None,
        cost=float(own["cost"].sum()),
        cost_if_missed=len(own) * costs.missed(kind),
        downtime_hours=None if stop is None else (len(own) - len(found)) * stop,
    )


def _outcomes(priced: pd.DataFrame, costs: Costs, failing: Collection[str]) -> tuple[Outcome, ...]:
    starts = pd.to_datetime(priced["start"], unit="us", utc=True)
    failed = ends_in_failure(priced, failing)
    return tuple(
        Outcome(
            asset_id=asset,
            kind=kind,
            start=start.isoformat(),
            found=found,
            delay_minutes=_known(delay),
            lead_minutes=_known(lead),
            cost=cost,
            saved=if_missed - cost,
        )
        for asset, kind, start, found, delay, lead, cost, if_missed in zip(
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


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _ringing(events: Events, rows: pd.DataFrame, is_faulty: Flags) -> dict[str, object]:
    """Return how often it rang, and how much of it for nothing."""
    hours = rows["hours"].to_numpy(np.float64)
    weeks = float(hours.sum()) / WEEK_HOURS
    wrong = int(events.alarms["is_false"].sum())
    rate = rate_interval(wrong, weeks)
    lamps = events.alarms.rename(columns={"opened": "start", "ended": "end"})
    healthy = float(hours[~is_faulty].sum())
    burning = float(hours[~is_faulty & is_in_fault(rows, lamps)].sum())
    return {
        "alarms": len(events.alarms),
        "false_alarms": wrong,
        "asset_weeks": weeks,
        "false_alarms_per_asset_week": wrong / weeks,
        "false_alarms_per_asset_week_low": rate.low if rate else None,
        "false_alarms_per_asset_week_high": rate.high if rate else None,
        "alarm_fraction": burning / healthy if healthy else None,
    }


def _spending(events: Events, rows: pd.DataFrame, costs: Costs, seed: int) -> dict[str, object]:
    """Return what it cost.

    Without known faults every alarm would seem false and silence perfect, so there is no cost.
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
    """Put each event's cost down to its asset and to the calendar week in which it began."""
    prices = price_events(events, costs)
    seen = events.faults[events.faults["is_observed"]]
    assets = np.concatenate([rows["asset_id"], seen["asset_id"], events.alarms["asset_id"]])
    began = np.concatenate([rows["time"], seen["start"], events.alarms["opened"]])
    first = rows.groupby("asset_id")["time"].min().reindex(assets, fill_value=0).to_numpy()
    week = np.maximum(began, first) // (WEEK_HOURS * HOUR)
    cost = np.concatenate([np.zeros(len(rows)), prices.faults, prices.alarms])
    frame = pd.DataFrame({"asset_id": assets, "week": week - week.min(), "cost": cost})
    sums = frame.groupby(["asset_id", "week"], as_index=False)["cost"].sum()
    blocks = zip(sums["asset_id"], sums["week"], sums["cost"].tolist(), strict=True)
    return {f"{asset} week {number}": spent for asset, number, spent in blocks}


def _right_and_wrong(rows: pd.DataFrame, is_faulty: Flags, faults: int) -> dict[str, object]:
    if not faults:
        return {"confusion": None}
    counts = _confusion(rows, is_faulty)
    return {"confusion": counts, **window_shares(**counts.model_dump())}


def _confusion(rows: pd.DataFrame, is_faulty: Flags) -> Confusion:
    rung = rows["is_anomalous"].to_numpy(bool)
    return Confusion(
        tp=int((rung & is_faulty).sum()),
        fp=int((rung & ~is_faulty).sum()),
        fn=int((~rung & is_faulty).sum()),
        tn=int((~rung & ~is_faulty).sum()),
    )
