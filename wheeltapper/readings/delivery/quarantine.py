"""Rows that are put aside: with their content as it arrived, the promise that they broke, and the reason."""

from __future__ import annotations

import pandas as pd

from wheeltapper import tables
from wheeltapper.config import Plant
from wheeltapper.readings import clean
from wheeltapper.readings.columns import is_possible
from wheeltapper.readings.delivery.earlier import EarlierDeliveries
from wheeltapper.readings.delivery.stored import stored_readings
from wheeltapper.readings.order import KEY
from wheeltapper.readings.plain_values import write_content
from wheeltapper.store import Store


def no_rejected() -> pd.DataFrame:
    """Return the table of rejected rows without rows."""
    return tables.QUARANTINE.empty().drop(columns="ingested_at")


def split_rejected(rows: pd.DataFrame, rejected: pd.DataFrame, plant: Plant) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that may be kept, and the others as rows for the quarantine.

    Parameters
    ----------
    rows : DataFrame
        Cleaned rows of a delivery, with an index from 0.
    rejected : DataFrame
        Columns row (the place in ``rows``), expectation and reason.
    plant : Plant
    """
    if rejected.empty:
        return rows, no_rejected()
    places = rejected["row"].to_numpy()
    broken = rows.iloc[places]
    content = clean.as_delivered(broken.drop(columns=["row", "batch_id", "origin"]), plant)
    quarantined = broken[["batch_id", "row", "origin", "asset_id"]].assign(
        timestamp=broken["timestamp"].astype(str),
        content=write_content(content).to_numpy(),
        expectation=rejected["expectation"].to_numpy(),
        reason=rejected["reason"].to_numpy(),
    )
    return rows.drop(index=rows.index[places]).reset_index(drop=True), quarantined


def no_longer_kept(
    store: Store, rejected: pd.DataFrame, readings: pd.DataFrame, earlier: EarlierDeliveries
) -> pd.DataFrame | None:
    """Return the keys of stored readings that the same file now delivers as rejected rows; None if there are none.

    That happens when the limits in the plant's YAML are tightened.
    """
    times = pd.to_datetime(rejected["timestamp"], utc=True, errors="coerce", format="ISO8601").astype(
        readings["timestamp"].dtype
    )
    keys = rejected.assign(timestamp=times).dropna(subset=["timestamp", "asset_id"])
    keys = keys[["asset_id", "timestamp", "origin"]]
    keys = keys[is_possible(keys["timestamp"])]
    keys = keys[~earlier.contain(keys)]
    stored = stored_readings(store, keys)
    both = stored.merge(keys.drop_duplicates(), on=["asset_id", "timestamp", "origin"])[KEY]
    return both if len(both) else None
