"""The journal: what came in through a live door is on the disk before it is acknowledged, and is numbered in order.

A journal is a folder of text files. Each line is one entry: the CRC-32 of its content, and the content. A file is named
after the number of its first entry, and the lines count on from there. One thread writes: whatever came in while it
synced the disk is written next and synced together, so that many writers share one sync. A process that was killed
leaves at most a torn last line, which nobody was told is safe; it is cut off when the journal is opened again.
"""

from __future__ import annotations

import itertools
import os
import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from wheeltapper import faultpoints
from wheeltapper.errors import JournalError
from wheeltapper.syncing import sync_folder

FILE_BYTES = 16 * 2**20
"""Size from which on a file is followed by another; a file is deleted when all of its entries are in the tables."""

_NAME = re.compile(r"^(\d{20})\.journal$")
_CRC = 9
"""Bytes of the checksum and the space behind it."""


@dataclass(frozen=True)
class Entry:
    """One entry."""

    number: int
    """From 1, in the order in which entries came in."""
    content: bytes
    """Without a line break."""


class Journal:
    """Writes a journal; one process at a time.

    Parameters
    ----------
    folder : path of the journal's folder

    Raises
    ------
    JournalError
        If another process writes to it, or an entry other than the last is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / "writer.lock", thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise JournalError(
                f"another process writes to {folder}. Stop it first, or serve the plant there."
            ) from error
        self._first, self._next = _repair(folder)
        self._path = _path(folder, self._first)
        self._stream = self._path.open("ab")
        self._size = self._path.stat().st_size
        sync_folder(folder)
        self._waiting: list[tuple[bytes, Future[int]]] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._writer = threading.Thread(target=self._write_on, name=f"journal {folder.name}", daemon=True)
        self._writer.start()

    @property
    def newest(self) -> int:
        """Number of the newest entry; 0 before the first."""
        return self._next - 1

    def append(self, content: bytes) -> Future[int]:
        """Add an entry; the future has its number once it is on the disk.

        Raises
        ------
        JournalError
            From the future: if the disk is full or refuses. Nothing of the entry was kept.
        """
        if b"\n" in content:
            raise JournalError("an entry of a journal has no line breaks; write it as one line")
        future: Future[int] = Future()
        with self._changed:
            if self._is_closed:
                raise JournalError(f"{self.folder} is closed")
            self._waiting.append((content, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Write what is waiting, and let others write."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._writer.join()
        self._stream.close()
        self._lock.release()

    def _write_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                waiting, self._waiting = self._waiting, []
            if not waiting:
                return
            self._write(waiting)

    def _write(self, waiting: Sequence[tuple[bytes, Future[int]]]) -> None:
        """Write entries and sync them at once."""
        data = b"".join(_line(content) for content, _ in waiting)
        try:
            self._stream.write(data)
            self._stream.flush()
            faultpoints.hit("journal.before_sync")
            os.fdatasync(self._stream.fileno())
        except OSError as error:
            self._take_back()
            what = f"{self._path} could not be written: {error}. See that there is space and that you may write there."
            for _, future in waiting:
                future.set_exception(JournalError(what))
            return
        faultpoints.hit("journal.after_sync")
        self._size += len(data)
        for _, future in waiting:
            self._next += 1
            future.set_result(self._next - 1)
        if self._size >= FILE_BYTES:
            self._begin_file()

    def _take_back(self) -> None:
        """Cut off what was written of entries that failed."""
        self._stream.close()
        os.truncate(self._path, self._size)
        self._stream = self._path.open("ab")

    def _begin_file(self) -> None:
        self._stream.close()
        self._path = _path(self.folder, self._next)
        self._stream, self._size = self._path.open("ab"), 0
        sync_folder(self.folder)


def entries(folder: Path, after: int) -> Iterator[Entry]:
    """Yield the entries after a number, in order, up to the last whole line; another process may be writing.

    Raises
    ------
    JournalError
        If an entry is damaged, or entries are missing.
    """
    files = _files(folder)
    for place, (first, path) in enumerate(files):
        is_last = place == len(files) - 1
        if not is_last and files[place + 1][0] <= after + 1:
            continue
        if first > after + 1:
            raise JournalError(f"entries {after + 1} to {first - 1} of {folder} are missing. Restore them from a copy.")
        for number, content in enumerate(_contents(path, path.read_bytes(), is_last=is_last), start=first):
            if number == after + 1:
                yield Entry(number, content)
                after = number


def forget(folder: Path, until: int) -> None:
    """Delete files all of whose entries have a number up to this one; the newest file stays."""
    files = _files(folder)
    for (_, path), (following, _) in itertools.pairwise(files):
        if following <= until + 1:
            path.unlink(missing_ok=True)


def _repair(folder: Path) -> tuple[int, int]:
    """Cut off a torn last line; return the number of the newest file's first entry, and that of the next entry."""
    files = _files(folder)
    if not files:
        return 1, 1
    first, path = files[-1]
    data = path.read_bytes()
    contents = list(_contents(path, data, is_last=True))
    whole = sum(len(content) + _CRC + 1 for content in contents)
    if whole < len(data):
        os.truncate(path, whole)
    return first, first + len(contents)


def _contents(path: Path, data: bytes, *, is_last: bool) -> Iterator[bytes]:
    """Yield the contents of a file's entries; the last line of the newest file may be torn, and is left out."""
    lines = data.split(b"\n")
    for place, line in enumerate(lines[:-1]):
        content = line[_CRC:]
        if line[:_CRC] == _checksum(content):
            yield content
        elif is_last and place == len(lines) - 2 and not lines[-1]:
            return
        else:
            raise JournalError(
                f"{path} is damaged in line {place + 1}: its checksum is another. Restore it from a copy."
            )
    if lines[-1] and not is_last:
        raise JournalError(f"{path} ends in the middle of a line. Restore it from a copy.")


def _files(folder: Path) -> list[tuple[int, Path]]:
    """List the files with the number of their first entry, in order."""
    matches = ((_NAME.match(path.name), path) for path in folder.iterdir()) if folder.is_dir() else iter(())
    return sorted((int(match[1]), path) for match, path in matches if match)


def _path(folder: Path, first: int) -> Path:
    return folder / f"{first:020d}.journal"


def _line(content: bytes) -> bytes:
    return _checksum(content) + content + b"\n"


def _checksum(content: bytes) -> bytes:
    return b"%08x " % zlib.crc32(content)
