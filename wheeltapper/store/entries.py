"""An entry of a table's log, and the state of the table that a sequence of entries leaves.

Delta's log says which files make up which version, but it carries no checksum, and an entry that a power cut
emptied reads as "nothing happened". So every entry also holds a *record* (files with size, SHA-256 and rows,
columns, the application transaction, and the SHA-256 of the entry before) and the SHA-256 of that record. An entry
is accepted only if record and Delta's own actions agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from wheeltapper.errors import StoreError
from wheeltapper.store.files import File
from wheeltapper.store.layout import PERIOD, Columns, PeriodKind
from wheeltapper.store.txns import Txns

RECORD, CHECK = "wheeltapper", "wheeltapper_sha256"
"""Fields of Delta's commit information: our record, and its SHA-256."""

APPLICATION = "wheeltapper"
"""Name of Delta's application transaction in each entry; the name of the write is in the record. Entries of earlier
releases have the name of the write here, of which Delta would keep every single one in its checkpoints for ever."""


@dataclass(frozen=True)
class Retired:
    """Versions that were given up, so that their data files may be gone."""

    before: int = 0
    """All versions before this one …"""
    kept: tuple[int, ...] = ()
    """… except these."""

    def __contains__(self, version: int) -> bool:
        return 0 <= version < self.before and version not in self.kept

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {"before": self.before, "kept": list(self.kept)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return what `as_dict` wrote."""
        return cls(fields["before"], tuple(fields["kept"]))


@dataclass(frozen=True)
class Entry:
    """One entry of the log, accepted."""

    version: int
    operation: str
    txn: str
    period: PeriodKind | None
    columns: Columns
    add: tuple[File, ...]
    remove: tuple[str, ...]
    made_from: dict[str, int]
    """Table → the version of it that this one was computed from, where the writer recorded it."""
    previous: str
    """SHA-256 of the entry before; empty for the first."""
    sha256: str
    """SHA-256 of this entry's own file."""
    written_at: int = 0
    """When it was written, milliseconds since the epoch by the writer's clock."""
    delta: dict[str, Any] = field(default_factory=dict)
    """Delta's actions ``protocol`` and ``metaData``, where it has them."""
    snapshot: tuple[int, str] | None = None
    """Version and SHA-256 of the newest snapshot that its writer read."""
    retired: Retired | None = None
    """All versions that are given up, if the entry changes them."""


@dataclass(frozen=True)
class State:
    """A table at one version."""

    version: int = -1
    """-1 before the first commit."""
    period: PeriodKind | None = None
    columns: Columns = ()
    files: dict[str, File] = field(default_factory=dict)
    txns: Txns = field(default_factory=Txns)
    """The names of all writes so far; of an old version, perhaps with names of later ones."""
    made_from: dict[str, int] = field(default_factory=dict)
    """Table → the version of it that this one was last computed from."""
    head: str = ""
    """SHA-256 of the newest entry."""
    delta: dict[str, Any] = field(default_factory=dict)
    """Delta's newest actions ``protocol`` and ``metaData``."""
    snapshot: tuple[int, str] | None = None
    """Version and SHA-256 of the snapshot from which this state was replayed."""
    retired: Retired = Retired()
    """The versions that were given up."""


def replay(entries: Iterable[Entry], base: State | None = None) -> State:
    """Return the state of the table after these entries, which follow a state; by default they begin the log."""
    state = base or State()
    files, made_from, delta = dict(state.files), dict(state.made_from), dict(state.delta)
    retired, txns, last = state.retired, [], None
    for entry in entries:
        for path in entry.remove:
            files.pop(path, None)
        files.update((file.path, file) for file in entry.add)
        txns.append(entry.txn)
        made_from |= entry.made_from
        delta |= entry.delta
        retired = entry.retired or retired
        last = entry
    if last is None:
        return state
    return State(
        version=last.version,
        period=last.period,
        columns=last.columns,
        files=files,
        txns=state.txns.with_more(txns),
        made_from=made_from,
        head=last.sha256,
        delta=delta,
        snapshot=state.snapshot,
        retired=retired,
    )


def parse(path: Path, version: int, data: bytes) -> Entry:
    """Return the entry in these bytes.

    Raises
    ------
    StoreError
        If it is torn or damaged, or record and Delta's actions differ.
    """
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
        add=tuple(File.from_dict(file) for file in record["add"]),
        remove=tuple(record["remove"]),
        made_from=record.get("made_from", {}),
        previous=record["previous"],
        sha256=hashlib.sha256(data).hexdigest(),
        written_at=int(info.get("timestamp", 0)),
        delta={name: line[name] for line in lines for name in ("protocol", "metaData") if name in line},
        snapshot=_pair(record.get("snapshot")),
        retired=Retired.from_dict(record["retired"]) if "retired" in record else None,
    )
    if not _agree(lines, entry):
        raise StoreError(f"{path} is damaged: Delta's actions in it are not those of its record")
    return entry


def _in_delta(lines: list[dict[str, Any]]) -> Any:
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


def _agree(lines: list[dict[str, Any]], entry: Entry) -> bool:
    """Say whether Delta's actions are those of the record, in the form of this release or of earlier ones."""
    adds = sorted((file.path, file.size, file.period, file.rows) for file in entry.add)
    forms = ([(APPLICATION, entry.version)], [(entry.txn, 1)])
    return _in_delta(lines) in [(adds, sorted(entry.remove), txns) for txns in forms]


def _pair(value: list[Any] | None) -> tuple[int, str] | None:
    return None if value is None else (int(value[0]), str(value[1]))
