"""The log of a table: Delta's transaction log, with a record of our own in every entry that lets us trust it.

Delta's log says which files make up which version, but it carries no checksum, and an entry that a power cut
emptied reads as "nothing happened". So every entry also holds a *record* (files with size, SHA-256 and rows,
columns, the application transaction, and the SHA-256 of the entry before) and the SHA-256 of that record.
Reading replays all entries and believes them only if record, Delta's own actions and chain agree.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from wheeltapper.errors import StoreError
from wheeltapper.store.content import PERIOD, Columns, PeriodKind
from wheeltapper.store.files import File

_ENTRY = re.compile(r"^(\d{20})\.json$")
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint\.parquet$")
_DATA = re.compile(r"^part-(\d+)-[0-9a-f]{16}\.parquet$")
RECORD, CHECK = "wheeltapper", "wheeltapper_sha256"
LOG_FOLDER = "_delta_log"


@dataclass(frozen=True)
class Damage:
    """Something in the store that is not as it was written."""

    path: str
    what: str


@dataclass(frozen=True)
class Entry:
    """One entry of the log, believed."""

    version: int
    operation: str
    txn: str
    period: PeriodKind | None
    columns: Columns
    add: tuple[File, ...]
    remove: tuple[str, ...]
    made_from: dict[str, int]
    """Table → the version of it that this one was computed from, where that was said."""
    previous: str
    """SHA-256 of the entry before; empty for the first."""
    sha256: str
    """SHA-256 of this entry's own file."""


@dataclass(frozen=True)
class State:
    """A table at one version."""

    version: int = -1
    """-1 before the first commit."""
    period: PeriodKind | None = None
    columns: Columns = ()
    files: dict[str, File] = field(default_factory=dict)
    txns: frozenset[str] = frozenset()
    made_from: dict[str, int] = field(default_factory=dict)
    """Table → the version of it that this one was last said to be computed from."""
    head: str = ""
    """SHA-256 of the newest entry."""


class Log:
    """Reads the log of the table in ``folder``.

    Entries once read and believed are remembered for as long as their file's size and time stay the same.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, tuple[tuple[int, int], Entry]] = {}

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
        """Read every entry; return those that can be believed, in order, and what is wrong with the others."""
        entries: list[Entry] = []
        damages: list[Damage] = []
        paths = self._paths()
        expected = 0
        for version, path in paths:
            if version != expected:
                gone = self.path(expected)
                damages.append(Damage(str(gone), f"{gone} is missing from the log: the next entry is {path.name}"))
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
        """List data files and drafts that no entry speaks of: left behind by killed writers."""
        entries, damages = self.scan()
        damages += self.cut_off(len(entries))
        if damages:  # with a hole in the log, a file that looks stray may be the only copy of something
            raise StoreError(damages[0].what)
        if not entries:
            return []
        known = {self.folder / file.path for entry in entries for file in entry.add}
        found = [path for path in self.folder.rglob("*.parquet") if LOG_FOLDER not in path.parts and path not in known]
        drafts = self.folder.rglob("*.tmp")
        return sorted([*found, *drafts, *(self.folder / LOG_FOLDER).glob("*.json#*")])  # the last are Delta's drafts

    def cut_off(self, entries: int) -> list[Damage]:
        """Tell from the names of the data files whether entries at the end of the log were deleted."""
        written = [int(match[1]) for path in self.folder.rglob("*.parquet") if (match := _DATA.match(path.name))]
        newest = max(written, default=-1)
        if newest <= entries:  # a killed writer leaves files of the version that comes next
            return []
        gone = self.path(entries)
        return [Damage(str(gone), f"{gone} is missing from the log: there are data files of version {newest}")]

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
        found = {(add["path"], add["size"]) for add in adds if add is not None}
        state = replay(entries[: int(match[1]) + 1])
        expected = {(file.path, file.size) for file in state.files.values()}
        return None if found == expected else "lists other files than the log"

    def path(self, version: int) -> Path:
        """Return where the entry of a version lies."""
        return self.folder / LOG_FOLDER / f"{version:020d}.json"

    def _paths(self) -> list[tuple[int, Path]]:
        folder = self.folder / LOG_FOLDER
        if not folder.is_dir():
            return []
        found = ((_ENTRY.match(path.name), path) for path in folder.iterdir())
        return sorted((int(match[1]), path) for match, path in found if match)

    def _read(self, path: Path, version: int) -> Entry:
        try:
            stat = path.stat()
            stamp = (stat.st_size, stat.st_mtime_ns)
            known = self._known.get(path.name)
            if known and known[0] == stamp:
                return known[1]
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        entry = _parse(path, version, data)
        self._known[path.name] = (stamp, entry)
        return entry


def replay(entries: Iterable[Entry]) -> State:
    """Fold entries into the table that they leave behind."""
    files: dict[str, File] = {}
    txns = set()
    made_from: dict[str, int] = {}
    last = None
    for entry in entries:
        for path in entry.remove:
            files.pop(path, None)
        files.update((file.path, file) for file in entry.add)
        txns.add(entry.txn)
        made_from |= entry.made_from
        last = entry
    if last is None:
        return State()
    return State(last.version, last.period, last.columns, files, frozenset(txns), made_from, last.sha256)


def _parse(path: Path, version: int, data: bytes) -> Entry:
    """Turn an entry's bytes into an `Entry` if everything in it agrees."""
    if not data.strip():
        raise StoreError(f"{path} is empty, which would silently undo what was written")
    try:
        lines = [json.loads(line) for line in data.split(b"\n") if line.strip()]
    except ValueError as error:
        raise StoreError(f"{path} is torn: it is not valid JSON ({error})") from error
    if not all(isinstance(line, dict) and len(line) == 1 for line in lines):
        raise StoreError(f"{path} is damaged: a line of it is not one Delta action")
    try:
        (info,) = [line["commitInfo"] for line in lines if "commitInfo" in line]
        text, check = info[RECORD], info[CHECK]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} carries no record of Wheeltapper's: it is torn, or another program wrote to this table"
        ) from error
    if hashlib.sha256(str(text).encode()).hexdigest() != check:
        raise StoreError(f"{path} is damaged: its record does not match its SHA-256")
    record = json.loads(text)
    if record["version"] != version:
        raise StoreError(f"{path} is the entry of version {record['version']}, under the wrong name")
    entry = Entry(
        version=version,
        operation=record["operation"],
        txn=record["txn"],
        period=record["period"],
        columns=tuple((name, kind) for name, kind in record["columns"]),
        add=tuple(File(**file) for file in record["add"]),
        remove=tuple(record["remove"]),
        made_from=record.get("made_from", {}),
        previous=record["previous"],
        sha256=hashlib.sha256(data).hexdigest(),
    )
    if _said_by_delta(lines) != _said_by_record(entry):
        raise StoreError(f"{path} is damaged: Delta's actions in it are not those of its record")
    return entry


def _said_by_delta(lines: list[dict[str, Any]]) -> Any:
    try:
        adds = sorted(
            (a["path"], a["size"], a["partitionValues"].get(PERIOD), json.loads(a["stats"])["numRecords"])
            for a in (line["add"] for line in lines if "add" in line)
        )
        removes = sorted(line["remove"]["path"] for line in lines if "remove" in line)
        txns = [(line["txn"]["appId"], line["txn"]["version"]) for line in lines if "txn" in line]
        return adds, removes, txns
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _said_by_record(entry: Entry) -> Any:
    adds = sorted((file.path, file.size, file.period, file.rows) for file in entry.add)
    return adds, sorted(entry.remove), [(entry.txn, 1)]


def _with_advice(message: str, path: Path, *, is_last: bool) -> str:
    if is_last:
        return (
            f"{message}. It is the newest entry: if the machine lost power, delete {path.name} to go back to the "
            "version before, then run the same step again."
        )
    return f"{message}. Restore it from a copy, or delete {path.parent.parent} and run the flow that fills it again."
