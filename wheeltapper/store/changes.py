"""The keys of the rows that differ between two versions, from the files that are in one of them only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.store import digests, layout
from wheeltapper.store.entries import State
from wheeltapper.store.files import File
from wheeltapper.store.layout import Columns
from wheeltapper.store.reading import TableReader
from wheeltapper.tables import Table


@dataclass
class _Period:
    """The files of one period that are in one of two versions only."""

    removed: list[File] = field(default_factory=list)
    added: list[File] = field(default_factory=list)


def changes(reader: TableReader, before: State, now: State) -> pd.DataFrame:
    """Return the keys of rows that were added, removed or changed between two versions, see `Store.changes`."""
    for period in _differing(before, now).values():
        reader.require_kept(before.version, period.removed)
    changed = [
        _changed_keys(reader, period, before.columns, now.columns)
        for period in _differing(before, now).values()
        if not _has_same_rows(reader.table, period, before.columns, now.columns)
    ]
    keys = list(reader.table.key)
    none = reader.table.empty()[keys]
    # A row may move from one period's file to another's when a table is cut anew: its key is listed once.
    return layout.sort(pd.concat([none, *changed]).drop_duplicates(), reader.table.key)


def _differing(before: State, now: State) -> dict[str | None, _Period]:
    periods: dict[str | None, _Period] = {}
    for path, file in before.files.items():
        if path not in now.files:
            periods.setdefault(file.period, _Period()).removed.append(file)
    for path, file in now.files.items():
        if path not in before.files:
            periods.setdefault(file.period, _Period()).added.append(file)
    return periods


def _has_same_rows(table: Table, period: _Period, before: Columns, now: Columns) -> bool:
    """Say from the log alone whether files hold the same rows as those that they replaced: a compaction does."""
    removed_digest, added_digest = (
        digests.digest_of_files(table, before, part) for part in (period.removed, period.added)
    )
    return removed_digest == added_digest and sorted(before) == sorted(now)


def _changed_keys(reader: TableReader, period: _Period, before: Columns, now: Columns) -> pd.DataFrame:
    if not period.removed or not period.added:  # nothing to compare with: the keys suffice
        return _keys(reader, period.removed, before) if period.removed else _keys(reader, period.added, now)
    old_keys, old_hashes = _hashed(reader, period.removed, before)
    new_keys, new_hashes = _hashed(reader, period.added, now)
    return pd.concat([old_keys[~_is_in(old_hashes, new_hashes)], new_keys[~_is_in(new_hashes, old_hashes)]])


def _keys(reader: TableReader, parts: Sequence[File], columns: Columns) -> pd.DataFrame:
    return reader.load(parts, tuple(column for column in columns if column[0] in reader.table.key))


def _hashed(reader: TableReader, parts: Sequence[File], columns: Columns) -> tuple[pd.DataFrame, pd.MultiIndex]:
    steady = tuple(column for column in columns if column[0] not in reader.table.volatile)
    rows = reader.load(parts, steady)
    hashes = pd.MultiIndex.from_arrays(digests.row_hashes(reader.table, rows, steady))
    return rows[list(reader.table.key)], hashes


def _is_in(hashes: pd.MultiIndex, other_hashes: pd.MultiIndex) -> NDArray[np.bool_]:
    return np.asarray(hashes.isin(other_hashes))
