"""Parquet files: one, a folder of them, a pattern, or an object store's URL."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd
from pydantic import Field

from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.sources import Batch, Cursor, Example, News
from wheeltapper.sources._files import asset_name
from wheeltapper.sources._flagged import FlaggedRuns
from wheeltapper.sources._parquet import ParquetFile, find, look_into, stamps
from wheeltapper.sources._seen import look
from wheeltapper.sources._shape import Piece, ShapedSource, in_batches
from wheeltapper.sources._span import Span
from wheeltapper.sources._typed import as_text


class Parquet(ShapedSource):
    """Readings from parquet files, wide or long, local or in an object store.

    Files are read in natural order (2 before 10), row group by row group and in chunks, so memory does not grow with
    them. A folder named ``site=north`` (hive style) is a column ``site`` of the files below it, if they have none.
    With ``start`` or ``end``, row groups that lie outside are skipped by their statistics, unless there is a
    fault_column: how long a fault lasts is told by rows outside the span as well. Timestamps may have any unit; they
    are cut to microseconds. Access to an object store is taken from the environment, as its own tools do.
    """

    path: str = Field(
        description="file, folder, pattern such as data/**/*.parquet, or URL (s3://, gs://, file://); a relative one "
        "is looked for beside the plant's file, in WHEELTAPPER_DATA, and in ../shared/data"
    )
    asset_column: str | None = Field(
        None, description="column that names the asset; by default each file is one asset, named by its path"
    )
    shuffled: bool = Field(
        False,
        description="no longer needed for readings out of order, which are sorted in. Each file is read whole and "
        "sorted by time: for layout long whose values of one instant do not stand together, and for faults that are "
        "flagged row by row in a file that is not sorted",
    )

    @classmethod
    def example(cls) -> Example:
        """Return tiny data for contract tests; see `Source.example`."""
        from wheeltapper.sources._examples import PARQUET

        return PARQUET

    def read(self, plant: Plant, start: datetime | None = None, end: datetime | None = None) -> Iterator[Batch]:
        """Yield the files' rows from ``start`` (inclusive) to ``end`` (exclusive); see `Source.read`.

        Rows whose time is missing or cannot be read come only when reading from the beginning (``start`` None).

        Raises
        ------
        SourceError
            If nothing matches, a file is damaged or no parquet, or a column is missing. All files' footers
            are looked at before the first row is read.
        """
        files = find(self.path, plant)
        for file in files:
            self.require_columns(plant, file.names, file.shown)
        span = Span(start, end)
        count = 0
        for batch in in_batches(self._pieces(plant, files, span), span, FlaggedRuns()):
            count += 1
            yield batch
        if count == 0 and start is None and end is None:
            raise SourceError(f"the {len(files)} parquet files in {self.path} hold no rows.")

    def read_new(self, plant: Plant, cursor: Cursor | None, since: datetime | None) -> News:  # noqa: ARG002
        """Return the rows of files that are new or changed, see `Source.read_new`.

        Faults may reach from one file into the next: then all files are read if one has changed.
        """
        system, shown, found = stamps(self.path, plant)
        seen = look(found, cursor)
        has_faults = self.fault_column is not None or self.fault_kind_column is not None
        if cursor is None or (seen.changed and has_faults):
            return News(self.read(plant), seen.cursor)
        if not seen.changed:
            return News(iter(()), seen.cursor, is_empty=True)
        changed = {file: name for file, name in shown.items() if name in seen.changed}
        return News(self._read_files(plant, look_into(system, changed)), seen.cursor)

    def _read_files(self, plant: Plant, files: list[ParquetFile]) -> Iterator[Batch]:
        for file in files:
            self.require_columns(plant, file.names, file.shown)
        span = Span(None, None)
        yield from in_batches(self._pieces(plant, files, span, is_all=False), span, FlaggedRuns())

    def _pieces(self, plant: Plant, files: list[ParquetFile], span: Span, *, is_all: bool = True) -> Iterator[Piece]:
        """Walk through the files chunk by chunk; all of them together have every sensor."""
        columns = list(self.required(plant))
        seen: set[str | None] = set()
        for file in files:
            long = self.long_rows(plant, file.shown)
            for table in self._tables(file, columns, span):
                if long is not None:
                    seen |= set(as_text(table.column(self.sensor_column).unique()))
                rows = self._shape(table, plant, file)
                if long is not None:
                    rows = long.add(rows)
                yield Piece(file.shown, rows)
            last = long.finish() if long is not None else None
            if last is not None:
                yield Piece(file.shown, last)
            if self.asset_column is None:
                yield Piece(file.shown, None)
        if self.layout == "long" and span.bounds == (None, None) and is_all:
            self.require_sensors(plant, (name for name in seen if isinstance(name, str)), self.path)

    def _tables(self, file: ParquetFile, columns: list[str], span: Span) -> Iterator[Any]:
        """Yield a file's columns in chunks; whole if it has to be sorted."""
        bounds = (None, None) if self.fault_column or self.fault_kind_column or self.time_format else span.bounds
        at_once = sys.maxsize if self.shuffled else self.chunk_rows
        yield from file.tables(columns, self.time_column, bounds, at_once)

    def _shape(self, table: Any, plant: Plant, file: ParquetFile) -> pd.DataFrame:
        rows = self.shape(table, plant, file.shown, asset=asset_name(file.shown), origin=file.shown)
        return rows.sort_values("_utc", kind="stable", ignore_index=True) if self.shuffled else rows
