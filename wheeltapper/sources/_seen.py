"""Which files of a source were read before: by size and time of change, and by content where one of these differs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from wheeltapper.errors import SourceError

_BLOCK = 1 << 20
_SETTLED = 2_000_000_000
"""Nanoseconds after its last change for which a file may change again without a new time of change."""
_UNSETTLED = -1


@dataclass(frozen=True)
class Tail:
    """The part of a file that is new, where all before it is as it was."""

    offset: int
    """Where the first new line begins, in bytes."""
    lines: int
    """How many lines stand before it."""


@dataclass(frozen=True)
class Seen:
    """What a look at all files found."""

    cursor: dict[str, Any]
    """The state of every file, to compare with next time."""
    changed: tuple[str, ...]
    """The files that are new or changed, in the order in which they are read."""
    tails: dict[str, Tail]
    """Of those, the files that only grew."""


@dataclass(frozen=True)
class Stamp:
    """What tells without reading a file whether it may have changed."""

    size: int
    changed_at: int
    """In nanoseconds since 1970."""
    path: Path | None
    """Where to read the file to compare its content; None where that costs as much as taking it for changed."""


def look(files: Mapping[str, Stamp], cursor: Mapping[str, Any] | None) -> Seen:
    """Compare files with the states that an earlier look recorded.

    Parameters
    ----------
    files : mapping of file to stamp
        In the order in which they are read.
    cursor : mapping or None
        ``Seen.cursor`` of the earlier look; None if there was none.

    Raises
    ------
    SourceError
        If a file cannot be opened.
    """
    before = dict((cursor or {}).get("files", {}))
    states: dict[str, list[Any]] = {}
    changed: list[str] = []
    tails: dict[str, Tail] = {}
    for name, stamp in files.items():
        old = before.get(name)
        if old is not None and old[:2] == [stamp.size, stamp.changed_at]:
            states[name] = old
            continue
        content, tail = _read(name, stamp, old)
        states[name] = [stamp.size, _settled(stamp.changed_at), content]
        if old is None or not content or content != old[2]:
            changed.append(name)
        if tail is not None:
            tails[name] = tail
    return Seen({"files": states}, tuple(changed), tails)


def _settled(changed_at: int) -> int:
    """Return the time of change, or what differs from all of them while the file may change within its tick."""
    return changed_at if time.time_ns() - changed_at > _SETTLED else _UNSETTLED


def _read(name: str, stamp: Stamp, old: list[Any] | None) -> tuple[str, Tail | None]:
    """Return the SHA-256 of a file, and where it goes on if it only grew."""
    if stamp.path is None:
        return "", None
    try:
        with stamp.path.open("rb") as stream:
            whole = hashlib.sha256()
            prefix = _Prefix(old[0] if old is not None else 0)
            for block in _blocks(stream):
                whole.update(block)
                prefix.add(block)
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error}") from error
    tail = prefix.tail() if old is not None and stamp.size > old[0] and prefix.sha256() == old[2] else None
    return whole.hexdigest(), tail


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


class _Prefix:
    """The first bytes of a file, those that were there before."""

    def __init__(self, size: int) -> None:
        self._left, self._at = size, 0
        self._hash = hashlib.sha256()
        self._lines = self._quotes = self._line_begins = 0

    def add(self, block: bytes) -> None:
        part = block[: self._left]
        if not part:
            return
        self._hash.update(part)
        self._lines += part.count(b"\n")
        self._quotes += part.count(b'"')
        end = part.rfind(b"\n")
        if end >= 0:
            self._line_begins = self._at + end + 1
        self._at += len(part)
        self._left -= len(part)

    def sha256(self) -> str:
        return self._hash.hexdigest()

    def tail(self) -> Tail | None:
        """Return where the first line begins that may have grown; None if it could lie inside a quoted field."""
        return Tail(self._line_begins, self._lines) if self._line_begins and self._quotes % 2 == 0 else None
