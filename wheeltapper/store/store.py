"""The only door to the tables: Delta Lake on a disk that may fail, under a process that may be killed.

Promises: a write happens completely or not at all, and once it has returned it survives a power cut; the same write
twice is one write; a read returns what was written, byte for byte, or raises a `StoreError` that names the file. There
is no protection against someone who rewrites files *and* log on purpose, nor if entries at the end of the log are
deleted (a `Ref` recorded elsewhere shows that).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from wheeltapper.errors import StoreError
from wheeltapper.store import retention, verification
from wheeltapper.store.changes import changes
from wheeltapper.store.entries import State
from wheeltapper.store.layout import PeriodKind
from wheeltapper.store.log import Damage, Log, log_in
from wheeltapper.store.reading import TableReader, instant
from wheeltapper.store.refs import Ref, Staged
from wheeltapper.store.writing import TableWriter
from wheeltapper.tables import Table


class Store:
    """The tables of one plant.

    Parameters
    ----------
    root : path of the folder that holds all plants, on a local disk
    plant : the plant's name
    period : how tables with a time are cut into files; a table that exists keeps its own
    """

    def __init__(self, root: str | Path, plant: str, *, period: PeriodKind = "day") -> None:
        if "://" in str(root):
            raise StoreError(f"the store must be a folder on a local disk, got {root}. Set WHEELTAPPER_HOME to a path.")
        self.plant = plant
        self.period: PeriodKind = period
        self.folder = Path(root).absolute() / plant
        self._logs: dict[str, Log] = {}

    # -- writing ---------------------------------------------------------------------------------------------------

    def upsert(
        self,
        table: Table,
        frame: pd.DataFrame,
        *,
        txn: str,
        drop: pd.DataFrame | None = None,
        made_from: dict[str, int] | None = None,
    ) -> Ref:
        """Add rows with new keys, replace rows that differ in more than volatile columns, delete dropped keys.

        Parameters
        ----------
        frame : DataFrame of the table's columns, one row a key
        txn : name of this write, unique for its content; a write whose name is in the log is skipped
        drop : DataFrame with the key's columns: rows to delete, unless they are in ``frame``
        made_from : table → the version that these rows complete the computation from; `made_from` returns it

        Returns
        -------
        Ref
            The table afterwards. If nothing differs, nothing is written and the version stays.

        Raises
        ------
        DataError
            If the frame breaks the table's promises.
        StoreError
            If the frame's further columns are not the table's, a file is damaged, or other writers never pause.
        """
        return self._ref(table, self._writer(table).upsert(frame, txn, drop, made_from))

    def append(self, table: Table, frame: pd.DataFrame, *, txn: str) -> Ref:
        """Add rows whose keys must all be new; otherwise as `upsert`.

        Raises
        ------
        KeyExistsError
            If a key is in the table already; nothing was written.
        """
        return self._ref(table, self._writer(table).upsert(frame, txn, is_append=True))

    def overwrite(self, table: Table, frame: pd.DataFrame, *, txn: str) -> Ref:
        """Put these rows in place of the whole table; its further columns may change. Raises as `upsert`."""
        return self._ref(table, self._writer(table).overwrite(frame, txn))

    def stage(self, table: Table, frame: pd.DataFrame) -> Staged:
        """Write rows to the disk without making them part of the table yet; for tables too large for one frame.

        Any process that sees the same folder may stage at any time; `replace` makes all pieces a version at once.
        """
        return self._writer(table).stage(frame)

    def replace(
        self, table: Table, parts: Sequence[Staged], *, txn: str, made_from: dict[str, int] | None = None
    ) -> Ref:
        """Put staged rows in place of the whole table, in one commit; its further columns may change.

        No key may be in two parts: the caller cuts them by asset or time. This is not checked.

        Raises
        ------
        StoreError
            If parts have different columns, or one of their files is not on the disk as it was written.
        """
        return self._ref(table, self._writer(table).replace(parts, txn, made_from))

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(
        self,
        table: Table,
        *,
        version: int | None = None,
        columns: list[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        assets: list[str] | None = None,
    ) -> pd.DataFrame:
        """Return rows sorted by key; an empty frame if nothing was written yet.

        Parameters
        ----------
        version : the newest by default; -1 is the table before its first commit
        columns : all by default
        start, end : instants with a time zone; rows from start (inclusive) to end (exclusive)
        assets : names to keep, all by default

        Raises
        ------
        StoreError
            If a file or log entry is damaged or missing (the message names it), or the table has no such version,
            column, time or asset.
        """
        return self._reader(table).read(version, columns, start, end, assets)

    def version(self, table: Table) -> int | None:
        """Return the newest version; None if nothing was written yet."""
        version = self._log(table).state().version
        return version if version >= 0 else None

    def ref(self, table: Table) -> Ref:
        """Return the table as it is now. Reads the log only."""
        return self._ref(table, self._log(table).state())

    def digest(self, table: Table, version: int | None = None) -> str:
        """Return the hash of a table's content without volatile columns: equal for equal content, whatever the commits.

        Reads the log only: the log records the content of each file, and a file's SHA-256 is checked when it is read.
        """
        return self._reader(table).digest(self._log(table).state(version))

    def made_from(self, table: Table) -> dict[str, int]:
        """Return table → the version of it that this one was last computed from, as `upsert` recorded it."""
        return self._log(table).state().made_from

    def changed(self, table: Table, since: int) -> tuple[datetime, datetime] | None:
        """Return first and last time of all rows in files added or removed after a version; None if there are none."""
        return self._reader(table).changed(since)

    def sizes(self, table: Table, version: int | None = None) -> list[tuple[datetime, datetime, int]]:
        """List first time, last time and rows of each period of a table, in order of time. Reads the log only."""
        return self._reader(table).sizes(version)

    def newest(self, table: Table) -> dict[str, datetime]:
        """Return asset → its newest time (UTC). Reads the log, and key columns of files for which it has no times.

        Raises
        ------
        StoreError
            If the table has no assets or no time.
        """
        return {name: instant(span.last) for name, span in self._reader(table).per_asset().items()}

    def rows_per_asset(self, table: Table) -> dict[str, int]:
        """Return asset → its rows; reads what `newest` reads, and raises as it does."""
        return {name: span.rows for name, span in self._reader(table).per_asset().items()}

    def changes(self, table: Table, since: int) -> pd.DataFrame:
        """Return the keys of rows that were added, removed or changed between a version and the newest.

        Reads the files that are in one of the two versions and not in the other, nothing else. Rows that differ in
        volatile columns only are the same, and so are rows that moved to another file: a compaction changes nothing.

        Returns
        -------
        DataFrame
            The columns of the table's key, each key once, sorted.

        Raises
        ------
        StoreError
            If there is no such version, or one of the files is damaged or gone.
        """
        log = self._log(table)
        return changes(self._reader(table), log.state(since), log.state())

    # -- checking --------------------------------------------------------------------------------------------------

    def verify(self, everything: bool = True) -> list[Damage]:
        """List what is not as it was written; an empty list if nothing is damaged.

        Parameters
        ----------
        everything : read every entry and file; else what came after the last look that found no damage, and the files
            of the newest version whose size or time is another than it was then
        """
        return verification.verify_plant(self.folder, everything)

    def strays(self) -> list[Path]:
        """List files that killed writers left behind. They cost free space and do no other harm."""
        return verification.strays(self.folder)

    def sweep(self) -> list[Path]:
        """Delete the files of `strays`, table by table while no other process writes to it; return their paths."""
        return verification.sweep(self.folder)

    def retain(self, keep: Collection[tuple[str, int]], older_than: datetime) -> list[Path]:
        """Give up old versions of all tables: record it in the log, then delete the files that only they need.

        A version stays if it is the newest, if it was still the newest at ``older_than``, or if it is in ``keep``. The
        log keeps the entry of every version; reading the rows of one that was given up is an error. The tables
        ``corrections``, ``missing`` and ``ledger`` are never touched. A writer that is killed in between leaves files
        that `sweep` deletes.

        Parameters
        ----------
        keep : table's name and version: what a live model, the ledger or a replay needs
        older_than : an instant with a time zone

        Returns
        -------
        list of Path
            The deleted files.

        Raises
        ------
        StoreError
            If a log is damaged, or the instant has no time zone.
        """
        deleted = []
        for folder in verification.folders_in(self.folder):
            kept_versions = frozenset(version for name, version in keep if name == folder.name)
            deleted += retention.retain(folder, kept_versions, older_than)
        return deleted

    # -- one table -------------------------------------------------------------------------------------------------

    def _reader(self, table: Table) -> TableReader:
        return TableReader(table, self._log(table))

    def _writer(self, table: Table) -> TableWriter:
        return TableWriter(self._reader(table), self.period)

    def _log(self, table: Table) -> Log:
        return self._logs.setdefault(table.name, log_in(self.folder / table.name))

    def _ref(self, table: Table, state: State) -> Ref:
        return Ref(self.plant, table.name, state.version, self._reader(table).digest(state))
