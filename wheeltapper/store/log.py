"""The log of a table: Delta's transaction log, in which every entry is checked and chained to the one before.

Reading replays all entries, and accepts them only if each one is sound (see `wheeltapper.store.entries`) and they form
a chain.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from wheeltapper.errors import StoreError
from wheeltapper.store.entries import Entry, State, parse, replay

_ENTRY = re.compile(r"^(\d{20})\.json$")
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint\.parquet$")
_DATA = re.compile(r"^part-(\d+)-[0-9a-f]{16}\.parquet$")
LOG_FOLDER = "_delta_log"


@dataclass(frozen=True)
class Damage:
    """A file of the store that is not as it was written."""

    path: str
    what: str
    """The damage, as a sentence."""


class Log:
    """Reads the log of the table in ``folder``.

    An accepted entry is kept in memory while its file's size and time stay the same.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._accepted: dict[str, tuple[tuple[int, int], Entry]] = {}

    def state(self, version: int | None = None) -> State:
        """Return the table at a version, the newest by default.

        Raises
        ------
        StoreError
            If any entry is damaged or missing (the message names its file), or there is no such version.
        """
        entries, damages = self.scan()
        if damages:
            raise StoreError(damages[0].what)
        newest = len(entries) - 1
        if version is None:
            version = newest
        if not -1 <= version <= newest:
            raise StoreError(
                f"{self.folder} has no version {version}; it has {f'0 to {newest}' if entries else 'none yet'}. "
                "If it had one, entries at the end of its log were deleted."
            )
        return replay(entries[: version + 1])

    def scan(self) -> tuple[list[Entry], list[Damage]]:
        """Read every entry; return the sound ones in order, and what is wrong with the others."""
        entries: list[Entry] = []
        damages: list[Damage] = []
        paths = self._paths()
        expected = 0
        for version, path in paths:
            if version != expected:
                missing = self.path(expected)
                what = f"{missing} is missing from the log: the next entry is {path.name}"
                damages.append(Damage(str(missing), what))
            expected = version + 1
            try:
                entry = self._read(path, version)
            except StoreError as error:
                damages.append(Damage(str(path), _with_advice(str(error), path, is_last=version == paths[-1][0])))
                continue
            if entries and not damages and entry.previous != entries[-1].sha256:
                before = self.path(version - 1)
                damages.append(
                    Damage(str(before), f"{before} is not what {path.name} was written after: one of them was changed")
                )
            entries.append(entry)
        return entries, damages

    def strays(self) -> list[Path]:
        """List data files and drafts that no entry names: killed writers left them."""
        entries, damages = self.scan()
        damages += self.cut_off(len(entries))
        if damages:  # with a hole in the log, a file that looks stray may be the only copy of something
            raise StoreError(damages[0].what)
        if not entries:
            return []
        named = {self.folder / file.path for entry in entries for file in entry.add}
        data = [path for path in self.folder.rglob("*.parquet") if LOG_FOLDER not in path.parts and path not in named]
        drafts = self.folder.rglob("*.tmp")
        return sorted([*data, *drafts, *(self.folder / LOG_FOLDER).glob("*.json#*")])  # the last are Delta's drafts

    def cut_off(self, entries: int) -> list[Damage]:
        """Detect from the names of the data files that entries at the end of the log were deleted."""
        written = [int(match[1]) for path in self.folder.rglob("*.parquet") if (match := _DATA.match(path.name))]
        newest = max(written, default=-1)
        if newest <= entries:  # a killed writer leaves files of the version that comes next
            return []
        missing = self.path(entries)
        return [Damage(str(missing), f"{missing} is missing from the log: there are data files of version {newest}")]

    def checkpoint_damages(self, entries: list[Entry]) -> list[Damage]:
        """Compare every checkpoint with the log."""
        damages = []
        for path in sorted((self.folder / LOG_FOLDER).glob("*.checkpoint.parquet")):
            what = self._wrong_with_checkpoint(path, entries)
            if what:
                damages.append(Damage(str(path), f"{path} {what}. Delete it; the log has everything it holds."))
        pointer = self.folder / LOG_FOLDER / "_last_checkpoint"
        if pointer.exists():
            try:
                target = self.path(int(json.loads(pointer.read_bytes())["version"])).with_suffix(".checkpoint.parquet")
                what = None if target.exists() else f"names {target.name}, which is missing"
            except (ValueError, KeyError, TypeError):
                what = "is not valid"
            if what:
                damages.append(Damage(str(pointer), f"{pointer} {what}. Delete it; the log has everything it holds."))
        return damages

    def _wrong_with_checkpoint(self, path: Path, entries: list[Entry]) -> str | None:
        match = _CHECKPOINT.match(path.name)
        if match is None or int(match[1]) >= len(entries):
            return "belongs to a version that the log does not have"
        try:
            adds = pq.read_table(path, columns=["add"])["add"].to_pylist()
        except Exception as error:  # damaged parquet fails in many ways; each of them is damage
            return f"cannot be read: {error}"
        listed = {(add["path"], add["size"]) for add in adds if add is not None}
        state = replay(entries[: int(match[1]) + 1])
        expected = {(file.path, file.size) for file in state.files.values()}
        return None if listed == expected else "lists other files than the log"

    def path(self, version: int) -> Path:
        """Return where the entry of a version lies."""
        return self.folder / LOG_FOLDER / f"{version:020d}.json"

    def _paths(self) -> list[tuple[int, Path]]:
        folder = self.folder / LOG_FOLDER
        if not folder.is_dir():
            return []
        matches = ((_ENTRY.match(path.name), path) for path in folder.iterdir())
        return sorted((int(match[1]), path) for match, path in matches if match)

    def _read(self, path: Path, version: int) -> Entry:
        try:
            stat = path.stat()
            stamp = (stat.st_size, stat.st_mtime_ns)
            accepted = self._accepted.get(path.name)
            if accepted and accepted[0] == stamp:
                return accepted[1]
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        entry = parse(path, version, data)
        self._accepted[path.name] = (stamp, entry)
        return entry


def _with_advice(message: str, path: Path, *, is_last: bool) -> str:
    if is_last:
        return (
            f"{message}. It is the newest entry: if the machine lost power, delete {path.name} to go back to the "
            "version before, then run the same step again."
        )
    return f"{message}. Restore it from a copy, or delete {path.parent.parent} and run the flow that fills it again."
