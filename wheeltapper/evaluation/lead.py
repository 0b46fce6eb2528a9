"""Lead time: the time from an alarm to the failure, for faults that end in one.

It runs from the opening of the alarm that found the fault to the fault's end, which is when the machine fails. It is
measured, fault by fault: it is neither the delay after the fault's start nor the horizon of a forecast. The asset type
(``ends_in_failure``) or the plant lists the kinds that end in a failure; all other kinds have no lead time.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from wheeltapper.evaluation.exposure import Flags
from wheeltapper.evaluation.intervals import median_interval, share_interval

_MINUTES = 60


class LeadFigures(BaseModel):
    """Number of foreseen failures and their lead times. None where no kind is known to end in a failure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    failures: int | None = None
    foreseen: int | None = None
    foreseen_rate: float | None = None
    foreseen_rate_low: float | None = None
    foreseen_rate_high: float | None = None
    lead_minutes_median: float | None = None
    lead_minutes_median_low: float | None = None
    lead_minutes_median_high: float | None = None
    lead_minutes_min: float | None = None


def ends_in_failure(observed: pd.DataFrame, kinds: Collection[str]) -> Flags:
    """Return which faults have ended in a failure: those of such a kind whose end is known."""
    failed: Flags = observed["kind"].isin(list(kinds)).to_numpy(bool) & observed["is_over"].to_numpy(bool)
    return failed


def lead_figures(observed: pd.DataFrame, kinds: Collection[str], *, seed: int) -> LeadFigures:
    """Return how many failures an alarm preceded, and by how long.

    Parameters
    ----------
    observed : DataFrame
        The observed rows of `events.Events.faults`.
    kinds : collection of str
        Kinds of fault that end in a failure.
    seed : int
        For the resampling behind the median's interval.

    Returns
    -------
    LeadFigures
        Median and minimum are over the failures that an alarm preceded; the others have no lead time.
    """
    if not kinds:
        return LeadFigures()
    failed = observed[ends_in_failure(observed, kinds)]
    early = failed["lead_hours"].to_numpy(np.float64)
    minutes = early[early > 0] * _MINUTES
    share = share_interval(len(minutes), len(failed))
    spread = median_interval(minutes, seed=seed)
    return LeadFigures(
        failures=len(failed),
        foreseen=len(minutes),
        foreseen_rate=len(minutes) / len(failed) if len(failed) else None,
        foreseen_rate_low=share.low if share else None,
        foreseen_rate_high=share.high if share else None,
        lead_minutes_median=float(np.median(minutes)) if len(minutes) else None,
        lead_minutes_median_low=spread.low if spread else None,
        lead_minutes_median_high=spread.high if spread else None,
        lead_minutes_min=float(minutes.min()) if len(minutes) else None,
    )


def lead_notes(faults: pd.DataFrame, kinds: Collection[str]) -> list[str]:
    """Return a note where no known fault is of a kind that ends in a failure: often a typing error."""
    if not kinds:
        return []
    known_kinds = set(faults["kind"].astype(str))
    if known_kinds and not known_kinds & set(kinds):
        return [
            f"no known fault is of a kind that ends in a failure ({', '.join(sorted(kinds))}; known are "
            f"{', '.join(sorted(known_kinds))}): there are no lead times. Correct ends_in_failure in the plant's YAML"
        ]
    return []
