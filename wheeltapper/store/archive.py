"""Old entries of a log, byte for byte, in compressed segments beside it: the proof of every version, kept for ever.

A folder of half a million small files is slow to list for everyone. An entry moves into a segment only if there is a
snapshot and a checkpoint of Delta's of its version or a later one; the segment is on the disk before the entry's own
file is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from wheeltapper import faultpoints
from wheeltapper.errors import StoreError
from wheeltapper.store import sealed

BESIDE = "_wheeltapper"
"""Folder in a table's folder for what we keep beside Delta's log; readers of Delta skip names with an underscore."""

MERGED = 10
"""Segments of one size that become one: two thousand entries a file, and few loose entries meanwhile."""

_SEGMENT = re.compile(r"^(\d{20})-(\d{20})\.entries$")
_CODEC = "zstd"


class SegmentError(StoreError):
    """A segment is not as it was written; ``path`` says which."""

    def __init__(self, path: Path, damage: str) -> None:
        super().__init__(f"{damage}. Restore it from a copy; versions whose entries it holds cannot be read without.")
        self.path = path


@dataclass(frozen=True)
class _Read:
    """A segment that was read, with the time at which it was written."""

    path: Path
    written_ns: int
    first: int
    entries: list[bytes]

    def holds(self, version: int) -> bool:
        """Say whether it has the entry of a version, and its file is still the one that was read."""
        if not 0 <= version - self.first < len(self.entries):
            return False
        try:
            return self.path.stat().st_mtime_ns == self.written_ns
        except FileNotFoundError:  # it has become part of a larger one, or somebody deleted the table
            return False


class Archive:
    """The segments of the table in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / BESIDE / "archive"
        self._read: _Read | None = None

    def segments(self) -> list[tuple[int, int, Path]]:
        """List first version, last version and path of each segment, in order."""
        if not self.folder.is_dir():
            return []
        matches = ((_SEGMENT.match(path.name), path) for path in self.folder.iterdir())
        return sorted((int(match[1]), int(match[2]), path) for match, path in matches if match)

    def read(self, version: int) -> bytes | None:
        """Return the entry of a version; None if no segment has it.

        Raises
        ------
        SegmentError
            If its segment is damaged.
        """
        segment = self._read
        if segment is None or not segment.holds(version):
            segment = self._find(version) or self._find(version)  # a second look: ten may just have become one
            if segment is None:
                return None
            self._read = segment
        return segment.entries[version - segment.first]

    def _drop_merged(self) -> None:
        """Delete segments whose entries a larger one holds too: a killed writer left them."""
        segments = self.segments()
        for first, last, path in segments:
            if any(begin <= first and last <= end and path != other_path for begin, end, other_path in segments):
                path.unlink(missing_ok=True)

    def _find(self, version: int) -> _Read | None:
        for first, last, path in self.segments():
            if first <= version <= last:
                try:
                    return _Read(path, path.stat().st_mtime_ns, first, _entries_in(path))
                except FileNotFoundError:
                    return None
        return None

    def write(self, first: int, entries: Sequence[bytes]) -> Path:
        """Write entries of consecutive versions as one segment, and read it back before it is trusted.

        Raises
        ------
        StoreError
            If the disk refuses, or what it returns is not what was written.
        """
        content = b"".join(entries)
        path = self.folder / f"{first:020d}-{first + len(entries) - 1:020d}.entries"
        facts = {"first": first, "lengths": [len(entry) for entry in entries], "size": len(content)}
        sealed.write(path, facts, pa.Codec(_CODEC).compress(content, asbytes=True))
        if _entries_in(path) != list(entries):
            raise StoreError(f"{path} does not return what was written. See that the disk is sound.")
        return path

    def merge(self, size: int) -> None:
        """Make one segment of the last ten, if each has so many entries; they go once it is on the disk."""
        self._drop_merged()
        last = self.segments()[-MERGED:]
        if len(last) < MERGED or any(end - first + 1 != size for first, end, _ in last):
            return
        self.write(last[0][0], _entries_of(last))
        faultpoints.hit("store.after_merge")
        for _, _, path in last:
            path.unlink(missing_ok=True)
            faultpoints.hit("store.after_unlink")


def _entries_of(segments: Sequence[tuple[int, int, Path]]) -> list[bytes]:
    return [entry for _, _, path in segments for entry in _entries_in(path)]


def _entries_in(path: Path) -> list[bytes]:
    try:
        segment = sealed.read(path)
    except FileNotFoundError:
        raise
    except StoreError as error:
        raise SegmentError(path, str(error)) from error
    content = pa.Codec(_CODEC).decompress(segment.body, segment.facts["size"], asbytes=True)
    entries, begin = [], 0
    for length in segment.facts["lengths"]:
        entries.append(content[begin : begin + length])
        begin += length
    return entries
