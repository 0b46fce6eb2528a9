"""The change that a write makes: new pieces of a table, and the files that they replace. Nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from wheeltapper.errors import StoreError
from wheeltapper.store import digests, layout, merging
from wheeltapper.store.entries import State
from wheeltapper.store.files import File
from wheeltapper.store.layout import Columns, PeriodKind
from wheeltapper.store.refs import Staged
from wheeltapper.tables import Table, microseconds

MOST_FILES = 16
"""Data files of one period; the next addition merges them into one, so that a year of small batches stays quick."""

Load = Callable[[Sequence[File], Columns], pd.DataFrame]
"""Returns all rows of some files."""


class KeyExistsError(StoreError):
    """Rows were appended whose keys are in the table already."""


@dataclass(frozen=True)
class Batch:
    """Rows to write, checked against their table, and the keys of rows to delete."""

    columns: Columns
    rows: pd.DataFrame
    drop: pd.DataFrame | None = None


@dataclass(frozen=True)
class Change:
    """The difference that a write makes."""

    columns: Columns
    add: list[tuple[str | None, pd.DataFrame]]
    """New pieces: period, and its rows sorted by key."""
    remove: list[File]
    staged: tuple[File, ...] = ()
    """New pieces that are on the disk already."""


def overwrite(table: Table, state: State, batch: Batch, kind: PeriodKind | None) -> Change | None:
    """Put the rows of a batch in place of the whole table; None if it holds the same rows already."""
    after = digests.digest(table, batch.columns, [(len(batch.rows), digests.row_sum(table, batch.rows, batch.columns))])
    if _is_same(table, state, batch.columns, after):
        return None
    return Change(batch.columns, layout.cut(table, batch.rows, kind), list(state.files.values()))


def replace(table: Table, state: State, columns: Columns, staged: tuple[File, ...]) -> Change | None:
    """Put staged files in place of the whole table; None if it holds the same rows already."""
    if _is_same(table, state, columns, digests.digest_of_files(table, columns, staged)):
        return None
    staged_paths = {file.path for file in staged}
    return Change(columns, [], [file for file in state.files.values() if file.path not in staged_paths], staged)


def _is_same(table: Table, state: State, columns: Columns, digest: str) -> bool:
    before = state.columns or layout.columns_of_empty(table)
    stored = digests.digest_of_files(table, state.columns, state.files.values())
    return stored == digest and sorted(before) == sorted(columns)


def upsert(
    table: Table, state: State, batch: Batch, kind: PeriodKind | None, load: Load, *, is_append: bool
) -> Change | None:
    """Add, replace and delete the rows of a batch, period by period; None if nothing differs.

    Raises
    ------
    KeyExistsError
        If ``is_append`` and a key is in the table already.
    StoreError
        If the columns of the batch are not those of the table.
    """
    if batch.rows.empty and batch.drop is None:
        return None
    if state.version >= 0 and not batch.rows.empty:
        _require_same_columns(table, state.columns, batch.columns)
    columns = state.columns or batch.columns
    none = layout.to_frame(layout.arrow_schema(columns).empty_table(), columns)
    has_rows = len(batch.rows) > 0
    pieces = dict(layout.cut(table, batch.rows[[name for name, _ in columns]], kind)) if has_rows else {}
    drops = dict(layout.cut(table, batch.drop, kind)) if batch.drop is not None else {}
    change = Change(columns, [], [])
    for period in sorted({*pieces, *drops}, key=str):
        live = [file for file in state.files.values() if file.period == period]
        new, drop = pieces.get(period, none), drops.get(period)
        if drop is None and len(live) < MOST_FILES and _is_later(table, new, live):
            change.add.append((period, new))
            continue
        merged = merging.merge(table, load(live, columns), new, drop)
        if is_append and merged.existing:
            raise KeyExistsError(
                f"{merged.existing} of the rows to append to {table.name} have a key {table.key} that exists "
                "already. Use upsert to replace them."
            )
        _add_merged(change, period, merged, live)
    return change if change.add or change.remove else None


def _add_merged(change: Change, period: str | None, merged: merging.Merged, live: list[File]) -> None:
    """Add one merged period to a change: only its new rows where that is enough, else the whole period."""
    if not merged.is_change:
        return
    if merged.only_adds and len(live) < MOST_FILES:
        change.add.append((period, merged.added))
        return
    change.remove.extend(live)
    if len(merged.rows):
        change.add.append((period, merged.rows))


def columns_in_common(table: Table, parts: Sequence[Staged]) -> Columns:
    """Return the columns of staged parts.

    Raises
    ------
    StoreError
        If the parts have different columns.
    """
    filled = [part.columns for part in parts if part.files]
    first = filled[0] if filled else layout.columns_of_empty(table)
    for columns in filled:
        if columns != first:
            raise StoreError(
                f"parts of table {table.name} have different columns: {[name for name, _ in first]} and "
                f"{[name for name, _ in columns]}. They must come from the same plan."
            )
    return first


def _require_same_columns(table: Table, stored: Columns, new: Columns) -> None:
    if sorted(stored) == sorted(new):
        return
    lost = [column[0] for column in stored if column not in new]
    extra = [column[0] for column in new if column not in stored]
    raise StoreError(
        f"table {table.name} has columns {[name for name, _ in stored]}; these rows lack {lost} and bring {extra}. "
        "Use overwrite to give the table new columns (older versions stay readable), or a plant of another name."
    )


def _is_later(table: Table, new: pd.DataFrame, live: list[File]) -> bool:
    """Say whether rows are later than everything in these files, so that none of their keys can exist yet."""
    if not live:
        return True
    if not layout.is_cut(table):
        return False
    if any(file.last is None for file in live):  # an earlier release kept this table in one piece, without times
        return False
    return int(microseconds(new[str(table.time)]).min()) > max(int(file.last or 0) for file in live)
