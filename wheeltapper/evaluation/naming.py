"""Naming: the kinds of fault that alarms named, compared with the true kinds.

Only faults that an alarm found, of a kind that an alarm can name, are counted. The first alarm of each fault counts,
because a person acts on the first one.
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
"""Entries for a fault that no alarm found, and for a fault whose alarm named nothing."""

Matrix = dict[str, dict[str, int]]


class Naming(BaseModel):
    """How alarms named the faults. Shares are of the found faults of a known kind; intervals are 95 % (Wilson)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kinds: Matrix = Field(
        description="true kind → kind named by its alarm → number of faults; sensors' names are left out"
    )
    parts: Matrix = Field(
        description="true part (machine or sensor) → named part (machine, sensor, unknown or missed) → number of faults"
    )
    found: int = Field(description="found faults of a known kind")
    part_right: int = Field(description="found faults whose broken part (machine or sensor) was named rightly")
    part_wrong: int = Field(
        description="found faults whose broken part was named wrongly; for the rest no part was named"
    )
    part_share: float | None
    part_share_low: float | None
    part_share_high: float | None
    machine_found: int
    machine_kind_right: int = Field(description="found faults of the machine whose kind was named rightly")
    machine_kind_share: float | None
    machine_kind_share_low: float | None
    machine_kind_share_high: float | None
    sensor_found: int
    sensor_kind_right: int
    sensor_right: int = Field(
        description="found sensor faults whose sensor was named rightly, whether or not the kind was"
    )


def compare(events: Events, alarms: pd.DataFrame, parts: Mapping[str, str]) -> Naming | None:
    """Compare the names that alarms gave with the true faults; None where no observed fault is of a known kind.

    Parameters
    ----------
    events : Events
    alarms : DataFrame with columns asset_id, opened_at, kind, broken_part, broken_sensor
        Texts; empty where an alarm names none. A sensor's fault is written ``stuck:pressure``.
    parts : mapping
        Kind of fault → ``machine`` or ``sensor``, for every kind that an alarm can name.

    Raises
    ------
    DataError
        If a column is missing.
    """
    require(alarms, "alarms", ["asset_id", "opened_at", "kind", "broken_part", "broken_sensor"])
    observed = events.faults[events.faults["is_observed"] & events.faults["kind"].isin(list(parts))]
    if observed.empty:
        return None
    alarm_names = pd.DataFrame(
        {
            "asset_id": alarms["asset_id"].array,
            "found_by": microseconds(alarms["opened_at"]),
            "named_kind": alarms["kind"].array,
            "named_part": alarms["broken_part"].array,
            "named_sensor": alarms["broken_sensor"].array,
        }
    )
    named_faults = observed.merge(alarm_names, on=["asset_id", "found_by"], how="left").assign(
        part=observed["kind"].map(parts).to_numpy()
    )
    return _count(named_faults)


def _count(faults: pd.DataFrame) -> Naming:
    is_found = faults["is_found"].to_numpy(bool)
    kind, named_kind = _short(faults["kind"]), _short(faults["named_kind"].fillna(""))
    is_machine = (faults["part"] == "machine").to_numpy()
    part_right = is_found & (faults["named_part"] == faults["part"]).to_numpy()
    part_named = is_found & faults["named_part"].isin(["machine", "sensor"]).to_numpy()
    kind_right = is_found & (kind == named_kind).to_numpy()
    true_sensor = faults["kind"].astype(str).str.partition(":")[2]
    sensor_right = (
        is_found & ~is_machine & (true_sensor == faults["named_sensor"]).to_numpy() & (true_sensor != "").to_numpy()
    )
    share, machine = int(is_found.sum()), int((is_found & is_machine).sum())
    part, exact = (
        share_interval(int(part_right.sum()), share),
        share_interval(int((kind_right & is_machine).sum()), machine),
    )
    return Naming(
        kinds=_matrix(kind, _or_missed(named_kind, is_found)),
        parts=_matrix(faults["part"], _or_missed(faults["named_part"].fillna(""), is_found)),
        found=share,
        part_right=int(part_right.sum()),
        part_wrong=int((part_named & ~part_right).sum()),
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


def _or_missed(named: pd.Series, is_found: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pd.Series:
    return named.replace("", UNKNOWN).where(is_found, MISSED)


def _matrix(true: pd.Series, named: pd.Series) -> Matrix:
    """Count each pair; rows and columns in the order of their names."""
    rows: dict[str, Counter[str]] = {name: Counter() for name in sorted(true.unique())}
    for true_name, given_name in zip(true, named, strict=True):
        rows[true_name][given_name] += 1
    return {name: dict(sorted(counts.items())) for name, counts in rows.items()}
