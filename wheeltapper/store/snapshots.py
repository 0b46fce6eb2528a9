"""Snapshots of a table's state, so that opening it replays only what came after: hashed, and chained to the log.

A snapshot names the SHA-256 of the entry that it follows, and of each snapshot before it that is kept; the next entry
of the log names the snapshot. Nothing depends on them: without, the log is replayed from its start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from wheeltapper.errors import StoreError
from wheeltapper.store import sealed
from wheeltapper.store.archive import BESIDE
from wheeltapper.store.entries import Retired, State
from wheeltapper.store.files import File
from wheeltapper.store.txns import Index, Listed, Names, Txns

KEPT_APART = 10_000
"""Versions between two snapshots that are kept: an old version is at most so many entries from one before it."""

_NAME = re.compile(r"^(\d{20})\.snapshot$")
_CODEC = "zstd"


@dataclass(frozen=True)
class Snapshot:
    """A state that was read from its file."""

    state: State
    sha256: str
    earlier: tuple[tuple[int, str], ...]
    """Version and SHA-256 of each older snapshot that is kept."""
    listed: tuple[Listed, ...]
    """The files of names that belong to it."""


def path(folder: Path, version: int) -> Path:
    """Return where the snapshot of a version lies in a table's folder."""
    return folder / BESIDE / "snapshots" / f"{version:020d}.snapshot"


def versions(folder: Path) -> list[int]:
    """List the versions that have a snapshot, in order."""
    place = path(folder, 0).parent
    if not place.is_dir():
        return []
    return sorted(int(match[1]) for match in (_NAME.match(file.name) for file in place.iterdir()) if match)


def write(folder: Path, state: State, listed: Sequence[Listed], earlier: Sequence[tuple[int, str]]) -> str:
    """Write the snapshot of a state and return its SHA-256."""
    content = {
        "period": state.period,
        "columns": [list(column) for column in state.columns],
        "files": [file.as_dict() for file in state.files.values()],
        "made_from": state.made_from,
        "delta": state.delta,
        "retired": state.retired.as_dict(),
        "txns": [[part.first, part.last, part.sha256] for part in listed],
        "earlier": [list(snapshot) for snapshot in earlier],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    facts = {"version": state.version, "head": state.head, "size": len(text)}
    return sealed.write(path(folder, state.version), facts, pa.Codec(_CODEC).compress(text, asbytes=True))


def read(folder: Path, version: int, names: Names) -> Snapshot:
    """Read the snapshot of a version.

    Parameters
    ----------
    names : reads names of writes from the log, where a file of them is missing or damaged

    Raises
    ------
    StoreError
        If it is missing or damaged.
    """
    try:
        file = sealed.read(path(folder, version))
    except FileNotFoundError as error:
        raise StoreError(f"{path(folder, version)} is missing") from error
    content = json.loads(pa.Codec(_CODEC).decompress(file.body, file.facts["size"], asbytes=True))
    if file.facts["version"] != version:
        raise StoreError(f"{path(folder, version)} is the snapshot of version {file.facts['version']}")
    listed = tuple(Listed(*part) for part in content["txns"])
    state = State(
        version=version,
        period=content["period"],
        columns=tuple((name, kind) for name, kind in content["columns"]),
        files=_files(content["files"]),
        txns=Txns(older=Index(folder, listed, names)),
        made_from=content["made_from"],
        head=file.facts["head"],
        delta=content["delta"],
        snapshot=(version, file.sha256),
        retired=Retired.from_dict(content["retired"]),
    )
    return Snapshot(state, file.sha256, tuple((older, sha256) for older, sha256 in content["earlier"]), listed)


def versions_to_keep(present: Sequence[int]) -> list[int]:
    """Choose the snapshots to keep beside a new one: the newest, and older ones `KEPT_APART` versions apart."""
    chosen: list[int] = []
    for version in present[:-1]:
        if not chosen or version - chosen[-1] >= KEPT_APART:
            chosen.append(version)
    return [*chosen, *present[-1:]]


def _files(described: list[dict[str, Any]]) -> dict[str, File]:
    return {file.path: file for file in map(File.from_dict, described)}
