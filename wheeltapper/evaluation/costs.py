"""Costs of missed faults, alarms and delays, counted per event and never per row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from wheeltapper.config import Costs
from wheeltapper.evaluation.events import Events
from wheeltapper.evaluation.exposure import Flags, Floats


class CostBreakdown(BaseModel):
    """Costs by cause, in the plant's currency; the parts add up to ``total``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missed_faults: float
    found_faults: float
    delay: float
    false_alarms: float
    wrong_alarm_hours: float
    total: float
    without_detector: float
    """Cost of the same faults without any detector: every fault is missed."""
    net_saving: float
    """``without_detector`` − ``total``; below zero, the detector costs more than it saves."""
    spent: float | None = None
    """``found_faults`` + ``false_alarms`` + ``wrong_alarm_hours``: the outlay for following the alarms. Missed
    faults and delays are losses, not outlays. None in records of earlier versions."""
    roi: float | None = None
    """``net_saving`` / ``spent``: net return on each unit of money spent on alarms and repairs; None where nothing was
    spent."""


@dataclass(frozen=True)
class EventCosts:
    """Cost of every single event, in the plant's currency."""

    faults: Floats
    """One value per observed fault, in the order of ``Events.faults``."""
    alarms: Floats
    """One value per alarm, in the order of ``Events.alarms``; 0 unless it was false or lasted outside a fault."""


def price_events(events: Events, costs: Costs) -> EventCosts:
    """Return the cost of each observed fault and of each alarm."""
    observed = events.faults[events.faults["is_observed"]]
    is_found = observed["is_found"].to_numpy(bool)
    faults = np.where(is_found, costs.found_fault + _delay_costs(observed, costs), missed_costs(observed, costs))
    alarms = (
        events.alarms["is_false"].to_numpy(bool) * costs.false_alarm
        + events.alarms["wrong_hours"].to_numpy(np.float64) * costs.alarm_hour
    )
    return EventCosts(faults.astype(np.float64), alarms.astype(np.float64))


def break_down(events: Events, costs: Costs) -> CostBreakdown:
    """Return the costs of missed faults, repairs, delay, false alarms and hours in wrong alarm.

    A fault that is found late never costs more than one that is missed. Otherwise a detector without any alarm would
    be the better one for slow faults.
    """
    observed = events.faults[events.faults["is_observed"]]
    is_found = observed["is_found"].to_numpy(bool)
    if_missed = missed_costs(observed, costs)
    missed = float(if_missed[~is_found].sum())
    repairs = int(is_found.sum()) * costs.found_fault
    delay = float(_delay_costs(observed, costs).sum())
    false_alarms = int(events.alarms["is_false"].sum()) * costs.false_alarm
    wrong_hours = float(events.alarms["wrong_hours"].sum()) * costs.alarm_hour
    total = missed + repairs + delay + false_alarms + wrong_hours
    all_missed = float(if_missed.sum())
    spent = repairs + false_alarms + wrong_hours
    return CostBreakdown(
        missed_faults=missed,
        found_faults=repairs,
        delay=delay,
        false_alarms=false_alarms,
        wrong_alarm_hours=wrong_hours,
        total=total,
        without_detector=all_missed,
        net_saving=all_missed - total,
        spent=spent,
        roi=(all_missed - total) / spent if spent else None,
    )


def missed_costs(observed: pd.DataFrame, costs: Costs) -> Floats:
    """Return the cost of each fault if it is missed: the price of its kind, where the plant names one."""
    return np.array([costs.missed(str(kind)) for kind in observed["kind"]], dtype=np.float64)


def _delay_costs(observed: pd.DataFrame, costs: Costs) -> Floats:
    hours = np.nan_to_num(observed["delay_hours"].to_numpy(np.float64), nan=0.0)
    capped: Floats = np.minimum(hours * costs.delay_hour, missed_costs(observed, costs) - costs.found_fault)
    return capped


def availability(rows: pd.DataFrame, is_faulty: Flags) -> float | None:
    """Return the share of the watched time without a fault, 0 to 1; None where no time was watched.

    It describes the plant, not the detector: a detector does not make a machine run longer.
    """
    hours = rows["hours"].to_numpy(np.float64)
    if hours.sum() == 0:
        return None
    return float(np.clip(1 - hours[is_faulty].sum() / hours.sum(), 0, 1))
