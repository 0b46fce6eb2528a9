"""The records of alarms: each keeps its identifier, and one that late readings take back is withdrawn, never deleted.

People know an alarm by its identifier, so it keeps that where late readings move its opening or another champion raises
it: a new alarm takes the identifier of a stored one of the same machine that it overlaps.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd

from wheeltapper import tables
from wheeltapper.scoring.alarms import alarm_id

OPEN, CLOSED, WITHDRAWN = "open", "closed", "withdrawn"


@dataclass(frozen=True)
class Matched:
    """New alarms beside the stored ones."""

    identifiers: list[str]
    """Of each new alarm, in their order."""
    unmatched: pd.DataFrame
    """Rows of the stored alarms that no new one continues."""


def standing(records: pd.DataFrame) -> pd.DataFrame:
    """Return the alarms that are not withdrawn."""
    return records[records["state"] != WITHDRAWN]


def match(folded: pd.DataFrame, stored: pd.DataFrame, bundle: str, identifiers: Collection[str] = ()) -> Matched:
    """Find the stored alarm that each new one continues.

    Parameters
    ----------
    folded : DataFrame with columns asset_id, opened_at, last_at
        New alarms, in the order of asset and time.
    stored : DataFrame
        Rows of the table of alarms that new ones may overlap.
    bundle : str
        Hash of the bundle that raised the new ones: its own alarms are matched before those of others.
    identifiers : collection of str
        Identifiers of further stored alarms, which no new one may get.
    """
    order = stored.assign(is_other=stored["bundle"] != bundle, is_withdrawn=stored["state"] == WITHDRAWN).sort_values(
        ["is_withdrawn", "is_other", "opened_at", "alarm_id"]
    )
    by_asset = {asset: list(rows.itertuples()) for asset, rows in order.groupby("asset_id")}
    used_identifiers, matched = {*identifiers, *stored["alarm_id"]}, list[str]()
    folded_alarms: list[Any] = list(folded.itertuples())
    for alarm in folded_alarms:
        stored_alarm = take_overlapping(by_asset.get(alarm.asset_id, []), alarm)
        matched.append(str(stored_alarm.alarm_id) if stored_alarm else _new_identifier(alarm, bundle, used_identifiers))
        used_identifiers.add(matched[-1])
    return Matched(matched, stored[~stored["alarm_id"].isin(matched)])


def take_overlapping(candidates: list[Any], alarm: Any) -> Any | None:
    """Take the first candidate that overlaps an alarm out of the list; None if there is none."""
    for candidate in candidates:
        if candidate.opened_at <= alarm.last_at and candidate.last_at >= alarm.opened_at:
            candidates.remove(candidate)
            return candidate
    return None


def _new_identifier(alarm: Any, bundle: str, used_identifiers: set[str]) -> str:
    """Return an identifier that no other alarm has; the first choice may belong to an alarm whose opening was moved."""
    identifier = alarm_id(str(alarm.asset_id), alarm.opened_at, bundle)
    while identifier in used_identifiers:
        identifier = alarm_id(identifier, alarm.opened_at, bundle)
    return identifier


def unless_rounded(described: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Return records, the stored ones where only severity or sensors differ: an earlier release rounded otherwise."""
    columns = [name for name in tables.ALARMS.names() if name not in ("peak_severity", "sensors")]
    same = stored.merge(described[columns], on=columns)
    return pd.concat([described[~described["alarm_id"].isin(same["alarm_id"])], same], ignore_index=True)


def withdraw(records: pd.DataFrame, reason: str) -> pd.DataFrame:
    """Return the records as withdrawn, with the reason before their explanation."""
    if records.empty:
        return records
    explanation = records["explanation"].where(records["state"] != WITHDRAWN, "")
    return records.assign(
        state=WITHDRAWN,
        closed_at=records["closed_at"].fillna(records["last_at"]),
        explanation=(f"Withdrawn: {reason} It said: " + explanation).where(explanation != "", records["explanation"]),
    )


def close(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records as closed at their last anomalous window."""
    return records.assign(state=CLOSED, closed_at=records["last_at"])
