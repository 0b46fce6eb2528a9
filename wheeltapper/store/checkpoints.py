"""Checkpoints: summaries of a version for Delta's own readers, written from our state; we never read them.

Delta opens a table from its newest checkpoint and the entries after it, so that the entries before may be archived.
Other readers of Delta therefore see the versions from the oldest checkpoint on; older ones are read by us alone.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wheeltapper.errors import StoreError
from wheeltapper.store import files
from wheeltapper.store.entries import APPLICATION, State
from wheeltapper.store.files import File
from wheeltapper.store.layout import PERIOD
from wheeltapper.store.log import LOG_FOLDER, Damage, Log

KEPT = 2
"""Checkpoints that stay: the newest, and one before it."""

_NAME = re.compile(r"^(\d{20})\.checkpoint\.parquet$")
_TEXTS = pa.map_(pa.string(), pa.string())
_NO_NULL = {"nullable": False}

_SCHEMA = pa.schema(
    {
        "add": pa.struct(
            [
                pa.field("path", pa.string(), **_NO_NULL),
                pa.field("partitionValues", _TEXTS, **_NO_NULL),
                pa.field("size", pa.int64(), **_NO_NULL),
                pa.field("modificationTime", pa.int64(), **_NO_NULL),
                pa.field("dataChange", pa.bool_(), **_NO_NULL),
                pa.field("stats", pa.string()),
                pa.field("tags", _TEXTS),
            ]
        ),
        "remove": pa.struct(
            [
                pa.field("path", pa.string(), **_NO_NULL),
                pa.field("deletionTimestamp", pa.int64()),
                pa.field("dataChange", pa.bool_(), **_NO_NULL),
            ]
        ),
        "metaData": pa.struct(
            [
                pa.field("id", pa.string(), **_NO_NULL),
                pa.field("name", pa.string()),
                pa.field("description", pa.string()),
                pa.field(
                    "format", pa.struct([pa.field("provider", pa.string()), pa.field("options", _TEXTS)]), **_NO_NULL
                ),
                pa.field("schemaString", pa.string(), **_NO_NULL),
                pa.field("partitionColumns", pa.list_(pa.string()), **_NO_NULL),
                pa.field("createdTime", pa.int64()),
                pa.field("configuration", _TEXTS, **_NO_NULL),
            ]
        ),
        "protocol": pa.struct(
            [
                pa.field("minReaderVersion", pa.int32(), **_NO_NULL),
                pa.field("minWriterVersion", pa.int32(), **_NO_NULL),
                pa.field("readerFeatures", pa.list_(pa.string())),
                pa.field("writerFeatures", pa.list_(pa.string())),
            ]
        ),
        "txn": pa.struct(
            [
                pa.field("appId", pa.string(), **_NO_NULL),
                pa.field("version", pa.int64(), **_NO_NULL),
                pa.field("lastUpdated", pa.int64()),
            ]
        ),
    }
)


def write(log: Log, state: State) -> None:
    """Write the checkpoint of a state and point Delta's readers to it; the oldest ones go."""
    rows = _actions(log, state)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), sink, compression="zstd", write_page_checksum=True)
    data = sink.getvalue().to_pybytes()
    files.write(path(log, state.version), data)
    pointer = {"version": state.version, "size": len(rows), "sizeInBytes": len(data), "numOfAddFiles": len(state.files)}
    files.write(_pointer(log), json.dumps(pointer, separators=(",", ":")).encode())
    for version in versions(log)[:-KEPT]:
        if version < state.version:
            path(log, version).unlink(missing_ok=True)


def ensure(log: Log, state: State) -> None:
    """Write a checkpoint if Delta cannot open the table without: its first entries are archived, and none is left."""
    loose = log.loose()
    if loose and loose[0] > 0 and not any(version >= loose[0] - 1 for version in versions(log)):
        write(log, state)


def path(log: Log, version: int) -> Path:
    """Return where the checkpoint of a version lies."""
    return log.path(version).with_suffix(".checkpoint.parquet")


def versions(log: Log) -> list[int]:
    """List the versions that have a checkpoint, in order."""
    names = (_NAME.match(file.name) for file in (log.folder / LOG_FOLDER).glob("*.checkpoint.parquet"))
    return sorted(int(match[1]) for match in names if match)


def modified_at(folder: Path, file: File) -> int:
    """Return when a data file was written, in milliseconds since the epoch."""
    place = folder / file.path
    return place.stat().st_mtime_ns // 1_000_000 if place.exists() else 0


def partition_values(state_period: str | None, file: File) -> dict[str, str | None]:
    """Return Delta's partition of a file: its day or month."""
    return {PERIOD: file.period} if state_period else {}


def _actions(log: Log, state: State) -> list[dict[str, Any]]:
    """Return Delta's actions whose sum is the table at a state."""
    adds = [
        {
            "path": file.path,
            "partitionValues": list(partition_values(state.period, file).items()),
            "size": file.size,
            "modificationTime": modified_at(log.folder, file),
            "dataChange": False,
            "stats": json.dumps({"numRecords": file.rows}),
        }
        for file in state.files.values()
    ]
    return [
        {"protocol": state.delta["protocol"]},
        {"metaData": _with_pairs(state.delta["metaData"])},
        {"txn": {"appId": APPLICATION, "version": state.version}},
        *({"add": add} for add in adds),
    ]


def _with_pairs(meta: dict[str, Any]) -> dict[str, Any]:
    """Return the table's metadata with texts by name as pairs, as parquet's maps want them."""
    form = meta.get("format") or {"provider": "parquet", "options": {}}
    options = list((form.get("options") or {}).items())
    return meta | {
        "format": {"provider": form["provider"], "options": options},
        "configuration": list((meta.get("configuration") or {}).items()),
    }


def _pointer(log: Log) -> Path:
    return log.folder / LOG_FOLDER / "_last_checkpoint"


def damages(log: Log, newest: int) -> list[Damage]:
    """Compare every checkpoint with the log, and the pointer to the newest with the checkpoints."""
    checkpoints = sorted((log.folder / LOG_FOLDER).glob("*.checkpoint.parquet"))
    problems = [(file, _wrong_with(log, file, newest)) for file in checkpoints]
    pointer = _pointer(log)
    if pointer.exists():
        problems.append((pointer, _wrong_with_pointer(log, pointer)))
    advice = "Delete it; the log has everything it holds."
    return [Damage(str(file), f"{file} {problem}. {advice}") for file, problem in problems if problem]


def _wrong_with_pointer(log: Log, pointer: Path) -> str | None:
    try:
        target = path(log, int(json.loads(pointer.read_bytes())["version"]))
    except (ValueError, KeyError, TypeError):
        return "is not valid"
    return None if target.exists() else f"names {target.name}, which is missing"


def _wrong_with(log: Log, file: Path, newest: int) -> str | None:
    match = _NAME.match(file.name)
    if match is None or int(match[1]) > newest:
        return "belongs to a version that the log does not have"
    try:
        adds = pq.read_table(file, columns=["add"])["add"].to_pylist()
    except Exception as error:  # damaged parquet fails in many ways; each of them is damage
        return f"cannot be read: {error}"
    try:
        state = log.state(int(match[1]))
    except StoreError:  # the log itself is damaged, which is named elsewhere
        return None
    listed = {(add["path"], add["size"]) for add in adds if add is not None}
    expected = {(live.path, live.size) for live in state.files.values()}
    return None if listed == expected else "lists other files than the log"
