"""The change that a write makes: new pieces of a table, and the files that they replace. Nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from wheeltapper.errors import StoreError
from wheeltapper.store import compaction, digests, layout, merging, statistics
from wheeltapper.store.entries import State
from wheeltapper.store.files import File
from wheeltapper.store.layout import Columns, PeriodKind
from wheeltapper.store.refs import Staged
from wheeltapper.tables import Table

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
    has_rows = len(batch.rows) > 0
    pieces = dict(layout.cut(table, batch.rows[[name for name, _ in columns]], kind)) if has_rows else {}
    drops = dict(layout.cut(table, batch.drop, kind)) if batch.drop is not None else {}
    ending = compaction.period_that_ends(pieces, state.files.values())
    planner = _Planner(table, state, columns, load, ending, is_append)
    change = Change(columns, [], [])
    for period in sorted({*pieces, *drops, *([ending] if ending else [])}, key=str):
        new = pieces[period] if period in pieces else layout.empty(columns)
        planner.change(change, period, new, drops.get(period))
    return change if change.add or change.remove else None


@dataclass(frozen=True)
class _Planner:
    """Plans an upsert, one period at a time."""

    table: Table
    state: State
    columns: Columns
    load: Load
    ending: str | None
    """The period that is merged into one file, because a later one begins."""
    is_append: bool

    def change(self, change: Change, period: str | None, new: pd.DataFrame, drop: pd.DataFrame | None) -> None:
        """Add to a change what becomes of one period."""
        live = [file for file in self.state.files.values() if file.period == period]
        hit = self._with_a_key(live, new, drop)
        merged = merging.merge(self.table, self.load(hit, self.columns), new, drop) if hit else merging.all_new(new)
        if self.is_append and merged.existing:
            raise KeyExistsError(
                f"{merged.existing} of the rows to append to {self.table.name} have a key {self.table.key} that "
                "exists already. Use upsert to replace them."
            )
        if not merged.is_change and not self._ends(period):
            return
        removed = [] if merged.only_adds else hit
        rows = merged.added if merged.only_adds else merged.rows
        self._add(change, period, rows, [file for file in live if file not in removed], removed)

    def _add(
        self, change: Change, period: str | None, rows: pd.DataFrame, other_files: list[File], removed: list[File]
    ) -> None:
        """Add a piece in place of removed files, merged with the others of its size."""
        choose = compaction.to_close if self._ends(period) else compaction.to_merge
        files_to_merge = choose(len(rows), other_files, len(self.columns))
        change.remove.extend([*removed, *files_to_merge])
        if files_to_merge:
            rows = layout.sort(
                pd.concat([self.load(files_to_merge, self.columns), rows], ignore_index=True), self.table.key
            )
        if len(rows):
            change.add.append((period, rows))

    def _ends(self, period: str | None) -> bool:
        return self.ending is not None and period == self.ending

    def _with_a_key(self, live: list[File], new: pd.DataFrame, drop: pd.DataFrame | None) -> list[File]:
        """List the files that hold a key of these rows; statistics rule out most, key columns are read of the rest."""
        names = list(self.table.key)
        keys = new[names] if drop is None else pd.concat([new[names], drop[names]])
        near = [file for file in live if statistics.may_share_a_key(self.table, file, keys)]
        if not near:
            return []
        columns = tuple(column for column in self.columns if column[0] in self.table.key)
        index = merging.index_of(self.table, keys)
        return [file for file in near if merging.index_of(self.table, self.load([file], columns)).isin(index).any()]


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
