"""Writing one table: pieces to the disk, then one commit that makes them the next version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import pandas as pd

from wheeltapper import faultpoints
from wheeltapper.errors import StoreError
from wheeltapper.store import digests, files, layout, merging, planning, statistics
from wheeltapper.store.commit import Commit, ConflictError, commit, sync
from wheeltapper.store.entries import State
from wheeltapper.store.files import File
from wheeltapper.store.layout import Columns, PeriodKind
from wheeltapper.store.locking import locked
from wheeltapper.store.planning import Batch, Change
from wheeltapper.store.reading import TableReader
from wheeltapper.store.refs import Staged

ATTEMPTS = 10
"""Tries of one write while others write too; with the lock held, the first one succeeds."""


class TableWriter:
    """Writes one table of a plant.

    Parameters
    ----------
    reader : reads the same table
    period : how a new table with a time is cut into files; a table that exists keeps its own
    """

    def __init__(self, reader: TableReader, period: PeriodKind) -> None:
        self._table = reader.table
        self._log = reader.log
        self._folder = reader.log.folder
        self._reader = reader
        self._period = period

    def upsert(
        self,
        frame: pd.DataFrame,
        txn: str,
        drop: pd.DataFrame | None = None,
        made_from: dict[str, int] | None = None,
        *,
        is_append: bool = False,
    ) -> State:
        """Add, replace and delete rows, see `Store.upsert` and `Store.append`."""
        batch = self._checked(frame, drop)

        def plan(state: State) -> Change | None:
            kind = self._kind(state)
            return planning.upsert(self._table, state, batch, kind, self._reader.load, is_append=is_append)

        return self._write(txn, "append" if is_append else "upsert", plan, made_from)

    def overwrite(self, frame: pd.DataFrame, txn: str) -> State:
        """Put rows in place of the whole table, see `Store.overwrite`."""
        batch = self._checked(frame)
        return self._write(
            txn, "overwrite", lambda state: planning.overwrite(self._table, state, batch, self._kind(state))
        )

    def stage(self, frame: pd.DataFrame) -> Staged:
        """Write rows to the disk without making them part of the table, see `Store.stage`."""
        batch = self._checked(frame)
        state = self._log.state()
        pieces = layout.cut(self._table, batch.rows, self._kind(state)) if len(batch.rows) else []
        return Staged(batch.columns, tuple(self._write_piece(state, batch.columns, *piece) for piece in pieces))

    def replace(self, parts: Sequence[Staged], txn: str, made_from: dict[str, int] | None) -> State:
        """Put staged rows in place of the whole table, see `Store.replace`."""
        columns = planning.columns_in_common(self._table, parts)
        staged = tuple(file for part in parts for file in part.files)
        for file in staged:
            files.require(self._folder, file)
        state = self._write(
            txn, "overwrite", lambda state: planning.replace(self._table, state, columns, staged), made_from
        )
        self._delete_unneeded(staged)
        return state

    def _delete_unneeded(self, staged: tuple[File, ...]) -> None:
        """Delete staged files that no version needs, because the table held the same rows already."""
        if not staged:
            return
        newest = self._log.newest()
        first = min(files.version_in(file.path) or 0 for file in staged)
        needed_paths = {file.path for entry in self._log.entries(first, newest) for file in entry.add}
        for file in staged:
            if file.path not in needed_paths:
                (self._folder / file.path).unlink(missing_ok=True)

    def _write(
        self,
        txn: str,
        operation: str,
        plan: Callable[[State], Change | None],
        made_from: dict[str, int] | None = None,
    ) -> State:
        """Bring a plan for the newest version into the log, once."""
        with locked(self._folder):
            for _ in range(ATTEMPTS):
                state = self._log.state()
                if txn in state.txns:
                    sync(self._log, state.version)  # the process that wrote it may have been killed before syncing
                    return state
                change = plan(state)
                if change is None:
                    return state
                try:
                    return commit(self._log, state, self._as_commit(state, change, txn, operation, made_from))
                except ConflictError:
                    continue  # the files written for it are strays now; the next try starts from the winner's version
        raise StoreError(
            f"{operation} of {self._table.name} ({txn}) met another writer {ATTEMPTS} times in a row and gave up. "
            "Nothing was changed; run it again when the others have finished."
        )

    def _as_commit(
        self, state: State, change: Change, txn: str, operation: str, made_from: dict[str, int] | None
    ) -> Commit:
        """Write the new pieces of a change to the disk and return the commit that makes them the next version."""
        written_files = tuple(self._write_piece(state, change.columns, *piece) for piece in change.add)
        return Commit(
            operation=operation,
            txn=txn,
            period=self._kind(state),
            columns=change.columns,
            add=(*change.staged, *written_files),
            remove=tuple(change.remove),
            made_from=made_from or {},
        )

    def _write_piece(self, state: State, columns: Columns, period: str | None, rows: pd.DataFrame) -> File:
        data = files.encode(layout.to_arrow(rows, columns))
        digest = sha256(data).hexdigest()
        # Named by version and content: when a killed writer runs again, it writes over its own stray file.
        name = files.name_of(state.version + 1, digest)
        path = f"{layout.PERIOD}={period}/{name}" if period else name
        faultpoints.hit("store.before_data")
        files.write(self._folder / path, data)
        faultpoints.hit("store.after_data")
        total = digests.row_sum(self._table, rows, columns)
        return File(path, len(data), digest, len(rows), total, period, *statistics.of_rows(self._table, rows))

    def _checked(self, frame: pd.DataFrame, drop: pd.DataFrame | None = None) -> Batch:
        if layout.PERIOD in frame:
            raise StoreError(
                f"table {self._table.name} cannot have a column '{layout.PERIOD}': the store uses that name."
            )
        rows = self._table.check(frame)
        return Batch(layout.columns_of(self._table, rows), rows, merging.keys_to_drop(self._table, drop))

    def _kind(self, state: State) -> PeriodKind | None:
        if state.version >= 0:
            return state.period
        return self._period if layout.is_cut(self._table) else None
