"""Judgement: all figures of one candidate on one part of the data, in one frozen record."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from wheeltapper.evaluation.costs import CostBreakdown
from wheeltapper.evaluation.naming import Naming

NO_FAULTS = "cannot be judged: no faults known"


class _Record(BaseModel):
    # A NaN or an infinity in a record is not valid JSON; an undefined figure is None.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Confusion(_Record):
    """Windows at the threshold: faulty and anomalous (tp), normal and anomalous (fp), and so on."""

    tp: int
    fp: int
    fn: int
    tn: int


class KindResult(_Record):
    """Figures for one kind of fault; costs in the plant's currency, 95 % Wilson interval."""

    kind: str
    faults: int
    found: int
    detection_rate: float
    detection_rate_low: float
    detection_rate_high: float
    median_delay_minutes: float | None
    cost: float = Field(description="cost of these faults: missed, or repaired after a delay")
    cost_if_missed: float = Field(description="cost of these faults if all were missed")
    downtime_hours: float | None = Field(
        description="unplanned stops by the missed faults; None: the plant's YAML names none"
    )


class Outcome(_Record):
    """Result for one observed fault."""

    asset_id: str
    kind: str
    start: str = Field(description="onset, UTC, ISO 8601")
    found: bool
    delay_minutes: float | None
    lead_minutes: float | None = Field(
        None,
        description="alarm's opening to the failure; None: not found, or no failure; below 0: alarm after the failure",
    )
    cost: float
    saved: float | None = Field(None, description="cost if missed, minus actual cost")


class Judgement(_Record):
    """One candidate on one part. None where a figure is undefined; intervals are 95 %."""

    candidate: str
    part: Literal["validate", "test", "live"]
    notes: tuple[str, ...] = ()

    faults: int = Field(description="faults with at least one watched window inside")
    found: int
    not_observed: int = Field(description="faults without a watched window: they do not count")
    chance_found: float | None = Field(description="share that the same number of random alarms would find, 0 to 1")
    detection_rate: float | None
    detection_rate_low: float | None
    detection_rate_high: float | None
    delay_minutes_median: float | None = Field(description="fault's start to its first alarm's opening")
    delay_minutes_median_low: float | None = Field(None, description="by event bootstrap; None: fewer than 5 found")
    delay_minutes_median_high: float | None = None
    delay_minutes_mean: float | None
    delay_minutes_max: float | None
    failures: int | None = Field(
        None, description="faults that ended in a failure; None: no kind does, as far as known"
    )
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
    naming: Naming | None = Field(None, description="kinds that alarms named; None where alarms name no kinds")

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
        description="asset and week of the part → cost; two candidates are compared on it, pair by pair"
    )

    vus_pr: float | None
    vus_pr_low: float | None = Field(None, description="by asset bootstrap; None: fewer than 5 assets are ranked")
    vus_pr_high: float | None = None
    vus_pr_random: float | None = Field(description="value of a random score on the same faults")
    vus_roc: float | None
    roc_auc: float | None
    average_precision: float | None
    base_rate: float = Field(description="share of watched windows that end inside a fault")
    range_precision: float | None = Field(None, description="precision over runs of anomalous windows, see `ranges`")
    range_recall: float | None = Field(None, description="recall over faults as spans of windows, see `ranges`")
    range_f1: float | None = None
    range_f1_random: float | None = Field(None, description="the same anomalous windows at random instants")
    range_f1_by_asset: dict[str, float] | None = Field(None, description="range F1 of each asset with a fault")
    confusion: Confusion | None
    window_precision: float | None = Field(None, description="share over windows at the threshold, like the next three")
    window_recall: float | None = None
    window_f1: float | None = None
    window_specificity: float | None = None
    windows_anomalous: int

    availability: float | None = Field(
        ge=0, le=1, description="share of watched time without a fault; it describes the plant, not the candidate"
    )
    mtbf_hours: float | None = Field(description="all watched hours divided by the faults observed in them")
