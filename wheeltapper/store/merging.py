"""How new rows change old ones: which are added, which replace another, which are deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.errors import DataError
from wheeltapper.store.layout import sort
from wheeltapper.tables import DTYPES, Table


def keys_to_drop(table: Table, drop: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the key columns of the rows to delete with exact dtypes; None if there are none.

    Raises
    ------
    DataError
        If a key column is missing or of another kind.
    """
    if drop is None or drop.empty:
        return None
    missing = [name for name in table.key if name not in drop]
    if missing:
        raise DataError(f"rows to drop from {table.name} need the key {table.key}; column {missing} is missing")
    kinds = {column.name: column.kind for column in table.columns}
    try:
        keys = drop[list(table.key)].astype({name: DTYPES[kinds[name]] for name in table.key})
    except (TypeError, ValueError) as error:
        raise DataError(f"rows to drop from {table.name}: {error}") from error
    return keys.drop_duplicates(ignore_index=True)


@dataclass(frozen=True)
class Merged:
    """One period after an upsert."""

    rows: pd.DataFrame
    """All rows afterwards, sorted by key."""
    added: pd.DataFrame
    """Those whose key is new."""
    existing: int
    """Rows of the upsert whose key existed already, changed or not."""
    replaced: int
    dropped: int

    @property
    def is_change(self) -> bool:
        """True if anything differs afterwards."""
        return bool(len(self.added) or self.replaced or self.dropped)

    @property
    def only_adds(self) -> bool:
        """True if old rows stay as they are."""
        return not (self.replaced or self.dropped)


def all_new(rows: pd.DataFrame) -> Merged:
    """Return what an upsert of sorted rows makes where none of their keys exists."""
    return Merged(rows=rows, added=rows, existing=0, replaced=0, dropped=0)


def merge(table: Table, old: pd.DataFrame, new: pd.DataFrame, drop: pd.DataFrame | None) -> Merged:
    """Add new rows, replace those that differ in more than volatile columns, delete the dropped ones."""
    before, after = index_of(table, old), index_of(table, new)
    position = before.get_indexer(after)
    exists = position >= 0
    differs = np.zeros(len(new), dtype=bool)
    differs[exists] = _differ(table, old.iloc[position[exists]], new[exists])
    stays = np.ones(len(old), dtype=bool)
    if drop is not None:
        stays[before.isin(index_of(table, drop)) & ~before.isin(after)] = False
    dropped = int((~stays).sum())
    stays[position[differs]] = False
    added = new[~exists]
    parts = [part for part in (old[stays], added, new[differs]) if len(part)]
    rows = pd.concat(parts, ignore_index=True) if parts else old.iloc[:0]
    return Merged(
        rows=sort(rows, table.key),
        added=sort(added, table.key),
        existing=int(exists.sum()),
        replaced=int(differs.sum()),
        dropped=dropped,
    )


def index_of(table: Table, frame: pd.DataFrame) -> pd.Index[Any]:
    """Return the keys of rows as an index."""
    if len(table.key) == 1:
        keys: pd.Index[Any] = pd.Index(frame[table.key[0]])
        return keys
    tuples: pd.Index[Any] = pd.MultiIndex.from_frame(frame[list(table.key)])
    return tuples


def _differ(table: Table, old: pd.DataFrame, new: pd.DataFrame) -> NDArray[np.bool_]:
    differs = np.zeros(len(new), dtype=bool)
    for name in new.columns:
        if name in table.key or name in table.volatile:
            continue
        before, after = old[name].reset_index(drop=True), new[name].reset_index(drop=True)
        same = (before == after).to_numpy(dtype=bool, na_value=False) | (before.isna() & after.isna()).to_numpy()
        differs |= ~same
    return differs
