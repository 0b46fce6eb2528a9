"""The single values of the last readings, in a file: what an assembly must know when it is started again."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wheeltapper.sources.live.assembly import TagValue

log = logging.getLogger("wheeltapper.live")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_ROOM = 100_000
"""Lines beyond those that are still needed before the file is written anew: a few megabytes."""


class ValuesKept:
    """A file of single values that were taken in; a line each, the newest last.

    Without it, a program that was killed between two acknowledgements of one reading would get the second message again
    and take it for the whole reading.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines, self._limit = 0, _ROOM
        path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> Iterator[TagValue]:
        """Yield the values in the order in which they were added; a line that was cut off by a crash is left out."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                self._lines += 1
                try:
                    asset_id, sensor, micros, value, why = json.loads(line)
                    yield TagValue(asset_id, sensor, _EPOCH + micros * _TICK, value, why)
                except (TypeError, ValueError):
                    log.warning("%s: line %d cannot be read and is left out", self._path, self._lines)

    def add(self, values: Iterable[TagValue]) -> None:
        """Add values; returns when they are on the disk."""
        lines = [_line(tag) for tag in values]
        with self._path.open("ab") as file:
            # A line that was cut off must not swallow the next one.
            file.write(b"\n" * (not _ends_with_a_line(self._path)) + b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
        self._lines += len(lines)

    @property
    def is_long(self) -> bool:
        """Whether most of it is probably not needed any more."""
        return self._lines > self._limit

    def replace(self, values: Iterable[TagValue]) -> None:
        """Write the file anew, with these values only."""
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            self._lines = sum(1 for tag in values if file.write(_line(tag)))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        self._limit = 2 * self._lines + _ROOM


def _line(tag: TagValue) -> bytes:
    return json.dumps([tag.asset_id, tag.sensor, (tag.time - _EPOCH) // _TICK, tag.value, tag.why]).encode() + b"\n"


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
