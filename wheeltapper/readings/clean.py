"""Cleaning: every delivered row is a reading or put aside with its reason; nothing is repaired or dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from wheeltapper.config import Plant
from wheeltapper.errors import DataError
from wheeltapper.readings import columns
from wheeltapper.readings.categories import one_hot
from wheeltapper.readings.plain_values import iso, settle, write_content
from wheeltapper.readings.problems import RowProblems
from wheeltapper.readings.regimes import infer_regimes
from wheeltapper.readings.units import convert
from wheeltapper.sources import Batch

DELIVERED = "delivered:"
"""Begins the names of columns that keep the delivered value beside the one made of it (unit, category, regime)."""

REJECTED = ("row", "asset_id", "timestamp", "content", "expectation", "reason")
"""Columns of the rows that are put aside: `tables.QUARANTINE` without what the delivery adds."""

MISSING = ("row", "sensor", "why", "detail")
"""Columns of the cells without a value: the row's place in the batch, and the reason as in `tables.MISSING`."""


@dataclass(frozen=True)
class Parsed:
    """The result of cleaning one batch: its readings, and the rows that are put aside."""

    rows: pd.DataFrame
    """Columns row (place in the batch, from 0), asset_id, timestamp (UTC), regime, and the plant's sensors as float64.

    In the order of their arrival: times may step back and repeat, see `wheeltapper.readings.order.in_time`. A sensor
    may be NaN, but not all of a row's. Columns that begin with `DELIVERED` hold the delivered value where the source
    writes another unit, a category or no regime.
    """
    rejected: pd.DataFrame
    """Columns `REJECTED`: the row as delivered, the first promise that it broke, and all reasons."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """Remark on rows that are kept → how many rows."""
    missing: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(MISSING)))
    """Columns `MISSING`: the cells of kept rows that have no value although the source delivered something."""


def parse(batch: Batch, plant: Plant) -> Parsed:
    """Turn delivered rows into readings; put the others aside, each with its reason.

    A row is put aside if

    - the source could not split it,
    - it names no asset,
    - its timestamp is missing, unreadable, without a time zone, or in a year that no reading has,
    - its regime is unknown,
    - it has text or infinity where a number belongs, or
    - no sensor has a value. (A single missing value stays NaN.)

    Order does not matter: a row that steps back in time is a reading like any other, and so is one whose timestamp
    came before. Which of several at one instant stays is decided where the delivery is stored.

    A sensor that the source delivers in another unit is converted; a category becomes a sensor of 0 and 1 for each of
    its values; a row whose source names no regime gets it from the plant's rules.

    Parameters
    ----------
    batch : Batch
        Rows in the order of their delivery.
    plant : Plant
        Names the sensors and regimes.

    Returns
    -------
    Parsed
        ``len(rows) + len(rejected) == len(batch.rows)``, always.

    Raises
    ------
    DataError
        If the batch lacks a column that its source promised, or has it more than once.
    """
    asset_type, cleaning = plant.asset_type, plant.cleaning
    _require_columns(batch.rows, batch.origin, list(asset_type.delivered))
    delivered = settle(batch.rows)
    problems = RowProblems(len(delivered))
    if "defect" in delivered:
        columns.check_defects(delivered["defect"], problems)
    assets = columns.assets(delivered["asset_id"], problems)
    times = columns.possible(columns.timestamps(delivered["timestamp"], problems), problems)
    named_regimes = columns.regimes(
        delivered.get("regime"), len(delivered), asset_type.regimes, problems, may_lack=bool(cleaning.regimes)
    )
    values = {name: columns.numbers(delivered[name], name, problems) for name in asset_type.measured}
    values |= {
        name: convert(values[name], unit, asset_type.sensors[name].unit) for name, unit in cleaning.units.items()
    }
    empty = np.logical_and.reduce([np.isnan(sensor) for sensor in values.values()])
    categories = {name: one_hot(delivered[name], name, labels) for name, labels in asset_type.categories.items()}
    for category in categories.values():
        values |= category.sensors
    rows = pd.DataFrame(
        {
            "row": np.arange(len(delivered), dtype="int64"),
            "asset_id": assets,
            "timestamp": times,
            "regime": infer_regimes(named_regimes, values, cleaning.regimes),
            **{name: values[name] for name in asset_type.sensors},
            **{f"{DELIVERED}{name}": delivered[name] for name in _altered(plant) if name in delivered},
        }
    )
    problems.add(empty & ~problems.bad, "some_value", lambda at: ["no sensor has a value"] * len(at))
    return Parsed(
        rows[~problems.bad].reset_index(drop=True),
        _put_aside(batch, problems.table()),
        _count_remarks([category.notes[~problems.bad] for category in categories.values()]),
        _missing({name: category.unreadable[~problems.bad] for name, category in categories.items()}),
    )


def without_delivered(rows: pd.DataFrame) -> pd.DataFrame:
    """Return readings without the columns that keep delivered values."""
    return rows[[name for name in rows if not str(name).startswith(DELIVERED)]]


def as_delivered(rows: pd.DataFrame, plant: Plant) -> pd.DataFrame:
    """Return readings with the delivered values in place of those made of them, to be put aside."""
    columns_kept = [name for name in rows if not str(name).startswith(DELIVERED)]
    altered = {str(name).removeprefix(DELIVERED): rows[name] for name in rows if str(name).startswith(DELIVERED)}
    derived = set(plant.asset_type.derived)
    if "regime" in _altered(plant) and "regime" not in altered:
        derived.add("regime")
    return rows[[name for name in columns_kept if name not in derived]].assign(**altered)


def _altered(plant: Plant) -> tuple[str, ...]:
    """Name the columns whose values parsing changes."""
    return (*plant.cleaning.units, *plant.asset_type.categories, *(("regime",) if plant.cleaning.regimes else ()))


def _count_remarks(notes: list[pd.Series[str]]) -> dict[str, int]:
    """Count each remark."""
    together = pd.concat(notes) if notes else pd.Series(dtype="str")
    return {str(remark): int(rows) for remark, rows in together[together != ""].value_counts().items()}


def _missing(unreadable: Mapping[str, pd.Series[str]]) -> pd.DataFrame:
    """List the cells that hold something which means no value, column by column."""
    cells = [
        pd.DataFrame({"row": detail.index, "sensor": name, "why": "unreadable", "detail": detail})
        for name, notes in unreadable.items()
        if len(detail := notes[notes != ""])
    ]
    return pd.concat(cells, ignore_index=True) if cells else pd.DataFrame(columns=list(MISSING))


def _require_columns(delivered: pd.DataFrame, origin: str, sensors: list[str]) -> None:
    has = [str(name) for name in delivered.columns]
    missing = [name for name in ("asset_id", "timestamp", *sensors) if name not in has]
    if missing:
        raise DataError(f"{origin} lacks column {missing}; it has {has}. Correct its source.")
    repeated = [name for name in ("asset_id", "timestamp", "regime", "defect", *sensors) if has.count(name) > 1]
    if repeated:
        raise DataError(f"{origin} has column {repeated} more than once. Name each column once in its source.")


def _put_aside(batch: Batch, problems: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have problems as they were delivered, each with its reason."""
    delivered = settle(batch.rows.iloc[problems["row"].to_numpy(dtype="int64")])
    times = delivered["timestamp"]
    is_time = pd.api.types.is_datetime64_any_dtype(times.dtype)
    rejected = pd.DataFrame(
        {
            "row": problems["row"].astype("int64").to_numpy(),
            "asset_id": pd.Series([None if pd.isna(v) else str(v) for v in delivered["asset_id"]], dtype="str"),
            "timestamp": pd.Series([None if pd.isna(v) else iso(v) if is_time else str(v) for v in times], dtype="str"),
            "content": write_content(delivered.drop(columns="defect", errors="ignore")),
            "expectation": problems["expectation"].astype("str").to_numpy(),
            "reason": problems["reason"].astype("str").to_numpy(),
        }
    )
    return rejected[list(REJECTED)]
