"""A table, view or query of a database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Self

import pandas as pd
import sqlalchemy as sa
from pydantic import ConfigDict, Field, model_validator

from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.sources import Batch, Cursor, News
from wheeltapper.sources._cells import constant
from wheeltapper.sources._database import Database, database
from wheeltapper.sources._flagged import FlaggedRuns
from wheeltapper.sources._inserts import as_json, from_json, look_back
from wheeltapper.sources._queries import Bounds, Selection, Side, as_array
from wheeltapper.sources._shape import Piece, ShapedSource, in_batches
from wheeltapper.sources._span import Span
from wheeltapper.sources._table import missing
from wheeltapper.sources._typed import as_text, as_times
from wheeltapper.spelling import near_miss


class Sql(ShapedSource):
    """Readings from a database: PostgreSQL, SQLite, and what else SQLAlchemy has a driver for; wide or long.

    The database does the work: it selects the columns and the span of time, sorts by asset and time (an index on
    both spares it that), and hands rows over piece by piece. It is only read from, in one transaction, so rows that
    arrive meanwhile wait for the next time. On PostgreSQL times come in UTC, whatever the server's own zone;
    timestamps without a zone are wall-clock times of ``time_zone``.

    Only what is new: ``wheeltapper ingest PLANT --new`` (and every scheduled ``wheeltapper watch``) reads the rows that
    were inserted since, if ``cursor_column`` tells them, and knows at once if there are none. Some rows before them are
    read again: one that was inserted first may have become visible last. Without that column, or with faults, it reads
    from where the stored readings of the asset furthest behind end, less a day for late ones. ``--start`` reads from
    any instant, such as before a delivery that was a week late. Reading a row again changes nothing.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    url: str = Field(
        repr=False,
        description="database, such as postgresql://reader:${PLANT_PASSWORD}@db.example/plant or sqlite:///plant.db; "
        "${NAME} is taken from the environment, so that no secret stands in the file",
    )
    table: str | None = Field(None, description="table or view, with its schema if it is not the usual one")
    query: str | None = Field(None, description="SELECT statement, in place of table")
    asset: str | None = Field(
        None, description="name of the one asset, where no asset_column names it; by default the table's"
    )
    cursor_column: str | None = Field(
        None,
        description="column that grows with every row that is inserted, such as a serial number or the time of the "
        "insert: only rows beyond it are new, however old their timestamps are. Without it, a day is read again",
    )
    chunk_rows: int = Field(50_000, ge=1, description="most rows in memory at once")

    @model_validator(mode="after")
    def _reads_one_thing(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("set table or query, one of them")
        if self.asset_column is not None and self.asset is not None:
            raise ValueError("asset is for data without asset_column; keep one of them")
        if self.asset_column is None and self.asset is None and self.table is None:
            raise ValueError("set asset_column, or asset for the rows of a query that are all one machine's")
        return self

    def read(self, plant: Plant, start: datetime | None = None, end: datetime | None = None) -> Iterator[Batch]:
        """Yield rows from ``start`` (inclusive) to ``end`` (exclusive), sorted by asset and time; see `Source.read`.

        Rows whose time is missing or cannot be read come only when reading from the beginning (``start`` None).

        Raises
        ------
        SourceError
            If the database cannot be reached or refuses, there is no such table or column, or it has no rows. No
            message holds the password.
        """
        place = database(self.url, plant)
        with place.connect() as connection:
            rows = self._selection(plant, place, connection)
            span = Span(start, end)
            if span.bounds == (None, None):
                self._require_content(plant, place, connection, rows)
            bounds = rows.bounds(connection, span, form=self.time_format, zone=self.time_zone)
            runs = FlaggedRuns()
            before, later = self._beyond(connection, rows, bounds)
            runs.add(before["asset_id"], before["time"], before["kind"])
            pieces = self._pieces(plant, place, connection, rows.within(bounds))
            yield from in_batches(pieces, span, runs, later=later)

    def read_new(self, plant: Plant, cursor: Cursor | None, since: datetime | None) -> News:
        """Return the rows that were inserted after those of an earlier time; see `Source.read_new`."""
        if self.cursor_column is None:
            return News(self.read(plant, since), {})
        newest = self._newest_insert(plant)
        if cursor is None or newest is None or self.fault_column or self.fault_kind_column:
            is_empty = cursor is not None and as_json(newest) == cursor["newest"]
            begin = None if cursor is None else since
            return News(iter(()) if is_empty else self.read(plant, begin), {"newest": as_json(newest)}, is_empty)
        if as_json(newest) == cursor["newest"]:
            return News(iter(()), cursor, is_empty=True)
        after = look_back(from_json(cursor["newest"]))
        return News(self._inserted(plant, after, newest), {"newest": as_json(newest)})

    def _newest_insert(self, plant: Plant) -> Any:
        """Return the largest value of the column that grows with every insert; None in an empty table."""
        place = database(self.url, plant)
        with place.connect() as connection:
            rows = self._selection(plant, place, connection)
            return connection.execute(sa.select(sa.func.max(rows.source.c[str(self.cursor_column)]))).scalar()

    def _inserted(self, plant: Plant, after: Any, newest: Any) -> Iterator[Batch]:
        """Read the rows that were inserted after one value of that column and up to another."""
        place = database(self.url, plant)
        with place.connect() as connection:
            rows = self._selection(plant, place, connection)
            inserted = rows.source.c[str(self.cursor_column)]
            new = rows.where(*([inserted > after] if after is not None else []), inserted <= newest)
            yield from in_batches(self._pieces(plant, place, connection, new), Span(None, None), FlaggedRuns())

    def _selection(self, plant: Plant, place: Database, connection: sa.Connection) -> Selection:
        """Find the table or query and its columns."""
        has, source = self._query(connection) if self.query is not None else self._table(place, connection)
        self.require_columns(plant, has, self._shown)
        if self.cursor_column is not None and self.cursor_column not in has:
            raise SourceError(missing(self._shown, self.cursor_column, "cursor_column", has, False))
        selection = Selection(
            source, tuple(self.required(plant)), self.time_column, self.asset_column, inserted=self.cursor_column
        )
        if self.sensor_column is None:
            return selection
        name = selection.source.c[self.sensor_column]
        names = list(self.sensor_columns(plant).values())
        return selection.where(sa.or_(sa.func.trim(name).in_(names), name.is_(None), sa.func.trim(name) == ""))

    def _table(self, place: Database, connection: sa.Connection) -> tuple[list[str], Any]:
        inspector = sa.inspect(connection)
        schema, name = None, str(self.table)
        tables = [*inspector.get_table_names(), *inspector.get_view_names()]
        if name not in tables and "." in name:
            schema, _, name = name.partition(".")
            if schema in inspector.get_schema_names():
                tables = [
                    f"{schema}.{table}"
                    for table in (*inspector.get_table_names(schema), *inspector.get_view_names(schema))
                ]
        if self.table not in tables:
            shown = ", ".join(sorted(tables)[:20]) + (" …" if len(tables) > 20 else "")
            raise SourceError(
                f"{place.shown} has no table '{self.table}' (it has: {shown or 'none'})."
                f"{near_miss(str(self.table), tables)} Change table, or let this user read it."
            )
        has = [column["name"] for column in inspector.get_columns(name, schema=schema)]
        return has, sa.table(name, *map(sa.column, has), schema=schema)

    def _query(self, connection: sa.Connection) -> tuple[list[str], Any]:
        # A colon is no parameter here, and a comment at the end must not swallow what follows.
        text = str(self.query).strip().rstrip(";").replace(":", r"\:") + "\n"
        everything = sa.select(sa.text("*")).select_from(sa.text(f"({text}) AS selected"))
        has = list(connection.execute(everything.limit(0)).keys())
        return has, sa.text(text).columns(*map(sa.column, has)).subquery("selected")

    @property
    def _shown(self) -> str:
        return f"table {self.table}" if self.table is not None else "the query"

    def _require_content(self, plant: Plant, place: Database, connection: sa.Connection, rows: Selection) -> None:
        """Refuse what has no rows, and long rows in which a sensor never occurs."""
        if self.sensor_column is not None:
            name = rows.source.c[self.sensor_column]
            names = connection.execute(sa.select(name).distinct()).scalars()
            self.require_sensors(plant, (str(sensor).strip() for sensor in names if sensor is not None), self._shown)
        elif connection.execute(rows.statement.limit(1)).first() is None:
            raise SourceError(f"{self._shown} in {place.shown} has no rows.")

    def _pieces(self, plant: Plant, place: Database, connection: sa.Connection, rows: Selection) -> Iterator[Piece]:
        """Stream the rows piece by piece."""
        origin = f"{place.shown} {self._shown}"
        long = self.long_rows(plant, self._shown)
        for table in rows.tables(connection, self.chunk_rows):
            shaped = self.shape(table, plant, self._shown, asset=self.asset or self.table, origin=self._shown)
            yield Piece(origin, shaped if long is None else long.add(shaped))
        last = long.finish() if long is not None else None
        if last is not None:
            yield Piece(origin, last)

    def _beyond(self, connection: sa.Connection, rows: Selection, bounds: Bounds) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the flagged rows next to the span, before and after, so that a fault across its edge is whole."""
        before, later = [_no_run()], [_no_run()]
        if (self.fault_column or self.fault_kind_column) and bounds != Bounds():
            for asset in rows.within(bounds).assets(connection):
                if bounds.low is not None:
                    before.append(self._run(connection, rows, bounds, asset, "before"))
                if bounds.high is not None:
                    later.append(self._run(connection, rows, bounds, asset, "after"))
        return pd.concat(before, ignore_index=True), pd.concat(later, ignore_index=True)

    def _run(self, connection: sa.Connection, rows: Selection, bounds: Bounds, asset: Any, side: Side) -> pd.DataFrame:
        """Return an asset's flagged rows as far as they follow each other, away from the span, in time order."""
        columns = [name for name in (self.time_column, self.fault_column, self.fault_kind_column) if name]
        runs = [_no_run()]
        for table in rows.beside(connection, bounds, asset, columns, side):
            times = as_times(
                table.column(self.time_column), form=self.time_format, zone=self.time_zone, where=self._shown
            )
            kind = self.kind_of(table, self._shown).fillna("")
            # In the long layout an instant has several rows; one flag counts for all of them.
            instants = pd.DataFrame({"time": times.utc, "kind": kind}).groupby("time", sort=False)["kind"].max()
            is_other = (instants == "") | (
                instants != (runs[-1]["kind"].iloc[-1] if len(runs) > 1 else instants.iloc[0])
            )
            run = instants[~is_other.cummax()]
            name = constant(self._asset_name(asset), len(run))
            runs.append(pd.DataFrame({"asset_id": name, "time": run.index, "kind": run.to_numpy()}))
            if len(run) < len(instants):
                break
        return pd.concat(runs, ignore_index=True).sort_values("time", kind="stable", ignore_index=True)

    def _asset_name(self, asset: Any) -> str:
        if self.asset_column is None:
            return str(self.asset or self.table)
        return str(as_text(as_array([asset])).iloc[0])


def _no_run() -> pd.DataFrame:
    times = pd.Series(dtype="datetime64[us, UTC]")
    return pd.DataFrame({"asset_id": constant("", 0), "time": times, "kind": constant("", 0)})
