"""The only door to the tables: Delta Lake on a disk that may fail, under a process that may be killed.

What is promised: a write happens completely or not at all, and once it has returned it survives a power cut; the
same write twice is one write; what is read is what was written, byte for byte, or a `StoreError` that names the
file. It does not help against someone who rewrites files *and* log on purpose, nor if entries at the end of the
log are deleted (a `Ref` written down elsewhere shows that).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pyarrow as pa
from filelock import FileLock, Timeout

from wheeltapper import faultpoints
from wheeltapper.errors import StoreError
from wheeltapper.store import content, files
from wheeltapper.store.commit import Commit, ConflictError, commit, sync
from wheeltapper.store.content import Columns, PeriodKind
from wheeltapper.store.files import File
from wheeltapper.store.log import Damage, Log, State
from wheeltapper.store.select import Selection, select
from wheeltapper.tables import Table, microseconds

__all__ = ["Damage", "KeyExistsError", "Ref", "Staged", "Store", "verify_all"]

ATTEMPTS = 10
"""Tries of one write while others write too; with the lock held, the first one succeeds."""
LOCK_SECONDS = 600.0
"""How long a writer waits for another writer of the same table."""
MOST_FILES = 16
"""Data files of one period; the next addition folds them into one, so that a year of small batches stays quick."""


class KeyExistsError(StoreError):
    """Rows were appended whose keys are in the table already."""


@dataclass(frozen=True)
class Ref:
    """One table at one version: what travels between tasks in place of its rows."""

    plant: str
    table: str
    version: int
    """-1 for a table that nothing was written to yet."""
    digest: str
    """Hash of its content, the same for the same content whatever the commits."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return what `as_dict` wrote."""
        return cls(**fields)


@dataclass(frozen=True)
class Staged:
    """Rows that are on the disk already and in no version yet; `Store.replace` makes them one, `Store.sweep` gone."""

    columns: Columns
    files: tuple[File, ...]

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(file.rows for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON: they travel between tasks and machines."""
        return {"columns": [list(one) for one in self.columns], "files": [file.as_dict() for file in self.files]}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return what `as_dict` wrote."""
        return cls(
            tuple((name, kind) for name, kind in fields["columns"]), tuple(File(**one) for one in fields["files"])
        )


@dataclass(frozen=True)
class _Change:
    """What a write comes to: new pieces (period, rows sorted by key) and the files that they replace."""

    columns: Columns
    add: list[tuple[str | None, pd.DataFrame]]
    remove: list[File]
    staged: tuple[File, ...] = ()
    """Pieces that were written before."""


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
        made_from : table → the version that these rows complete the computation from; `made_from` gives it back

        Returns
        -------
        Ref
            The table afterwards. If nothing differs, nothing is written and the version stays.

        Raises
        ------
        DataError
            If the frame is not as the table says.
        StoreError
            If the table's further columns are others, a file is damaged, or other writers never pause.
        """
        return self._upsert(table, frame, txn, drop, "upsert", made_from)

    def append(self, table: Table, frame: pd.DataFrame, *, txn: str) -> Ref:
        """Add rows whose keys must all be new; otherwise as `upsert`.

        Raises
        ------
        KeyExistsError
            If a key is in the table already; nothing was written.
        """
        return self._upsert(table, frame, txn, None, "append")

    def overwrite(self, table: Table, frame: pd.DataFrame, *, txn: str) -> Ref:
        """Put these rows in place of the whole table; its further columns may change. Raises as `upsert`."""
        rows, columns = self._checked(table, frame)

        def plan(state: State) -> _Change | None:
            was = content.digest_of_files(table, state.columns, state.files.values())
            is_ = content.digest(table, columns, [(len(rows), content.content(table, rows, columns))])
            if was == is_ and sorted(state.columns or _columns_of_none(table)) == sorted(columns):
                return None
            pieces = content.cut(table, rows, self._kind(table, state))
            return _Change(columns, pieces, list(state.files.values()))

        return self._write(table, txn, "overwrite", plan)

    def stage(self, table: Table, frame: pd.DataFrame) -> Staged:
        """Write rows to the disk without making them part of the table yet; for tables too large for one frame.

        Any process that sees the same folder may do so at any time; `replace` makes the pieces a version, all at once.
        """
        rows, columns = self._checked(table, frame)
        state = self._log(table).state()
        pieces = content.cut(table, rows, self._kind(table, state)) if len(rows) else []
        return Staged(columns, tuple(self._write_piece(table, state, columns, *piece) for piece in pieces))

    def replace(
        self, table: Table, parts: Sequence[Staged], *, txn: str, made_from: dict[str, int] | None = None
    ) -> Ref:
        """Put staged rows in place of the whole table, in one commit; its further columns may change.

        No key may be in two parts: that is the caller's part of the bargain, who cut them by asset or time.

        Raises
        ------
        StoreError
            If parts have different columns, or a file that they name is not there as it was written.
        """
        columns = _columns_in_common(table, parts)
        fresh = tuple(file for part in parts for file in part.files)
        for file in fresh:
            files.require(self.folder / table.name, file)

        def plan(state: State) -> _Change | None:
            live = list(state.files.values())
            was = content.digest_of_files(table, state.columns, live)
            is_ = content.digest_of_files(table, columns, fresh)
            if was == is_ and sorted(state.columns or _columns_of_none(table)) == sorted(columns):
                return None
            kept = {file.path for file in fresh}
            return _Change(columns, [], [file for file in live if file.path not in kept], fresh)

        ref = self._write(table, txn, "overwrite", plan, made_from)
        self._forget(table, fresh)
        return ref

    def _forget(self, table: Table, staged: tuple[File, ...]) -> None:
        """Delete staged files that no version needs, because the table held the same rows already."""
        log = self._log(table)
        known = {file.path for entry in log.scan()[0] for file in entry.add}
        for file in staged:
            if file.path not in known:
                (self.folder / table.name / file.path).unlink(missing_ok=True)

    def made_from(self, table: Table) -> dict[str, int]:
        """Return table → the version of it that this one was last said to be computed from."""
        return self._log(table).state().made_from

    def changed(self, table: Table, since: int) -> tuple[datetime, datetime] | None:
        """Return first and last time of all rows in files that came or went after a version; None where none did."""
        log = self._log(table)
        before, now = log.state(since).files, log.state().files
        touched = [file for path, file in (before | now).items() if (path in before) != (path in now)]
        times = [time for file in touched for time in (file.first, file.last) if time is not None]
        if not times:
            return None
        return _instant(min(times)), _instant(max(times))

    def sizes(self, table: Table, version: int | None = None) -> list[tuple[datetime, datetime, int]]:
        """List first time, last time and rows of each period of a table, in order of time. Reads the log only."""
        found: dict[str, tuple[int, int, int]] = {}
        for file in self._log(table).state(version).files.values():
            if file.first is not None and file.last is not None:
                first, last, rows = found.get(str(file.period), (file.first, file.last, 0))
                found[str(file.period)] = (min(first, file.first), max(last, file.last), rows + file.rows)
        return [(_instant(first), _instant(last), rows) for first, last, rows in sorted(found.values())]

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
        """Return rows sorted by key; an empty frame where nothing was written yet.

        Parameters
        ----------
        version : the newest by default; -1 is the table before its first commit
        columns : all by default
        start, end : instants with a time zone; rows from start (inclusive) to end (exclusive)
        assets : names to keep, all by default

        Raises
        ------
        StoreError
            If a file or log entry is damaged or missing (the message names it), or there is no such version,
            column, time or asset in the table.
        """
        state = self._log(table).state(version)
        known = state.columns or _columns_of_none(table)
        wish = select(table, known, columns=columns, start=start, end=end, assets=assets)
        live = [file for file in state.files.values() if wish.may_be_in(file)]
        rows = self._load(table, live, wish)
        return (content.sort(rows, table.key) if len(live) > 1 else rows)[wish.wanted]

    def version(self, table: Table) -> int | None:
        """Return the newest version; None where nothing was written yet."""
        version = self._log(table).state().version
        return version if version >= 0 else None

    def ref(self, table: Table) -> Ref:
        """Return the table as it is now. Reads the log only."""
        return self._ref(table, self._log(table).state())

    def digest(self, table: Table, version: int | None = None) -> str:
        """Return the hash of a table's content without volatile columns: equal for equal content, whatever the commits.

        Reads the log only: the log knows the content of each file, and the file's SHA-256 is checked when it is read.
        """
        return self._ref(table, self._log(table).state(version)).digest

    def verify(self) -> list[Damage]:
        """Read everything and list what is not as it was written; an empty list if all is well."""
        return [damage for folder in _folders_in(self.folder) for damage in _verify_table(folder)]

    def strays(self) -> list[Path]:
        """List files that killed writers left behind. They harm nothing but the free space."""
        return [path for folder in _folders_in(self.folder) for path in Log(folder).strays()]

    def sweep(self) -> list[Path]:
        """Delete what `strays` lists, one table after another while nobody writes to it; return what is gone."""
        gone = []
        for folder in _folders_in(self.folder):
            with self._lock(folder.name):
                for path in Log(folder).strays():
                    path.unlink()
                    gone.append(path)
        return gone

    def _upsert(
        self,
        table: Table,
        frame: pd.DataFrame,
        txn: str,
        drop: pd.DataFrame | None,
        operation: str,
        made_from: dict[str, int] | None = None,
    ) -> Ref:
        rows, columns = self._checked(table, frame)
        gone = content.keys_to_drop(table, drop)

        def plan(state: State) -> _Change | None:
            if rows.empty and gone is None:
                return None
            if state.version >= 0 and not rows.empty:
                _require_same_columns(table, state.columns, columns)
            settled = state.columns or columns
            return self._merge(table, state, settled, rows, gone, is_append=operation == "append")

        return self._write(table, txn, operation, plan, made_from)

    def _merge(
        self,
        table: Table,
        state: State,
        columns: Columns,
        rows: pd.DataFrame,
        gone: pd.DataFrame | None,
        *,
        is_append: bool,
    ) -> _Change | None:
        kind = self._kind(table, state)
        none = content.to_frame(content.arrow_schema(columns).empty_table(), columns)
        pieces = dict(content.cut(table, rows[[name for name, _ in columns]], kind)) if len(rows) else {}
        drops = dict(content.cut(table, gone, kind)) if gone is not None else {}
        change = _Change(columns, [], [])
        for period in sorted({*pieces, *drops}, key=str):
            live = [file for file in state.files.values() if file.period == period]
            new, drop = pieces.get(period, none), drops.get(period)
            if drop is None and len(live) < MOST_FILES and _is_later(table, new, live):
                change.add.append((period, new))
                continue
            old = self._load(table, live, select(table, columns))
            merged = content.merge(table, old, new, drop)
            if is_append and merged.existing:
                raise KeyExistsError(
                    f"{merged.existing} of the rows to append to {table.name} have a key {table.key} that is there "
                    "already. Use upsert if they shall replace them."
                )
            if not merged.is_change:
                continue
            if merged.only_adds and len(live) < MOST_FILES:
                change.add.append((period, merged.added))
                continue
            change.remove.extend(live)
            if len(merged.rows):
                change.add.append((period, merged.rows))
        return change if change.add or change.remove else None

    def _write(
        self,
        table: Table,
        txn: str,
        operation: str,
        plan: Callable[[State], _Change | None],
        made_from: dict[str, int] | None = None,
    ) -> Ref:
        """Bring a plan for the newest version into the log, once."""
        log = self._log(table)
        with self._lock(table.name):
            for _ in range(ATTEMPTS):
                state = log.state()
                if txn in state.txns:
                    sync(log, state.version)  # whoever wrote it may have been killed before syncing
                    return self._ref(table, state)
                change = plan(state)
                if change is None:
                    return self._ref(table, state)
                kind = self._kind(table, state)
                added = tuple(self._write_piece(table, state, change.columns, *piece) for piece in change.add)
                adds = (*change.staged, *added)
                wanted = Commit(operation, txn, kind, change.columns, adds, tuple(change.remove), made_from or {})
                try:
                    return self._ref(table, commit(log, state, wanted))
                except ConflictError:
                    continue  # what was written for it is a stray now; the next try looks at the winner's version
        raise StoreError(
            f"{operation} of {table.name} ({txn}) met another writer {ATTEMPTS} times in a row and gave up. "
            "Nothing was changed; run it again when the others have finished."
        )

    def _write_piece(
        self, table: Table, state: State, columns: Columns, period: str | None, rows: pd.DataFrame
    ) -> File:
        data = files.encode(content.to_arrow(rows, columns))
        digest = sha256(data).hexdigest()
        # Named by version and content: a killed writer that comes again writes over its own stray file.
        name = f"part-{state.version + 1:05d}-{digest[:16]}.parquet"
        path = f"{content.PERIOD}={period}/{name}" if period else name
        faultpoints.hit("store.before_data")
        files.write(self.folder / table.name / path, data)
        faultpoints.hit("store.after_data")
        total, first, last = content.summarise(table, rows, columns)
        return File(path, len(data), digest, len(rows), total, period, first, last)

    def _load(self, table: Table, live: list[File], wish: Selection) -> pd.DataFrame:
        names = [name for name, _ in wish.needed]
        parts = [wish.cut(files.load(self.folder / table.name, file, names)) for file in live]
        return content.to_frame(pa.concat_tables(parts) if parts else wish.empty(), wish.needed)

    def _checked(self, table: Table, frame: pd.DataFrame) -> tuple[pd.DataFrame, Columns]:
        if content.PERIOD in frame:
            raise StoreError(f"table {table.name} cannot have a column '{content.PERIOD}': the store uses that name.")
        rows = table.check(frame)
        return rows, content.columns_of(table, rows)

    def _kind(self, table: Table, state: State) -> PeriodKind | None:
        if state.version >= 0:
            return state.period
        return self.period if content.is_cut(table) else None

    def _log(self, table: Table) -> Log:
        return self._logs.setdefault(table.name, Log(self.folder / table.name))

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Let one writer at a time into a table; a killed writer lets go."""
        files.make_folder(self.folder)
        path = self.folder / f".{name}.lock"
        lock = FileLock(path, timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout as error:
            raise StoreError(
                f"another process has been writing to {self.folder / name} for {LOCK_SECONDS:g} s (it holds {path}). "
                "Wait for it or end it, then run this again."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _ref(self, table: Table, state: State) -> Ref:
        digest = content.digest_of_files(table, state.columns, state.files.values())
        return Ref(self.plant, table.name, state.version, digest)


def verify_all(root: str | Path) -> list[Damage]:
    """Verify every plant of a store, see `Store.verify`."""
    return [damage for folder in _folders_in(Path(root)) for damage in Store(root, folder.name).verify()]


def _verify_table(folder: Path) -> list[Damage]:
    log = Log(folder)
    entries, damages = log.scan()
    damages += log.cut_off(len(entries)) if not damages else []
    last_needed: dict[str, int] = {}
    live: dict[str, File] = {}
    for entry in entries:
        for path in entry.remove:
            last_needed[path] = entry.version - 1
        live.update((file.path, file) for file in entry.add)
    for path, file in live.items():
        what = files.damage(folder, file)
        if what and path in last_needed:
            what += f" (only versions up to {last_needed[path]} need it)"
        if what:
            damages.append(Damage(str(folder / path), what))
    return damages + log.checkpoint_damages(entries)


def _require_same_columns(table: Table, was: Columns, is_: Columns) -> None:
    if sorted(was) == sorted(is_):
        return
    lost, extra = [name for name, _ in was if (name, _) not in is_], [name for name, _ in is_ if (name, _) not in was]
    raise StoreError(
        f"table {table.name} has columns {[name for name, _ in was]}; these rows lack {lost} and bring {extra}. "
        "Use overwrite to give the table new columns (older versions stay readable), or a plant of another name."
    )


def _is_later(table: Table, new: pd.DataFrame, live: list[File]) -> bool:
    """Say whether rows follow everything in these files, so that no key of theirs can be there yet."""
    if not live:
        return True
    if not content.is_cut(table):
        return False
    return int(microseconds(new[str(table.time)]).min()) > max(int(file.last or 0) for file in live)


def _columns_in_common(table: Table, parts: Sequence[Staged]) -> Columns:
    filled = [part.columns for part in parts if part.files]
    found = filled[0] if filled else _columns_of_none(table)
    for columns in filled:
        if columns != found:
            raise StoreError(
                f"parts of table {table.name} have different columns: {[name for name, _ in found]} and "
                f"{[name for name, _ in columns]}. They must come from the same plan."
            )
    return found


def _instant(micros: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)


def _columns_of_none(table: Table) -> Columns:
    """Columns of a table that nothing was written to: the fixed ones."""
    return content.columns_of(table, table.empty())


def _folders_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
