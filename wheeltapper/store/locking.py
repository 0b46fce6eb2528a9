"""One writer at a time for each table, across processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from wheeltapper.errors import StoreError
from wheeltapper.store import files

LOCK_SECONDS = 600.0
"""How long a writer waits for another writer of the same table."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the table in a folder; the lock of a killed writer is free again.

    Raises
    ------
    StoreError
        If another process has held it for `LOCK_SECONDS`.
    """
    files.make_folder(folder.parent)
    path = folder.with_name(f".{folder.name}.lock")
    lock = FileLock(path, timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            f"another process has been writing to {folder} for {LOCK_SECONDS:g} s (it holds {path}). "
            "Wait for it or end it, then run this again."
        ) from error
    try:
        yield
    finally:
        lock.release()
