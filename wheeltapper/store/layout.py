"""How rows lie in files: columns as parquet's types, order of rows, and the days or months that they are cut into."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from wheeltapper.tables import DTYPES, Kind, Table, microseconds

PeriodKind = Literal["day", "month"]
Columns = tuple[tuple[str, Kind], ...]

PERIOD = "period"
"""The hidden column that holds the day or month of a row."""

_ARROW: dict[Kind, pa.DataType] = {
    "time": pa.timestamp("us", "UTC"),
    "number": pa.float64(),
    "text": pa.string(),
    "flag": pa.bool_(),
    "count": pa.int64(),
}


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
        numbers = pa.array(microseconds(values), pa.int64(), mask=values.isna().to_numpy())
        return numbers.cast(_ARROW["time"])
    if kind == "text":
        array = pa.array(values.array, from_pandas=True)
        texts = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        return texts.cast(_ARROW["text"])
    return pa.array(values.to_numpy(), _ARROW[kind], from_pandas=True)


def to_frame(rows: pa.Table, columns: Columns) -> pd.DataFrame:
    """Turn parquet's types back into the dtypes that `wheeltapper.tables` promises."""
    frame: pd.DataFrame = rows.to_pandas()
    return frame.astype({name: DTYPES[kind] for name, kind in columns if name in frame})


def empty(columns: Columns) -> pd.DataFrame:
    """Return a frame of these columns without rows."""
    return to_frame(arrow_schema(columns).empty_table(), columns)


def sort(frame: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    """Order rows by their key, with a fresh index; an earlier release may have written a table with a shorter key."""
    return frame.sort_values([name for name in key if name in frame], ignore_index=True)


def columns_of_empty(table: Table) -> Columns:
    """List the columns of a table that nothing was written to: the fixed ones."""
    return columns_of(table, table.empty())


def is_cut(table: Table) -> bool:
    """Say whether a table is cut into periods: it has a time, and the time is part of the key."""
    return table.time is not None and table.time in table.key


def periods(times: pd.Series, kind: PeriodKind) -> NDArray[np.object_]:
    """Return each row's day (``2026-01-05``) or month (``2026-01``) in UTC, shape (n_rows,)."""
    unit = "datetime64[D]" if kind == "day" else "datetime64[M]"
    cut = times.dt.tz_convert(None).to_numpy().astype(unit)
    distinct, position = np.unique(cut, return_inverse=True)
    return distinct.astype(str).astype(object)[position]


def cut(table: Table, rows: pd.DataFrame, kind: PeriodKind | None) -> list[tuple[str | None, pd.DataFrame]]:
    """Cut rows into periods in order, each sorted by key; without a kind, everything is one piece."""
    if rows.empty:
        return []
    rows = sort(rows, table.key)
    if kind is None:
        return [(None, rows)]
    labels = periods(rows[str(table.time)], kind)
    if (labels == labels[0]).all():  # the usual delivery: an hour
        return [(str(labels[0]), rows)]
    groups = rows.groupby(labels, sort=True)
    return [(str(period), part.reset_index(drop=True)) for period, part in groups]
