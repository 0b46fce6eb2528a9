"""Data files of the store: written whole even through a power cut, and read only if every bit is as it was written."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wheeltapper.errors import StoreError
from wheeltapper.syncing import sync_folder


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

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)


def encode(rows: pa.Table) -> bytes:
    """Turn rows into the bytes of a parquet file with a checksum on every page."""
    text = [field.name for field in rows.schema if pa.types.is_string(field.type)]
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd", use_dictionary=text, write_page_checksum=True)
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


def load(folder: Path, file: File, columns: list[str] | None = None) -> pa.Table:
    """Read a data file whose every byte is what was written.

    Raises
    ------
    StoreError
        If the file is gone, has another size or another SHA-256; the message names it.
    """
    return pq.read_table(pa.BufferReader(_trusted_bytes(folder, file)), columns=columns)


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
        data = _trusted_bytes(folder, file)
    except StoreError as error:
        return str(error)
    try:
        rows = pq.read_table(pa.BufferReader(data), page_checksum_verification=True).num_rows
    except (OSError, pa.ArrowException) as error:
        return f"{folder / file.path} cannot be read as parquet: {error}"
    if rows != file.rows:
        return f"{folder / file.path} holds {rows} rows, the log says {file.rows}"
    return None


def _trusted_bytes(folder: Path, file: File) -> bytes:
    path = folder / file.path
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
    return data
