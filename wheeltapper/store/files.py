"""Data files of the store: written whole even through a power cut, and read only if every bit is as it was written."""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from wheeltapper.errors import StoreError
from wheeltapper.syncing import sync_folder

ROWS_PER_GROUP = 65_536
"""Rows of one row group: a reader of one asset or one day skips the groups that hold none of its rows."""

SETTLED_NS = 1_000_000_000
"""A file that changed less than a second ago is hashed at every read: its time may not show a second change."""

_NAME = re.compile(r"^part-(\d+)-[0-9a-f]{16}\.parquet$")

Stamp = tuple[int, int, int, int]
"""Size, time of modification, time of change and inode: what shows that a file is the one that was hashed."""

_hashed: dict[tuple[str, str], Stamp] = {}
"""Path and SHA-256 → stamp of each file that this process has hashed and found as it was written."""


class Span(NamedTuple):
    """What a file holds of one asset."""

    rows: int
    first: int
    """Earliest time, microseconds since the epoch (UTC)."""
    last: int
    """Latest time."""


@dataclass(frozen=True)
class File:
    """One data file, as the log records it."""

    path: str
    """Relative to the table's folder, with forward slashes."""
    size: int
    """Bytes."""
    sha256: str
    rows: int
    content: str
    """Order-independent sum of its rows' hashes, see `wheeltapper.store.digests`."""
    period: str | None
    """Its day or month; None where the table is kept in one piece."""
    first: int | None
    """Earliest time in it, microseconds since the epoch (UTC)."""
    last: int | None
    """Latest time in it."""
    assets: dict[str, Span] | None = field(default=None, hash=False)
    """Rows and times of each asset; None where the table has no assets or no time, where they are very many, and in
    files of earlier releases."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        fields = asdict(self)
        if self.assets is None:
            del fields["assets"]
        return fields

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the file that `as_dict` described."""
        assets = fields.get("assets")
        spans = None if assets is None else {name: Span(*span) for name, span in assets.items()}
        return cls(**{**fields, "assets": spans})


def name_of(version: int, sha256: str) -> str:
    """Return the name of a data file that is written for a version, by which a killed writer's file is known."""
    return f"part-{version:05d}-{sha256[:16]}.parquet"


def version_in(path: str | Path) -> int | None:
    """Return the version for which a data file was written; None if it is no data file of ours."""
    match = _NAME.match(Path(path).name)
    return int(match[1]) if match else None


def encode(rows: pa.Table) -> bytes:
    """Turn rows into the bytes of a parquet file with a checksum on every page."""
    text = [field.name for field in rows.schema if pa.types.is_string(field.type)]
    buffer = io.BytesIO()
    pq.write_table(
        rows,
        buffer,
        compression="zstd",
        use_dictionary=text,
        write_page_checksum=True,
        row_group_size=ROWS_PER_GROUP,
    )
    return buffer.getvalue()


def write(path: Path, data: bytes) -> None:
    """Write a file so that it is on the disk, whole, before this returns.

    The bytes go to a temporary neighbour, which is synced and then renamed: a killed writer leaves a stray
    file, never half of one under its final name.

    Raises
    ------
    StoreError
        If the disk is full or refuses; no file was left behind.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        make_folder(path.parent)
        with draft.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise StoreError(
            f"{path} ({len(data)} bytes) could not be written: {error}. The table is as it was; "
            "see that there is space and that you may write there, then run this again."
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each of them synced."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def load(
    folder: Path,
    file: File,
    columns: list[str] | None = None,
    may_hold: Callable[[pq.RowGroupMetaData], bool] | None = None,
) -> pa.Table:
    """Read a data file whose every byte is what was written.

    The bytes are hashed once a process, and again as soon as the file's size, times or inode are others.

    Parameters
    ----------
    columns : names, all by default
    may_hold : tells of a row group whether it is read; all groups are by default

    Raises
    ------
    StoreError
        If the file is gone, has another size or another SHA-256; the message names it.
    """
    path = folder / file.path
    stamp = _stamp(path)
    is_hashed = stamp is not None and _hashed.get((str(path), file.sha256)) == stamp
    parquet = pq.ParquetFile(path if is_hashed else pa.BufferReader(trusted_bytes(folder, file)))
    with parquet:
        groups = range(parquet.metadata.num_row_groups)
        groups_to_read = [n for n in groups if may_hold is None or may_hold(parquet.metadata.row_group(n))]
        return parquet.read_row_groups(groups_to_read, columns=columns)


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _remember(path: Path, sha256: str, stamp: Stamp | None) -> None:
    """Remember that a file was hashed, unless it changed so lately that its times cannot show another change."""
    if stamp is not None and time.time_ns() - max(stamp[1], stamp[2]) > SETTLED_NS:
        _hashed[str(path), sha256] = stamp


def require(folder: Path, file: File) -> None:
    """Require that a data file exists with all its bytes; its content is checked whenever it is read.

    Raises
    ------
    StoreError
    """
    path = folder / file.path
    size = path.stat().st_size if path.is_file() else None
    if size != file.size:
        state = "is missing" if size is None else f"has {size} bytes"
        raise StoreError(f"{path} {state}; {file.size} bytes were written. Run the same step again.")


def damage(folder: Path, file: File) -> str | None:
    """Return what is wrong with a data file (size, SHA-256, page checksums, number of rows); None if it is sound."""
    try:
        data = trusted_bytes(folder, file)
    except StoreError as error:
        return str(error)
    try:
        rows = pq.read_table(pa.BufferReader(data), page_checksum_verification=True).num_rows
    except (OSError, pa.ArrowException) as error:
        return f"{folder / file.path} cannot be read as parquet: {error}"
    if rows != file.rows:
        return f"{folder / file.path} holds {rows} rows, the log says {file.rows}"
    return None


def trusted_bytes(folder: Path, file: File) -> bytes:
    """Return the bytes of a data file, hashed and found as they were written.

    Raises
    ------
    StoreError
        See `load`.
    """
    path = folder / file.path
    stamp = _stamp(path)
    advice = f"Restore it from a copy, or delete the folder {folder} and run the flow that fills it again."
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{path} is missing; the log says it holds {file.rows} rows. {advice}") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error}). {advice}") from error
    if len(data) != file.size:
        raise StoreError(f"{path} is damaged: expected {file.size} bytes, found {len(data)}. {advice}")
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != file.sha256:
        raise StoreError(f"{path} is damaged: expected SHA-256 {file.sha256}, found {sha256}. {advice}")
    _remember(path, sha256, stamp)
    return data
