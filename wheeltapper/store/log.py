"""The log of a table: Delta's transaction log, in which every entry is checked and chained to the one before.

Opening reads the newest sound snapshot and replays the entries after it; they are accepted only if each one is sound
(see `wheeltapper.store.entries`) and they form a chain from the snapshot on. Old entries lie in segments
(`wheeltapper.store.archive`); a reader finds an entry in one place or the other, wherever a writer is meanwhile.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from wheeltapper.errors import StoreError
from wheeltapper.store import files, snapshots
from wheeltapper.store.archive import Archive, SegmentError
from wheeltapper.store.entries import Entry, State, parse, replay
from wheeltapper.store.snapshots import Snapshot

LOG_FOLDER = "_delta_log"

MOST_ACCEPTED = 5_000
"""Entries that a process keeps in memory, so that it need not read them again."""


@dataclass(frozen=True)
class Damage:
    """A file of the store that is not as it was written."""

    path: str
    what: str
    """The damage, as a sentence."""


class Log:
    """Reads the log of the table in ``folder``; several threads may use it at once.

    An accepted entry is kept in memory while its file's size and time stay the same.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archive = Archive(folder)
        self._accepted: dict[int, tuple[tuple[int, int], Entry]] = {}
        self._snapshot: tuple[tuple[int, int], Snapshot] | None = None

    def state(self, version: int | None = None) -> State:
        """Return the table at a version, the newest by default.

        Raises
        ------
        StoreError
            If an entry that is needed is damaged or missing (the message names its file), or there is no such version.
        """
        newest = self._require_end()
        requested = newest if version is None else version
        if not -1 <= requested <= newest:
            raise StoreError(
                f"{self.folder} has no version {requested}; it has {f'0 to {newest}' if newest >= 0 else 'none yet'}. "
                "If it had one, entries at the end of its log were deleted."
            )
        base = self._base(requested)
        return replay(self.entries(base.version + 1, requested, after=base.head), base)

    def newest(self) -> int:
        """Return the newest version; -1 before the first."""
        # Snapshots first: the entry that one follows is on the disk before it.
        follows = snapshots.versions(self.folder)[-1:]
        return max([-1, *follows, *self.loose()[-1:]])

    def loose(self) -> list[int]:
        """List the versions whose entries have a file of their own, in order."""
        try:
            names = [item.name for item in os.scandir(self.folder / LOG_FOLDER)]
        except FileNotFoundError:
            return []
        return sorted(int(name[:20]) for name in names if name[20:] == ".json" and name[:20].isdigit())

    def entries(self, first: int, last: int, after: str | None = None) -> Iterator[Entry]:
        """Return the entries from a version to another; see `walk`.

        Raises
        ------
        StoreError
            At the first one that is damaged or missing.
        """
        for item in self.walk(first, last, after):
            if isinstance(item, Damage):
                raise StoreError(item.what)
            yield item

    def walk(self, first: int, last: int, after: str | None = None) -> Iterator[Entry | Damage]:
        """Return each entry from a version to another, in order, and in between what is wrong with the log.

        Parameters
        ----------
        after : SHA-256 of the entry before the first; without it, the first one is not compared with it
        """
        head = after
        segments = set()
        for version in range(first, last + 1):
            path = self.path(version)
            try:
                entry = self.entry(version)
            except SegmentError as error:  # one segment holds many entries: it is named once
                if error.path not in segments:
                    yield Damage(str(error.path), str(error))
                segments.add(error.path)
                head = None
                continue
            except StoreError as error:
                yield Damage(str(path), _with_advice(str(error), path, is_last=version == last))
                head = None
                continue
            if head is not None and entry.previous != head:
                before = self.path(version - 1)
                problem = f"{before} is not what {path.name} was written after: one of them was changed"
                yield Damage(str(before), problem)
            head = entry.sha256
            yield entry

    def entry(self, version: int) -> Entry:
        """Return the entry of a version, from its own file or from a segment.

        Raises
        ------
        StoreError
            If it is damaged or missing.
        """
        path = self.path(version)
        try:
            return self._read(path, version)
        except FileNotFoundError:
            data = self.archive.read(version)
        if data is None:
            raise StoreError(f"{path} is missing from the log")
        return parse(path, version, data)

    def is_retired(self, version: int) -> bool:
        """Say whether a version was given up; the newest never is."""
        newest = self.newest()
        return version < newest and version in self.state(newest).retired

    def names(self, first: int, last: int) -> Iterator[str]:
        """Return the names of the writes from a version to another."""
        return (entry.txn for entry in self.entries(first, last))

    def cut_off(self, newest: int) -> list[Damage]:
        """Detect from the names of the data files that entries at the end of the log were deleted."""
        names = self.folder.rglob("*.parquet")
        newest_file = max((version for path in names if (version := files.version_in(path)) is not None), default=-1)
        if newest_file <= newest + 1:  # a killed writer leaves files of the version that comes next
            return []
        missing = self.path(newest + 1)
        return [
            Damage(str(missing), f"{missing} is missing from the log: there are data files of version {newest_file}")
        ]

    def path(self, version: int) -> Path:
        """Return where the entry of a version lies until it is archived."""
        return self.folder / LOG_FOLDER / f"{version:020d}.json"

    def snapshot(self, version: int) -> Snapshot:
        """Return the snapshot of a version, if it is sound and follows the log's own entry of that version.

        Raises
        ------
        StoreError
        """
        path = snapshots.path(self.folder, version)
        try:
            stamp = _stamp(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        cached = self._snapshot
        if cached is None or cached[0] != stamp or cached[1].state.version != version:
            cached = self._snapshot = (stamp, snapshots.read(self.folder, version, self.names))
        snapshot = cached[1]
        if self._hash(version) not in (None, snapshot.state.head):
            raise StoreError(f"{path} does not follow the entry {self.path(version).name} of the log")
        return snapshot

    def _hash(self, version: int) -> str | None:
        """Return the SHA-256 of the entry of a version that has a file of its own; None if it has none."""
        path = self.path(version)
        try:
            accepted = self._accepted.get(version)
            if accepted and accepted[0] == _stamp(path):
                return accepted[1].sha256
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error}") from error

    def _require_end(self) -> int:
        """Return the newest version, whose entry always has a file of its own.

        Raises
        ------
        StoreError
            If there is none, so that entries at the end of the log were deleted.
        """
        newest = self.newest()
        if newest >= 0 and not self.path(newest).exists() and self.newest() == newest:
            snapshot = snapshots.path(self.folder, newest)
            raise StoreError(
                f"{self.path(newest)} is missing from the log: {snapshot} follows it. Restore it from a copy, or "
                "delete that snapshot to go back to the version before."
            )
        return newest

    def _base(self, version: int) -> State:
        """Return the state in the newest sound snapshot up to a version; the empty table if there is none."""
        for candidate in reversed(snapshots.versions(self.folder)):
            if candidate <= version:
                try:
                    return self.snapshot(candidate).state
                except StoreError:  # `store verify` names it; an older one and the log have everything it holds
                    continue
        return State()

    def _read(self, path: Path, version: int) -> Entry:
        """Return the entry in its own file; raises FileNotFoundError if there is none."""
        try:
            stamp = _stamp(path)
            accepted = self._accepted.get(version)
            if accepted and accepted[0] == stamp:
                return accepted[1]
            data = path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        entry = parse(path, version, data)
        if len(self._accepted) >= MOST_ACCEPTED:
            self._accepted.clear()
        self._accepted[version] = (stamp, entry)
        return entry


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=64)
def log_in(folder: Path) -> Log:
    """Return the log of the table in a folder; all stores of this process share it, with what it has accepted."""
    return Log(folder)


def _with_advice(message: str, path: Path, *, is_last: bool) -> str:
    if is_last:
        return (
            f"{message}. It is the newest entry: if the machine lost power, delete {path.name} to go back to the "
            "version before, then run the same step again."
        )
    return f"{message}. Restore it from a copy, or delete {path.parent.parent} and run the flow that fills it again."
