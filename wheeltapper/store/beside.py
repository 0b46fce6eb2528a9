"""Checks what lies beside the log against the log: snapshots, and the names of writes that they list."""

from __future__ import annotations

from pathlib import Path

from wheeltapper.errors import StoreError
from wheeltapper.store import sealed, snapshots
from wheeltapper.store.entries import Entry
from wheeltapper.store.files import File
from wheeltapper.store.log import Damage, Log
from wheeltapper.store.snapshots import Snapshot

HARMLESS = "Delete it if it is there; the log has everything it holds, and a later commit writes a new one."


class BesideLog:
    """Follows the entries of a log from its start and compares each snapshot with what they leave.

    Parameters
    ----------
    log : the log whose entries `follow` is given, in order
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._present = set(snapshots.versions(log.folder))
        self._files: dict[str, File] = {}
        self._named_snapshot: tuple[int, str] | None = None
        self._damages: list[Damage] = []
        self._sound: list[Snapshot] = []

    def follow(self, entry: Entry) -> None:
        """Go on by one entry."""
        for path in entry.remove:
            self._files.pop(path, None)
        self._files.update((file.path, file) for file in entry.add)
        self._named_snapshot = entry.snapshot or self._named_snapshot
        if entry.version in self._present:
            self._compare(entry)

    def damages(self) -> list[Damage]:
        """List what is damaged or missing."""
        return [*self._damages, *self._missing_snapshots(), *self._wrong_txns()]

    def _compare(self, entry: Entry) -> None:
        path = snapshots.path(self._log.folder, entry.version)
        try:
            snapshot = self._log.snapshot(entry.version)
        except StoreError as error:
            self._damages.append(Damage(str(path), f"{error}. {HARMLESS}"))
            return
        if (snapshot.state.head, snapshot.state.files) != (entry.sha256, self._files):
            self._damages.append(Damage(str(path), f"{path} is not what the log leaves. {HARMLESS}"))
            return
        self._sound.append(snapshot)

    def _missing_snapshots(self) -> list[Damage]:
        """List the snapshots that the newest sound one or a later entry names, and that are missing or not as named."""
        newest = self._sound[-1] if self._sound else None
        expected = dict(newest.earlier) if newest else {}
        if self._named_snapshot and (newest is None or self._named_snapshot[0] > newest.state.version):
            expected |= [self._named_snapshot]
        sound = {snapshot.state.version: snapshot.sha256 for snapshot in self._sound}
        reported = {damage.path for damage in self._damages}
        paths = {version: snapshots.path(self._log.folder, version) for version in expected}
        return [
            Damage(str(paths[version]), f"{paths[version]} is missing, or not the one that was written. {HARMLESS}")
            for version, sha256 in expected.items()
            if sound.get(version) != sha256 and str(paths[version]) not in reported
        ]

    def _wrong_txns(self) -> list[Damage]:
        newest = self._sound[-1] if self._sound else None
        listed = newest.listed if newest else ()
        wrong = [(path := part.path(self._log.folder), _wrong_with(path, part.sha256)) for part in listed]
        return [Damage(str(path), f"{damage}. {HARMLESS}") for path, damage in wrong if damage]


def _wrong_with(path: Path, sha256: str) -> str | None:
    try:
        actual = sealed.read(path).sha256
    except FileNotFoundError:
        return f"{path} is missing"
    except StoreError as error:
        return str(error)
    return None if actual == sha256 else f"{path} is not the one that was written"
