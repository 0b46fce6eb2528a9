"""Cleaning: every row that came is either a reading or put aside with its reason; nothing is repaired or dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from wheeltapper.config import Plant
from wheeltapper.errors import DataError
from wheeltapper.readings import columns
from wheeltapper.readings.categories import one_hot
from wheeltapper.readings.columns import MISSING_WORDS, is_possible
from wheeltapper.readings.findings import Found
from wheeltapper.readings.order import check_order, longest_increasing
from wheeltapper.readings.plain_values import iso, settle, write_content
from wheeltapper.readings.regimes import infer_regimes
from wheeltapper.readings.units import convert
from wheeltapper.sources import Batch

__all__ = [
    "CAME",
    "MISSING_WORDS",
    "REJECTED",
    "Parsed",
    "as_it_came",
    "is_possible",
    "longest_increasing",
    "parse",
    "set_aside",
    "settle",
    "without_what_came",
    "write_content",
]

CAME = "came:"
"""Begins the columns that keep what came beside what was made of it (another unit, a category, no regime)."""

REJECTED = ("row", "asset_id", "timestamp", "content", "expectation", "reason")
"""Columns of the rows that are put aside: `tables.QUARANTINE` without what the delivery adds."""


@dataclass(frozen=True)
class Parsed:
    """What a batch came to: readings, and rows that are put aside."""

    rows: pd.DataFrame
    """Columns row (place in the batch, from 0), asset_id, timestamp (UTC), regime, and the plant's sensors as float64.

    Each asset's timestamps strictly increase; a sensor may be NaN, but not all of a row's. Columns that begin with
    `CAME` hold what came where the source writes another unit, a category or no regime.
    """
    rejected: pd.DataFrame
    """Columns `REJECTED`: the row as it came, the first promise that it broke, and all reasons in words."""
    latest: dict[str, pd.Timestamp] = field(default_factory=dict)
    """Asset → its latest timestamp so far; hand it to `parse` with the delivery's next batch."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """What is odd about rows that are kept, in words → how many rows."""


def parse(batch: Batch, plant: Plant, latest: Mapping[str, pd.Timestamp] | None = None) -> Parsed:
    """Turn rows as they came into readings, and put aside those that are none, each with its reason.

    Put aside are rows that the source could not split; without an asset; whose timestamp is missing, unreadable,
    without a time zone, repeated or out of order for their asset; of an unknown regime; with text or infinity where a
    number belongs; and without any sensor value. A single missing value stays NaN.

    A clock that jumps shows as rows out of order. The *fewest* rows are put aside that leave the rest in order, so one
    stray timestamp in the future does not cost all the readings after it. Of equal timestamps the first stays.

    Parameters
    ----------
    batch : Batch
        Rows in the order in which they came.
    plant : Plant
        Names the sensors and regimes.
    latest : mapping of asset to timestamp, optional
        What earlier batches of the same delivery ended with; older rows are out of order.

    Returns
    -------
    Parsed
        ``len(rows) + len(rejected) == len(batch.rows)``, always.

    A sensor that the source delivers in another unit is converted; a category becomes a sensor of 0 and 1 for each of
    its values; a row whose source names no regime gets it from the plant's rules.

    Raises
    ------
    DataError
        If the batch lacks a column that its source promised, or has it more than once.
    """
    asset_type, wishes = plant.asset_type, plant.cleaning
    _require_columns(batch.rows, batch.origin, list(asset_type.delivered))
    came = settle(batch.rows)
    found = Found(len(came))
    if "defect" in came:
        columns.check_defects(came["defect"], found)
    assets = columns.assets(came["asset_id"], found)
    times = columns.possible(columns.timestamps(came["timestamp"], found), found)
    named = columns.regimes(came.get("regime"), len(came), asset_type.regimes, found, may_lack=bool(wishes.regimes))
    values = {name: columns.numbers(came[name], name, found) for name in asset_type.measured}
    values |= {name: convert(values[name], unit, asset_type.sensors[name].unit) for name, unit in wishes.units.items()}
    empty = np.logical_and.reduce([np.isnan(own) for own in values.values()])
    hot = {name: one_hot(came[name], name, known) for name, known in asset_type.categories.items()}
    for each in hot.values():
        values |= each.sensors
    rows = pd.DataFrame(
        {
            "row": np.arange(len(came), dtype="int64"),
            "asset_id": assets,
            "timestamp": times,
            "regime": infer_regimes(named, values, wishes.regimes),
            **{name: values[name] for name in asset_type.sensors},
            **{f"{CAME}{name}": came[name] for name in _altered(plant) if name in came},
        }
    )
    found.add(empty & ~found.bad, "some_value", lambda at: ["no sensor has a value"] * len(at))
    check_order(rows[~found.bad], dict(latest or {}), found)
    kept = rows[~found.bad].reset_index(drop=True)
    ends = kept.groupby("asset_id")["timestamp"].max()
    return Parsed(
        kept,
        _put_aside(batch, found.table()),
        {**(latest or {}), **{str(asset): time for asset, time in ends.items()}},
        _odd_rows([each.notes[~found.bad] for each in hot.values()]),
    )


def without_what_came(rows: pd.DataFrame) -> pd.DataFrame:
    """Return readings without the columns that keep what came."""
    return rows[[name for name in rows if not str(name).startswith(CAME)]]


def as_it_came(rows: pd.DataFrame, plant: Plant) -> pd.DataFrame:
    """Return readings with what came in place of what was made of it, to be put aside."""
    kept = [name for name in rows if not str(name).startswith(CAME)]
    altered = {str(name).removeprefix(CAME): rows[name] for name in rows if str(name).startswith(CAME)}
    derived = set(plant.asset_type.derived)
    if "regime" in _altered(plant) and "regime" not in altered:
        derived.add("regime")
    return rows[[name for name in kept if name not in derived]].assign(**altered)


def _altered(plant: Plant) -> tuple[str, ...]:
    """Name the columns of which parsing makes something else."""
    return (*plant.cleaning.units, *plant.asset_type.categories, *(("regime",) if plant.cleaning.regimes else ()))


def _odd_rows(notes: list[pd.Series[str]]) -> dict[str, int]:
    """Count what was noted."""
    together = pd.concat(notes) if notes else pd.Series(dtype="str")
    return {str(said): int(rows) for said, rows in together[together != ""].value_counts().items()}


def set_aside(parsed: Parsed, batch: Batch, found: pd.DataFrame) -> Parsed:
    """Move further rows from the readings to those put aside.

    Parameters
    ----------
    parsed : Parsed
        What `parse` made of ``batch``.
    batch : Batch
        The rows as they came.
    found : DataFrame
        Columns row (place in the batch), expectation, reason; at most one line a row.
    """
    if not len(found):
        return parsed
    kept = parsed.rows[~parsed.rows["row"].isin(found["row"])].reset_index(drop=True)
    rejected = pd.concat([parsed.rejected, _put_aside(batch, found)], ignore_index=True)
    return Parsed(kept, rejected.sort_values("row", kind="stable", ignore_index=True), parsed.latest, parsed.notes)


def _require_columns(came: pd.DataFrame, origin: str, sensors: list[str]) -> None:
    has = [str(name) for name in came.columns]
    missing = [name for name in ("asset_id", "timestamp", *sensors) if name not in has]
    if missing:
        raise DataError(f"{origin} came without column {missing}; it has {has}. Mend its source.")
    twice = [name for name in ("asset_id", "timestamp", "regime", "defect", *sensors) if has.count(name) > 1]
    if twice:
        raise DataError(f"{origin} came with column {twice} more than once. Name each column once in its source.")


def _put_aside(batch: Batch, found: pd.DataFrame) -> pd.DataFrame:
    """Write the rows named in ``found`` the way they came, with what is wrong with them."""
    came = settle(batch.rows.iloc[found["row"].to_numpy(dtype="int64")])
    times = came["timestamp"]
    is_time = pd.api.types.is_datetime64_any_dtype(times.dtype)
    aside = pd.DataFrame(
        {
            "row": found["row"].astype("int64").to_numpy(),
            "asset_id": pd.Series([None if pd.isna(v) else str(v) for v in came["asset_id"]], dtype="str"),
            "timestamp": pd.Series([None if pd.isna(v) else iso(v) if is_time else str(v) for v in times], dtype="str"),
            "content": write_content(came.drop(columns="defect", errors="ignore")),
            "expectation": found["expectation"].astype("str").to_numpy(),
            "reason": _with_advice(found, batch.if_unordered).to_numpy(),
        }
    )
    return aside[list(REJECTED)]


def _with_advice(found: pd.DataFrame, if_unordered: str) -> pd.Series[str]:
    """Return the reasons; where a row is out of order, with what its source can do about that."""
    reasons = found["reason"].astype("str")
    is_late = (found["expectation"] == "in_order") & (if_unordered != "")
    return reasons.mask(is_late, reasons + ". " + if_unordered)
