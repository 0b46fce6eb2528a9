"""The hash of a table's content, whatever the order of its rows and the files that they lie in.

It is a multiset hash [1]_: every row is hashed on its own and the hashes are added up (two lanes of 64 bits), so
neither the order of rows nor the way they are cut into files matters, and the sum of a new file can be added without
reading the old ones. It distinguishes different content; the SHA-256 of the files protects against manipulation.

References
----------
.. [1] D. Clarke et al., "Incremental Multiset Hash Functions", ASIACRYPT 2003, doi:10.1007/978-3-540-40061-5_12
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.store.files import File
from wheeltapper.store.layout import Columns
from wheeltapper.tables import Kind, Table, microseconds

Hashes = NDArray[np.uint64]

_MODULUS = 2**64
_MISSING_TEXT = b"\xff"  # never a byte of UTF-8, so no text hashes to it


def row_sum(table: Table, frame: pd.DataFrame, columns: Columns) -> str:
    """Return the sum of the rows' hashes over the columns that are not volatile: 32 hexadecimal digits."""
    lanes = [int(lane.sum(dtype=np.uint64)) if len(lane) else 0 for lane in row_hashes(table, frame, columns)]
    return "".join(f"{lane:016x}" for lane in lanes)


def digest(table: Table, columns: Columns, parts: Iterable[tuple[int, str]]) -> str:
    """Combine the parts of a table (rows, sum) into one SHA-256 over its columns, row count and sum."""
    rows, lanes = 0, [0, 0]
    for count, text in parts:
        rows += count
        lanes = [(lanes[0] + int(text[:16], 16)) % _MODULUS, (lanes[1] + int(text[16:], 16)) % _MODULUS]
    # Without rows there is no content: a table that was never written equals one whose rows were all dropped.
    names = [f"{name}:{kind}" for name, kind in sorted(columns) if name not in table.volatile] if rows else []
    return hashlib.sha256("\n".join([table.name, *names, str(rows), *map(str, lanes)]).encode()).hexdigest()


def digest_of_files(table: Table, columns: Columns, files: Iterable[File]) -> str:
    """Return the digest of a table that lies in these files."""
    return digest(table, columns, ((file.rows, file.content) for file in files))


def row_hashes(table: Table, frame: pd.DataFrame, columns: Columns) -> list[Hashes]:
    """Return two lanes of 64 bits for each row, over the columns that are not volatile."""
    lanes = [np.full(len(frame), seed, dtype=np.uint64) for seed in (0x243F6A8885A308D3, 0x13198A2E03707344)]
    for name, kind in sorted(columns):  # by name: the order of columns does not matter either
        if name in table.volatile:
            continue
        salt = hashlib.blake2b(name.encode(), digest_size=8).digest()
        for lane, values in zip(lanes, _as_integers(frame[name], kind), strict=True):
            np.bitwise_xor(lane, values, out=lane)
            np.add(lane, np.frombuffer(salt, dtype="<u8"), out=lane)
            _mix(lane)
    return lanes


def _as_integers(values: pd.Series, kind: Kind) -> tuple[Hashes, Hashes]:
    """Return two 64-bit numbers for each value; equal values (0.0 and −0.0, any two NaN) give equal numbers."""
    if kind == "text":
        return _text_hashes(values)
    if kind == "number":
        numbers = values.to_numpy(dtype=np.float64, copy=True)
        numbers += 0.0  # −0.0 + 0.0 is 0.0
        numbers[np.isnan(numbers)] = np.nan
        integers = numbers.view(np.uint64)
    elif kind == "time":
        integers = microseconds(values).view(np.uint64)
    else:
        integers = values.to_numpy(dtype=np.int64).view(np.uint64)
    # The second lane gets the bytes in reverse order, so that no two values can cancel in both.
    return integers, integers.byteswap()


def _text_hashes(values: pd.Series) -> tuple[Hashes, Hashes]:
    codes, distinct = pd.factorize(values)
    texts = [str(text).encode() for text in distinct] + [_MISSING_TEXT]  # a missing text has code −1: the last item
    hashes = b"".join(hashlib.blake2b(text, digest_size=16).digest() for text in texts)
    lanes = np.frombuffer(hashes, dtype="<u8").reshape(-1, 2)[codes]
    return np.ascontiguousarray(lanes[:, 0]), np.ascontiguousarray(lanes[:, 1])


def _mix(x: Hashes) -> None:
    """Scramble 64-bit numbers in place: the finaliser of splitmix64 (S. Vigna, public domain)."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
