"""What was verified last: a version, and size and time of each of its files; the next look reads what is new."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wheeltapper.errors import StoreError
from wheeltapper.store import sealed
from wheeltapper.store.archive import BESIDE
from wheeltapper.store.entries import State
from wheeltapper.store.files import SETTLED_NS, File

Stamp = tuple[int, int, str]
"""Size, time of modification (nanoseconds) and SHA-256 of a file that was read and found as it was written."""


@dataclass(frozen=True)
class Verified:
    """A table that was verified and undamaged."""

    version: int
    head: str
    """SHA-256 of the entry of that version."""
    files: dict[str, Stamp]
    """Path → stamp of each file of that version."""

    def is_known(self, folder: Path, file: File) -> bool:
        """Say whether a file was verified and has the size and the time that it had then."""
        return self.files.get(file.path) == _stamp(folder, file)


def load(folder: Path) -> Verified | None:
    """Return what was verified of the table in a folder; None if nothing was, or the note of it is damaged."""
    try:
        note = sealed.read(_path(folder))
    except (OSError, StoreError):
        return None
    stamps = {path: (size, modified, sha256) for path, (size, modified, sha256) in json.loads(bytes(note.body)).items()}
    return Verified(note.facts["version"], note.facts["head"], stamps)


def save(folder: Path, state: State) -> None:
    """Note that the table is undamaged at a state. On a disk that cannot be written, everything is read next time."""
    stamps = {file.path: stamp for file in state.files.values() if (stamp := _stamp(folder, file))}
    body = json.dumps(stamps, separators=(",", ":")).encode()
    with suppress(StoreError):
        sealed.write(_path(folder), {"version": state.version, "head": state.head}, body)


def unknown(verified: Verified, folder: Path, files: Iterable[File]) -> list[File]:
    """List the files that were not verified as they are now."""
    return [file for file in files if not verified.is_known(folder, file)]


def _stamp(folder: Path, file: File) -> Stamp | None:
    """Return a file's stamp; None if it is gone, or changed so lately that its time may not show another change."""
    try:
        stat = (folder / file.path).stat()
    except OSError:
        return None
    is_settled = time.time_ns() - stat.st_mtime_ns > SETTLED_NS
    return (stat.st_size, stat.st_mtime_ns, file.sha256) if is_settled else None


def _path(folder: Path) -> Path:
    return folder / BESIDE / "verified"
