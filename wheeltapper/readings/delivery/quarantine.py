"""Rows that are put aside: with their content as it arrived, the promise that they broke, and the reason."""

from __future__ import annotations

import pandas as pd

from wheeltapper import tables
from wheeltapper.config import Plant
from wheeltapper.errors import StoreError
from wheeltapper.readings import clean
from wheeltapper.readings.columns import is_possible
from wheeltapper.readings.delivery.earlier import QUARANTINE_COLUMNS, EarlierDeliveries
from wheeltapper.readings.delivery.stored import stored_on_days_of, stored_readings
from wheeltapper.readings.order import KEY
from wheeltapper.readings.plain_values import write_content
from wheeltapper.store import Store

_NO_INSTANT = pd.Timestamp("1970-01-01", tz="UTC")


def no_rejected() -> pd.DataFrame:
    """Return the table of rejected rows without rows."""
    return tables.QUARANTINE.empty().drop(columns=["ingested_at", "measured_at"])


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


def store_rejected(
    store: Store, rejected: pd.DataFrame, earlier: EarlierDeliveries, *, goes_on: str, name: str
) -> None:
    """Write the rejected rows that are not in quarantine yet; only those of the same days are looked up.

    Parameters
    ----------
    store : Store
    rejected : DataFrame
        Rows of `tables.QUARANTINE`.
    earlier : EarlierDeliveries
        Remembers them.
    goes_on : str
        The delivery's last file: more of it may come in the next one.
    name : str
        Names the write together with the version that it follows.
    """
    if rejected.empty:
        return
    _add_instants(store)
    stored = stored_on_days_of(store, tables.QUARANTINE, rejected["measured_at"], QUARANTINE_COLUMNS)
    new = rejected[~earlier.repeat_rejected(rejected, stored, goes_on)]
    if len(new):
        store.upsert(tables.QUARANTINE, new, txn=f"quarantine:{name}:after {store.version(tables.QUARANTINE)}")


def _add_instants(store: Store) -> None:
    """Give a quarantine of an earlier release the column by which rows are found without reading all of them."""
    version = store.version(tables.QUARANTINE)
    if version is None:
        return
    try:
        store.read(tables.QUARANTINE, columns=["measured_at"], start=_NO_INSTANT, end=_NO_INSTANT)
    except StoreError:  # there is no such column: nothing was read
        rows = store.read(tables.QUARANTINE)
        rows = rows.assign(measured_at=instants(rows["timestamp"]))
        store.overwrite(tables.QUARANTINE, rows, txn=f"quarantine:instants:after {version}")


def instants(timestamps: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """Return delivered times as instants; the beginning of 1970 for a time that cannot be read or is impossible."""
    times = pd.to_datetime(timestamps, utc=True, errors="coerce", format="ISO8601").astype("datetime64[us, UTC]")
    return times.where(is_possible(times), _NO_INSTANT)


def no_longer_kept(store: Store, rejected: pd.DataFrame, earlier: EarlierDeliveries) -> pd.DataFrame | None:
    """Return the keys of stored readings that the same file now delivers as rejected rows; None if there are none.

    That happens when the limits in the plant's YAML are tightened.
    """
    keys = rejected.assign(timestamp=rejected["measured_at"]).dropna(subset=["asset_id"])
    keys = keys.loc[keys["timestamp"] != _NO_INSTANT, ["asset_id", "timestamp", "origin"]]
    keys = keys[~earlier.contain(keys)]
    stored = stored_readings(store, keys)
    rejected_now = stored.merge(keys.drop_duplicates(), on=["asset_id", "timestamp", "origin"])[KEY]
    return rejected_now if len(rejected_now) else None
