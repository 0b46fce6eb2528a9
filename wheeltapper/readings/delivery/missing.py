"""Cells without a value: the reason is stored with the reading, and goes when a later arrival brings a value."""

from __future__ import annotations

import pandas as pd

from wheeltapper import tables
from wheeltapper.readings.delivery.arrivals import Settled
from wheeltapper.readings.delivery.stored import stored_rows
from wheeltapper.readings.order import KEY
from wheeltapper.store import Store


def store(
    store: Store, missing: list[pd.DataFrame], settled: Settled, withdrawn: pd.DataFrame | None, *, txn: str
) -> None:
    """Write why cells of the readings that stay have no value, and delete the reasons of those that they replace.

    Parameters
    ----------
    store : Store
    missing : list of DataFrame
        Rows of `clean.Parsed.missing` with the column batch_id, batch by batch.
    settled : Settled
        The readings that stay.
    withdrawn : DataFrame or None
        Asset and time of stored readings that are deleted.
    txn : str
        Name of the write.
    """
    cells = _of_readings(missing, settled.readings)
    outdated_keys = settled.replaced_keys if withdrawn is None else pd.concat([settled.replaced_keys, withdrawn])
    outdated = stored_rows(store, tables.MISSING, outdated_keys)
    if len(cells) or len(outdated):
        store.upsert(tables.MISSING, cells, txn=txn, drop=outdated if len(outdated) else None)


def _of_readings(missing: list[pd.DataFrame], readings: pd.DataFrame) -> pd.DataFrame:
    """Return the cells that belong to one of the readings, as rows of the table."""
    filled = [cells for cells in missing if len(cells)]
    if not filled:
        return tables.MISSING.empty()
    places = ["batch_id", "row"]
    cells = pd.concat(filled, ignore_index=True).astype({"row": readings["row"].dtype})
    cells = cells.merge(readings[[*places, *KEY]], on=places).drop(columns=places)
    return tables.MISSING.check(cells)
