"""Private file: a small JSON file that only its owner may read, replaced as a whole, and read again when it changes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wheeltapper.errors import ConfigError, StoreError
from wheeltapper.syncing import sync_folder

LOCK_SECONDS = 10.0
"""How long a writer waits for another writer of the same file."""
_OWNER_ONLY = 0o600
_WRITABLE_BY_OTHERS = 0o022

Stamp = tuple[int, int, int, int]
"""Inode, size in bytes, times of change of content and of mode in nanoseconds: another one means: read it again."""


class PrivateFile:
    """One list of JSON objects in a file with mode 0600.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    kind : str
        The name of the list in the file, such as ``keys``.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        self._name = str(path)

    def stamp(self) -> Stamp | None:
        """Return what changes whenever the file does; None if there is no file."""
        try:
            status = os.stat(self._name)  # noqa: PTH116 - for each request, and a Path takes twice as long
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def read(self) -> list[dict[str, Any]]:
        """Return the entries; none if there is no file.

        Raises
        ------
        ConfigError
            If the file is damaged, or others than its owner may write to it.
        """
        try:
            with self.path.open("rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                content = stream.read()
        except FileNotFoundError:
            return []
        if os.name != "nt" and mode & _WRITABLE_BY_OTHERS:
            raise ConfigError(
                f"{self.path} may be written by other users (its mode is {mode & 0o777:o}), "
                f"so its {self.kind} cannot be trusted. Look at them, then run: chmod 600 {self.path}"
            )
        return self._entries(content)

    @contextmanager
    def changing(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the entries for a change that no other process makes at the same time, then store them.

        Nothing is written if the block raises.

        Raises
        ------
        ConfigError
            As by `read`.
        StoreError
            If another process holds the file, or the disk is full or refuses; the file is as it was.
        """
        with self._locked():
            entries = self.read()
            yield entries
            self._write(json.dumps({"version": 1, self.kind: entries}, indent=1).encode())

    def _entries(self, content: bytes) -> list[dict[str, Any]]:
        try:
            document = json.loads(content)
            entries = document[self.kind]
            if document["version"] == 1 and all(isinstance(entry, dict) for entry in entries):
                return list(entries)
        except (ValueError, KeyError, TypeError):
            pass
        raise ConfigError(
            f"{self.path} is damaged: expected a JSON object with version 1 and a list of {self.kind}. "
            f"Put it back from a backup, or delete it to begin with new {self.kind}."
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=LOCK_SECONDS)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise StoreError(
                f"another process has been changing {self.path} for {LOCK_SECONDS:g} s. Wait for it, then try again."
            ) from error
        except OSError as error:
            raise StoreError(f"{self.path} cannot be changed: {error}. See that you may write there.") from error
        try:
            yield
        finally:
            lock.release()

    def _write(self, content: bytes) -> None:
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            draft.unlink(missing_ok=True)  # a killed process with the same number may have left it
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
            with open(handle, "wb") as stream:  # noqa: PTH123 - a handle that was made with its mode
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise StoreError(
                f"{self.path} could not be written: {error}. It is as it was; see that there is space and that you "
                "may write there, then try again."
            ) from error
