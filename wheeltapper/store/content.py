"""What rows say, apart from where they lie: their periods, their order, their differences and their hash.

The hash of a table is a multiset hash [1]_: every row is hashed on its own and the hashes are added up (two lanes
of 64 bits), so neither the order of rows nor the way they are cut into files matters, and the sum of a new file
can be added without reading the old ones. It tells different content apart; manipulation is what the SHA-256 of
the files is for.

References
----------
.. [1] D. Clarke et al., "Incremental Multiset Hash Functions", ASIACRYPT 2003, doi:10.1007/978-3-540-40061-5_12
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from wheeltapper.errors import DataError
from wheeltapper.store.files import File
from wheeltapper.tables import DTYPES, Kind, Table, microseconds

PeriodKind = Literal["day", "month"]
Columns = tuple[tuple[str, Kind], ...]
Hashes = NDArray[np.uint64]

PERIOD = "period"
"""The hidden column that says into which day or month a row belongs."""

_ARROW: dict[Kind, pa.DataType] = {
    "time": pa.timestamp("us", "UTC"),
    "number": pa.float64(),
    "text": pa.string(),
    "flag": pa.bool_(),
    "count": pa.int64(),
}
_MODULUS = 2**64
_MISSING_TEXT = b"\xff"  # never a byte of UTF-8, so no text hashes to it


def columns_of(table: Table, frame: pd.DataFrame) -> Columns:
    """List name and kind of a checked frame's columns, in order."""
    kinds = {column.name: column.kind for column in table.columns}
    return tuple((str(name), kinds.get(str(name), table.more or "number")) for name in frame.columns)


def arrow_schema(columns: Columns) -> pa.Schema:
    """Return the parquet schema of columns."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in columns])


def to_arrow(frame: pd.DataFrame, columns: Columns) -> pa.Table:
    """Turn a checked frame into parquet's types; NaN becomes null."""
    arrays = [_to_array(frame[name], kind) for name, kind in columns]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(columns))


def _to_array(values: pd.Series, kind: Kind) -> pa.Array:
    if kind == "time":
        whole = pa.array(microseconds(values), pa.int64(), mask=values.isna().to_numpy())
        return whole.cast(_ARROW["time"])
    if kind == "text":
        array = pa.array(values.array, from_pandas=True)
        whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        return whole.cast(_ARROW["text"])
    return pa.array(values.to_numpy(), _ARROW[kind], from_pandas=True)


def to_frame(rows: pa.Table, columns: Columns) -> pd.DataFrame:
    """Turn parquet's types back into the dtypes that `wheeltapper.tables` promises."""
    frame: pd.DataFrame = rows.to_pandas()
    return frame.astype({name: DTYPES[kind] for name, kind in columns if name in frame})


def sort(frame: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    """Order rows by their key, with a fresh index."""
    return frame.sort_values(list(key), ignore_index=True)


def is_cut(table: Table) -> bool:
    """Say whether a table is cut into periods: it has a time, and the time is part of the key."""
    return table.time is not None and table.time in table.key


def periods(times: pd.Series, kind: PeriodKind) -> NDArray[np.object_]:
    """Return each row's day (``2026-01-05``) or month (``2026-01``) in UTC, shape (n_rows,)."""
    unit = "datetime64[D]" if kind == "day" else "datetime64[M]"
    cut = times.dt.tz_convert(None).to_numpy().astype(unit)
    found, place = np.unique(cut, return_inverse=True)
    return found.astype(str).astype(object)[place]


def cut(table: Table, rows: pd.DataFrame, kind: PeriodKind | None) -> list[tuple[str | None, pd.DataFrame]]:
    """Cut rows into periods in order, each sorted by key; everything is one piece where there is no kind."""
    if rows.empty:
        return []
    rows = sort(rows, table.key)
    if kind is None:
        return [(None, rows)]
    groups = rows.groupby(periods(rows[str(table.time)], kind), sort=True)
    return [(str(period), part.reset_index(drop=True)) for period, part in groups]


def keys_to_drop(table: Table, drop: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the key columns of the rows to delete with exact dtypes; None if there are none.

    Raises
    ------
    DataError
        If a key column is missing or of another kind.
    """
    if drop is None or drop.empty:
        return None
    missing = [name for name in table.key if name not in drop]
    if missing:
        raise DataError(f"rows to drop from {table.name} need the key {table.key}; column {missing} is missing")
    kinds = {column.name: column.kind for column in table.columns}
    try:
        keys = drop[list(table.key)].astype({name: DTYPES[kinds[name]] for name in table.key})
    except (TypeError, ValueError) as error:
        raise DataError(f"rows to drop from {table.name}: {error}") from error
    return keys.drop_duplicates(ignore_index=True)


@dataclass(frozen=True)
class Merged:
    """What an upsert makes of one period."""

    rows: pd.DataFrame
    """All rows afterwards, sorted by key."""
    added: pd.DataFrame
    """Those whose key is new."""
    existing: int
    """Rows of the upsert whose key was there already, changed or not."""
    replaced: int
    dropped: int

    @property
    def is_change(self) -> bool:
        """Whether anything is different afterwards."""
        return bool(len(self.added) or self.replaced or self.dropped)

    @property
    def only_adds(self) -> bool:
        """Whether old rows stay as they are."""
        return not (self.replaced or self.dropped)


def merge(table: Table, old: pd.DataFrame, new: pd.DataFrame, drop: pd.DataFrame | None) -> Merged:
    """Put new rows in, replace those that differ in more than volatile columns, take dropped ones out."""
    before, after = _index(table, old), _index(table, new)
    place = before.get_indexer(after)
    known = place >= 0
    differs = np.zeros(len(new), dtype=bool)
    differs[known] = _differ(table, old.iloc[place[known]], new[known])
    stays = np.ones(len(old), dtype=bool)
    if drop is not None:
        gone = _index(table, drop)
        stays[before.isin(gone) & ~before.isin(after)] = False
    dropped = int((~stays).sum())
    stays[place[differs]] = False
    added = new[~known]
    parts = [part for part in (old[stays], added, new[differs]) if len(part)]
    rows = pd.concat(parts, ignore_index=True) if parts else old.iloc[:0]
    return Merged(
        rows=sort(rows, table.key),
        added=sort(added, table.key),
        existing=int(known.sum()),
        replaced=int(differs.sum()),
        dropped=dropped,
    )


def _index(table: Table, frame: pd.DataFrame) -> pd.Index[Any]:
    if len(table.key) == 1:
        one: pd.Index[Any] = pd.Index(frame[table.key[0]])
        return one
    several: pd.Index[Any] = pd.MultiIndex.from_frame(frame[list(table.key)])
    return several


def _differ(table: Table, old: pd.DataFrame, new: pd.DataFrame) -> NDArray[np.bool_]:
    differs = np.zeros(len(new), dtype=bool)
    for name in new.columns:
        if name in table.key or name in table.volatile:
            continue
        was, is_ = old[name].reset_index(drop=True), new[name].reset_index(drop=True)
        same = (was == is_).to_numpy(dtype=bool, na_value=False) | (was.isna() & is_.isna()).to_numpy()
        differs |= ~same
    return differs


def content(table: Table, frame: pd.DataFrame, columns: Columns) -> str:
    """Return the sum of the rows' hashes over the columns that are not volatile: 32 hexadecimal digits."""
    lanes = [int(lane.sum(dtype=np.uint64)) if len(lane) else 0 for lane in _row_hashes(table, frame, columns)]
    return "".join(f"{lane:016x}" for lane in lanes)


def digest(table: Table, columns: Columns, parts: Iterable[tuple[int, str]]) -> str:
    """Fold the parts of a table (rows, content) into one SHA-256 over its columns, row count and content."""
    rows, lanes = 0, [0, 0]
    for count, text in parts:
        rows += count
        lanes = [(lanes[0] + int(text[:16], 16)) % _MODULUS, (lanes[1] + int(text[16:], 16)) % _MODULUS]
    # Without rows there is no content: a table never written equals one whose rows were all dropped.
    names = [f"{name}:{kind}" for name, kind in sorted(columns) if name not in table.volatile] if rows else []
    return hashlib.sha256("\n".join([table.name, *names, str(rows), *map(str, lanes)]).encode()).hexdigest()


def summarise(table: Table, frame: pd.DataFrame, columns: Columns) -> tuple[str, int | None, int | None]:
    """Return what the log keeps of a file's rows: content, first and last time (microseconds)."""
    if not is_cut(table):
        return content(table, frame, columns), None, None
    times = microseconds(frame[str(table.time)])
    return content(table, frame, columns), int(times.min()), int(times.max())


def digest_of_files(table: Table, columns: Columns, files: Iterable[File]) -> str:
    """Return the digest of a table that lies in these files."""
    return digest(table, columns, ((file.rows, file.content) for file in files))


def _row_hashes(table: Table, frame: pd.DataFrame, columns: Columns) -> list[Hashes]:
    lanes = [np.full(len(frame), seed, dtype=np.uint64) for seed in (0x243F6A8885A308D3, 0x13198A2E03707344)]
    for name, kind in sorted(columns):  # by name: the order of columns is no content either
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
        whole = numbers.view(np.uint64)
    elif kind == "time":
        whole = microseconds(values).view(np.uint64)
    else:
        whole = values.to_numpy(dtype=np.int64).view(np.uint64)
    # The second lane sees the bits the other way round, so that no two values can cancel in both.
    return whole, whole.byteswap()


def _text_hashes(values: pd.Series) -> tuple[Hashes, Hashes]:
    codes, words = pd.factorize(values)
    texts = [str(word).encode() for word in words] + [_MISSING_TEXT]  # factorize says −1 for missing: the last one
    hashes = b"".join(hashlib.blake2b(text, digest_size=16).digest() for text in texts)
    both = np.frombuffer(hashes, dtype="<u8").reshape(-1, 2)[codes]
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def _mix(x: Hashes) -> None:
    """Scramble 64-bit numbers in place: the finaliser of splitmix64 (S. Vigna, public domain)."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
