"""Naming: what the alarms that found faults said these were, beside what they really were.

Only faults that were found, and whose kind is one that an alarm could name, can be named right or wrong. The first
alarm of each counts, since that is the one that somebody gets up for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from wheeltapper.evaluation.events import Events
from wheeltapper.evaluation.exposure import require
from wheeltapper.evaluation.intervals import share_interval
from wheeltapper.tables import microseconds

MISSED, UNKNOWN = "missed", "unknown"
"""What is written beside a fault that no alarm found, and one whose alarm named nothing."""

Matrix = dict[str, dict[str, int]]


class Naming(BaseModel):
    """What faults were called. Shares are of the found faults of a known kind; intervals are 95 % (Wilson)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kinds: Matrix = Field(description="true kind → what its alarm said → faults; a sensor's own name is left out")
    parts: Matrix = Field(description="machine or sensor → machine, sensor, unknown or missed → faults")
    found: int = Field(description="found faults of a known kind")
    part_right: int = Field(description="found faults of which it was said rightly whether machine or sensor is broken")
    part_wrong: int = Field(description="the other one of the two was said; for the rest nothing was")
    part_share: float | None
    part_share_low: float | None
    part_share_high: float | None
    machine_found: int
    machine_kind_right: int = Field(description="found faults of the machine that were called by their kind")
    machine_kind_share: float | None
    machine_kind_share_low: float | None
    machine_kind_share_high: float | None
    sensor_found: int
    sensor_kind_right: int
    sensor_right: int = Field(description="found sensor faults of which the right sensor was named, kind right or not")


def compare(events: Events, alarms: pd.DataFrame, parts: Mapping[str, str]) -> Naming | None:
    """Compare what alarms said with what was true; None where no observed fault is of a known kind.

    Parameters
    ----------
    events : Events
    alarms : DataFrame with columns asset_id, opened_at, kind, broken_part, broken_sensor
        Texts; empty where an alarm names none. A sensor's fault is written ``stuck:pressure``.
    parts : mapping
        Kind of fault → ``machine`` or ``sensor``, for every kind that an alarm could name.

    Raises
    ------
    DataError
        If a column is missing.
    """
    require(alarms, "alarms", ["asset_id", "opened_at", "kind", "broken_part", "broken_sensor"])
    seen = events.faults[events.faults["is_observed"] & events.faults["kind"].isin(list(parts))]
    if seen.empty:
        return None
    told = pd.DataFrame(
        {
            "asset_id": alarms["asset_id"].array,
            "found_by": microseconds(alarms["opened_at"]),
            "said": alarms["kind"].array,
            "said_part": alarms["broken_part"].array,
            "said_sensor": alarms["broken_sensor"].array,
        }
    )
    both = seen.merge(told, on=["asset_id", "found_by"], how="left").assign(part=seen["kind"].map(parts).to_numpy())
    return _count(both)


def _count(both: pd.DataFrame) -> Naming:
    found = both["is_found"].to_numpy(bool)
    kind, said = _short(both["kind"]), _short(both["said"].fillna(""))
    is_machine = (both["part"] == "machine").to_numpy()
    part_right = found & (both["said_part"] == both["part"]).to_numpy()
    part_said = found & both["said_part"].isin(["machine", "sensor"]).to_numpy()
    kind_right = found & (kind == said).to_numpy()
    own = both["kind"].astype(str).str.partition(":")[2]
    sensor_right = found & ~is_machine & (own == both["said_sensor"]).to_numpy() & (own != "").to_numpy()
    share, machine = int(found.sum()), int((found & is_machine).sum())
    part, exact = (
        share_interval(int(part_right.sum()), share),
        share_interval(int((kind_right & is_machine).sum()), machine),
    )
    return Naming(
        kinds=_matrix(kind, _said(said, found)),
        parts=_matrix(both["part"], _said(both["said_part"].fillna(""), found)),
        found=share,
        part_right=int(part_right.sum()),
        part_wrong=int((part_said & ~part_right).sum()),
        part_share=int(part_right.sum()) / share if share else None,
        part_share_low=part.low if part else None,
        part_share_high=part.high if part else None,
        machine_found=machine,
        machine_kind_right=int((kind_right & is_machine).sum()),
        machine_kind_share=int((kind_right & is_machine).sum()) / machine if machine else None,
        machine_kind_share_low=exact.low if exact else None,
        machine_kind_share_high=exact.high if exact else None,
        sensor_found=share - machine,
        sensor_kind_right=int((kind_right & ~is_machine).sum()),
        sensor_right=int(sensor_right.sum()),
    )


def _short(kinds: pd.Series) -> pd.Series:
    """Drop the sensor: ``stuck:pressure`` is ``stuck``."""
    return kinds.astype(str).str.partition(":")[0]


def _said(said: pd.Series, found: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pd.Series:
    return said.replace("", UNKNOWN).where(found, MISSED)


def _matrix(true: pd.Series, said: pd.Series) -> Matrix:
    """Count each pair; rows and columns in the order of their names."""
    rows: dict[str, Counter[str]] = {name: Counter() for name in sorted(true.unique())}
    for one, other in zip(true, said, strict=True):
        rows[one][other] += 1
    return {name: dict(sorted(counts.items())) for name, counts in rows.items()}
