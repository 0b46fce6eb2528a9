"""The rows and columns that a reader requests, and the files that can hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wheeltapper.errors import StoreError
from wheeltapper.spelling import near_miss
from wheeltapper.store.files import File
from wheeltapper.store.layout import Columns, arrow_schema, is_cut
from wheeltapper.tables import Table


@dataclass(frozen=True)
class Selection:
    """A reader's request, checked against the table."""

    table: Table
    available: Columns
    names: list[str]
    """The requested columns."""
    start: pd.Timestamp | None
    end: pd.Timestamp | None
    assets: list[str] | None

    @property
    def needed(self) -> Columns:
        """The columns to read: the requested ones, and those to sort and select by."""
        names = {*self.names, *self.table.key}
        if self.start is not None or self.end is not None:
            names.add(str(self.table.time))
        if self.assets is not None:
            names.add("asset_id")
        return tuple(column for column in self.available if column[0] in names)

    def may_be_in(self, file: File) -> bool:
        """Say whether a file can hold rows of the requested span and assets."""
        if file.first is None or file.last is None:
            return True
        if self.assets is None or file.assets is None:
            return self._overlaps(file.first, file.last)
        spans = (file.assets[name] for name in self.assets if name in file.assets)
        return any(self._overlaps(span.first, span.last) for span in spans)

    def may_be_in_group(self, group: pq.RowGroupMetaData) -> bool:
        """Say whether a row group can hold rows of the requested span and assets."""
        return all(self._may_be_between(*extremes) for extremes in _extremes(group))

    def _may_be_between(self, column: str, least: Any, most: Any) -> bool:
        """Say whether a column whose values lie between two can hold what is requested."""
        if column == "asset_id" and self.assets is not None:
            return any(least <= name <= most for name in self.assets)
        if column == self.table.time and is_cut(self.table):
            return self._overlaps(_microseconds(pd.Timestamp(least)), _microseconds(pd.Timestamp(most)))
        return True

    def _overlaps(self, first: int, last: int) -> bool:
        """Say whether some instant from first to last (microseconds) is in the requested span."""
        begins = self.start is None or last >= _microseconds(self.start)
        return begins and (self.end is None or first < _microseconds(self.end))

    def cut(self, rows: pa.Table) -> pa.Table:
        """Keep the requested span and assets."""
        if self.start is not None:
            rows = rows.filter(pc.greater_equal(rows[self.table.time], self._instant(self.start)))
        if self.end is not None:
            rows = rows.filter(pc.less(rows[self.table.time], self._instant(self.end)))
        if self.assets is not None:
            rows = rows.filter(pc.is_in(rows["asset_id"], pa.array(self.assets, pa.string())))
        return rows

    def empty(self) -> pa.Table:
        """Return the needed columns without rows."""
        return arrow_schema(self.needed).empty_table()

    @staticmethod
    def _instant(time: pd.Timestamp) -> pa.Scalar:
        return pa.scalar(_microseconds(time), pa.int64()).cast(pa.timestamp("us", "UTC"))


def select(
    table: Table,
    available: Columns,
    *,
    columns: list[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    assets: list[str] | None = None,
) -> Selection:
    """Check a reader's request.

    Raises
    ------
    StoreError
        If the table has no such column, no time or no assets to select by, or an instant has no time zone.
    """
    names = [name for name, _ in available]
    for name in columns or []:
        if name not in names:
            raise StoreError(f"table {table.name} has no column '{name}' (it has: {names}).{near_miss(name, names)}")
    if (start is not None or end is not None) and not is_cut(table):
        raise StoreError(f"table {table.name} has no time to select by; read it all and select in the frame.")
    if assets is not None and "asset_id" not in names:
        raise StoreError(f"table {table.name} has no asset_id to select by; leave assets out.")
    return Selection(
        table, available, names if columns is None else columns, _aware(start, "start"), _aware(end, "end"), assets
    )


def _extremes(group: pq.RowGroupMetaData) -> Iterator[tuple[str, Any, Any]]:
    """Name each column of a row group with its least and greatest value, where parquet recorded them."""
    for place in range(group.num_columns):
        column = group.column(place)
        if column.statistics is not None and column.statistics.has_min_max:
            yield column.path_in_schema, column.statistics.min, column.statistics.max


def _aware(time: datetime | None, name: str) -> pd.Timestamp | None:
    if time is None:
        return None
    stamp = pd.Timestamp(time)
    if stamp.tzinfo is None:
        raise StoreError(f"{name} must have a time zone, such as UTC; got {time}.")
    return stamp.tz_convert("UTC")


@lru_cache(maxsize=16)  # called for every file of a table
def _microseconds(time: pd.Timestamp) -> int:
    return int((time - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(microseconds=1))
