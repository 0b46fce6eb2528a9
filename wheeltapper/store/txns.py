"""The names of all writes that a log holds, so that the same write twice is one write however long the log is.

Names since the newest snapshot are kept as they are. Older ones are kept as sorted hashes of 16 bytes in a few files;
four files of one size are merged into one, so that half a million names are 8 MB in at most two dozen files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wheeltapper.errors import StoreError
from wheeltapper.store import sealed
from wheeltapper.store.archive import BESIDE

MERGED = 4
"""Files of one size that are merged into one."""

Hashes = NDArray[np.bytes_]
Names = Callable[[int, int], Iterable[str]]
"""Returns the names of the writes from a version to another, from the log itself."""


@dataclass(frozen=True)
class Listed:
    """One file of sorted hashes, as a snapshot names it."""

    first: int
    """Version of the first write in it."""
    last: int
    sha256: str

    def path(self, folder: Path) -> Path:
        """Return where it lies in a table's folder."""
        return folder / BESIDE / "txns" / f"{self.first:020d}-{self.last:020d}.txns"


@dataclass(frozen=True)
class Index:
    """Finds the names of writes up to a snapshot.

    Parameters
    ----------
    folder : the table's folder
    listed : the files that the snapshot names
    names : reads names from the log where a file is missing or damaged
    """

    folder: Path
    listed: tuple[Listed, ...]
    names: Names
    rebuilt: set[Listed] = field(default_factory=set, compare=False)
    """Files that were found missing or damaged."""
    _loaded: dict[Listed, Hashes] = field(default_factory=dict, compare=False)

    def __contains__(self, txn: str) -> bool:
        digest = hash_of(txn)
        return any(_has(self.hashes(part), digest) for part in reversed(self.listed))

    def hashes(self, part: Listed) -> Hashes:
        """Return the sorted hashes of one file; from the log if the file is not as it was written."""
        if part not in self._loaded:
            self._loaded[part] = self._read(part)
        return self._loaded[part]

    def _read(self, part: Listed) -> Hashes:
        try:
            file = sealed.read(part.path(self.folder))
            if file.sha256 == part.sha256:
                return np.frombuffer(file.body, dtype="S16")
        except (OSError, StoreError):  # `store verify` names it; the log has every name
            pass
        self.rebuilt.add(part)
        return sorted_hashes(self.names(part.first, part.last))


@dataclass(frozen=True)
class Txns:
    """The names of all writes up to a version: ``name in txns``."""

    recent: frozenset[str] = frozenset()
    """Those after the snapshot."""
    older: Index | None = None
    """Those up to the snapshot."""

    def __contains__(self, txn: str) -> bool:
        return txn in self.recent or (self.older is not None and txn in self.older)

    def with_more(self, names: Iterable[str]) -> Txns:
        """Return these and more."""
        return Txns(self.recent.union(names), self.older)


def extend(index: Index, first: int, last: int) -> tuple[Listed, ...]:
    """Write the names from a version to another, merge files of one size, and return the files of the new index.

    The files that were merged stay until the caller has written the snapshot that names the new ones.
    """
    for part in index.rebuilt:
        _write(index.folder, part.first, part.last, index.hashes(part))
    parts = [*index.listed, _write(index.folder, first, last, sorted_hashes(index.names(first, last)))]
    while len(parts) >= MERGED and _are_one_size(parts[-MERGED:]):
        merged = np.sort(np.concatenate([index.hashes(part) for part in parts[-MERGED:]]))
        parts[-MERGED:] = [_write(index.folder, parts[-MERGED].first, parts[-1].last, merged)]
    return tuple(parts)


def hash_of(txn: str) -> bytes:
    """Return 16 bytes for a name; two names with equal ones are as likely as two equal UUIDs."""
    return hashlib.blake2b(txn.encode(), digest_size=16).digest()


def sorted_hashes(names: Iterable[str]) -> Hashes:
    """Return the hashes of names in order, shape (n_names,)."""
    return np.sort(np.array([hash_of(name) for name in names], dtype="S16"))


def _are_one_size(parts: list[Listed]) -> bool:
    """Say whether files hold about as many names: the largest less than `MERGED` times the smallest."""
    sizes = [part.last - part.first + 1 for part in parts]
    return max(sizes) < MERGED * min(sizes)


def _write(folder: Path, first: int, last: int, hashes: Hashes) -> Listed:
    path = Listed(first, last, "").path(folder)
    return Listed(first, last, sealed.write(path, {"first": first, "last": last}, hashes.tobytes()))


def _has(hashes: Hashes, digest: bytes) -> bool:
    place = int(np.searchsorted(hashes, np.array(digest, dtype="S16")))
    return place < len(hashes) and bytes(hashes[place]) == digest.rstrip(b"\0")
