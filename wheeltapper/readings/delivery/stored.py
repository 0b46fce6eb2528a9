"""The stored rows that have the keys of a delivery: only their days are read, whatever the length of the history."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from wheeltapper import tables
from wheeltapper.readings.order import KEY
from wheeltapper.store import Store
from wheeltapper.tables import Table

_DAY = 86_400_000_000
_TICK = pd.Timedelta(microseconds=1)


def stored_readings(store: Store, keys: pd.DataFrame) -> pd.DataFrame:
    """Return the stored readings with these keys, all columns.

    Parameters
    ----------
    store : Store
    keys : DataFrame
        Columns asset_id and timestamp; a key may be repeated.
    """
    newest = store.newest(tables.READINGS)
    if not newest:
        return store.read(tables.READINGS, version=-1)
    ends = keys["asset_id"].map(newest).astype(keys["timestamp"].dtype)
    # Most readings are newer than all stored ones of their asset: nothing to look up.
    return stored_rows(store, tables.READINGS, keys[(keys["timestamp"] <= ends).to_numpy(dtype=bool)])


def stored_rows(store: Store, table: Table, keys: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table that is cut by time whose asset and time are among the keys."""
    if store.version(table) is None or keys.empty:
        return store.read(table, version=-1)
    assets = sorted(keys["asset_id"].unique())
    parts = [
        store.read(table, start=first, end=last + _TICK, assets=assets) for first, last in _spans(keys["timestamp"])
    ]
    rows = pd.concat(parts, ignore_index=True)
    index = pd.MultiIndex.from_frame(keys[KEY])
    return rows[pd.MultiIndex.from_frame(rows[KEY]).isin(index)].reset_index(drop=True)


def stored_on_days_of(store: Store, table: Table, times: pd.Series[pd.Timestamp], columns: list[str]) -> pd.DataFrame:
    """Return the rows of a table that is cut by time from the days of these times."""
    parts = [store.read(table, columns=columns, start=first, end=last + _TICK) for first, last in _spans(times)]
    return pd.concat(parts, ignore_index=True) if parts else store.read(table, version=-1)[columns]


def _spans(times: pd.Series[pd.Timestamp]) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
    """Yield the first and the last time of each group of neighbouring days: for one late row, one day is read."""
    micros = np.unique(tables.microseconds(times))
    if not len(micros):
        return
    begins = np.flatnonzero(np.diff(micros // _DAY, prepend=micros[0] // _DAY - 2) > 1)
    for first, after in zip(begins, [*begins[1:], len(micros)], strict=True):
        yield _instant(micros[first]), _instant(micros[after - 1])


def _instant(micros: int) -> pd.Timestamp:
    return pd.Timestamp(int(micros), unit="us", tz="UTC")
