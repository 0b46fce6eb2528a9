"""Costs: what a detector's silence, its alarms and its delays cost, per event and never per row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from wheeltapper.config import Costs
from wheeltapper.evaluation.events import Events
from wheeltapper.evaluation.exposure import Flags, Floats


class CostBreakdown(BaseModel):
    """What was spent on what, in the plant's currency; the parts add up to ``total``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missed_faults: float
    found_faults: float
    delay: float
    false_alarms: float
    wrong_alarm_hours: float
    total: float
    without_detector: float
    """What the same faults would have cost had nobody watched: every one missed."""
    net_saving: float
    """``without_detector`` − ``total``: below zero, the detector does harm."""
    spent: float | None = None
    """``found_faults`` + ``false_alarms`` + ``wrong_alarm_hours``: what following the alarms took. Faults that were
    missed, and delays, are losses, not outlays. None in records of earlier versions."""
    roi: float | None = None
    """``net_saving`` / ``spent``: what each unit of money spent on alarms and repairs brought beyond itself; None where
    nothing was spent."""


@dataclass(frozen=True)
class EventCosts:
    """What every single event cost, in the plant's currency."""

    faults: Floats
    """One an observed fault, in the order of ``Events.faults``."""
    alarms: Floats
    """One an alarm, in the order of ``Events.alarms``: 0 unless it was false or burnt outside a fault."""


def price_events(events: Events, costs: Costs) -> EventCosts:
    """Return what each observed fault and each alarm cost."""
    seen = events.faults[events.faults["is_observed"]]
    is_found = seen["is_found"].to_numpy(bool)
    faults = np.where(is_found, costs.found_fault + _delay_costs(seen, costs), missed_costs(seen, costs))
    alarms = (
        events.alarms["is_false"].to_numpy(bool) * costs.false_alarm
        + events.alarms["wrong_hours"].to_numpy(np.float64) * costs.alarm_hour
    )
    return EventCosts(faults.astype(np.float64), alarms.astype(np.float64))


def break_down(events: Events, costs: Costs) -> CostBreakdown:
    """Return what was spent on missed faults, repairs, delay, false alarms and lamps that burnt for nothing.

    A fault that is found late never costs more than one that is missed: else silence would be the better detector
    for slow faults.
    """
    seen = events.faults[events.faults["is_observed"]]
    is_found = seen["is_found"].to_numpy(bool)
    if_missed = missed_costs(seen, costs)
    missed = float(if_missed[~is_found].sum())
    repairs = int(is_found.sum()) * costs.found_fault
    delay = float(_delay_costs(seen, costs).sum())
    false_alarms = int(events.alarms["is_false"].sum()) * costs.false_alarm
    wrong_hours = float(events.alarms["wrong_hours"].sum()) * costs.alarm_hour
    total = missed + repairs + delay + false_alarms + wrong_hours
    nothing = float(if_missed.sum())
    spent = repairs + false_alarms + wrong_hours
    return CostBreakdown(
        missed_faults=missed,
        found_faults=repairs,
        delay=delay,
        false_alarms=false_alarms,
        wrong_alarm_hours=wrong_hours,
        total=total,
        without_detector=nothing,
        net_saving=nothing - total,
        spent=spent,
        roi=(nothing - total) / spent if spent else None,
    )


def missed_costs(seen: pd.DataFrame, costs: Costs) -> Floats:
    """Return what each fault costs if nobody sees it coming: its kind's own price, where the plant names one."""
    return np.array([costs.missed(str(kind)) for kind in seen["kind"]], dtype=np.float64)


def _delay_costs(seen: pd.DataFrame, costs: Costs) -> Floats:
    hours = np.nan_to_num(seen["delay_hours"].to_numpy(np.float64), nan=0.0)
    capped: Floats = np.minimum(hours * costs.delay_hour, missed_costs(seen, costs) - costs.found_fault)
    return capped


def availability(rows: pd.DataFrame, is_faulty: Flags) -> float | None:
    """Return the share of the watched time in which no fault was there, 0 to 1; None where nothing was watched.

    It is a fact about the plant, not a merit of a detector: one that only watches makes no machine run longer.
    """
    hours = rows["hours"].to_numpy(np.float64)
    if hours.sum() == 0:
        return None
    return float(np.clip(1 - hours[is_faulty].sum() / hours.sum(), 0, 1))
