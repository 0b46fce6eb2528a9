"""Statements for a database: columns, span of time and order, with bound values and quoted names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.types as kinds
import sqlalchemy as sa

from wheeltapper.sources._span import Span
from wheeltapper.sources._times import EPOCHS

Side = Literal["before", "after"]

_DAY = timedelta(days=1)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_BLOCK = 1_000
_ISO = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"


@dataclass(frozen=True)
class Bounds:
    """The span as the time column counts it, never narrower than it; an open side is None."""

    low: Any = None
    high: Any = None
    is_text: bool = False
    """True if the column is text: then only values like 2026-01-31… are compared, and all others are read."""

    def from_low(self, time: Any) -> Any:
        """Return the condition that a time is not before the span."""
        return sa.true() if self.low is None else self._comparable(time, time >= self.low)

    def to_high(self, time: Any) -> Any:
        """Return the condition that a time is not after the span; without a start, rows without a time belong to it."""
        if self.high is None:
            return sa.true()
        inside = self._comparable(time, time < self.high)
        return sa.or_(inside, time.is_(None)) if self.low is None else inside

    def _comparable(self, time: Any, inside: Any) -> Any:
        return sa.or_(inside, sa.not_(time.op("GLOB")(_ISO))) if self.is_text else inside


@dataclass(frozen=True)
class Selection:
    """Some columns of a table or query, sorted by asset and time."""

    source: Any
    columns: tuple[str, ...]
    time_column: str
    asset_column: str | None
    conditions: tuple[Any, ...] = ()
    inserted: str | None = None
    """The column that tells the order in which rows were inserted."""

    @property
    def time(self) -> Any:
        """The time column."""
        return self.source.c[self.time_column]

    @property
    def statement(self) -> sa.Select[Any]:
        """The statement.

        Rows of the same asset and time are put in order as well: in that of their insertion, or in one that is the same
        in every read.
        """
        first = [name for name in (self.asset_column, self.time_column, self.inserted) if name]
        order = [*first, *(name for name in self.columns if name not in first)]
        selected = sa.select(*(self.source.c[name] for name in self.columns))
        return selected.where(*self.conditions).order_by(*(self.source.c[name] for name in order))

    def where(self, *conditions: Any) -> Selection:
        """Return the selection with further conditions."""
        return replace(self, conditions=(*self.conditions, *conditions))

    def within(self, bounds: Bounds) -> Selection:
        """Return the selection of a span."""
        return self.where(bounds.from_low(self.time), bounds.to_high(self.time))

    def bounds(self, connection: sa.Connection, span: Span, *, form: str | None, zone: str | None) -> Bounds:
        """Write a span the way that the time column counts, after a look at one of its values.

        Wall-clock times are compared a day wider, and what cannot be compared in the database not at all: the rows
        outside are left out here.
        """
        if span.bounds == (None, None):
            return Bounds()
        time = sa.select(self.time).where(self.time.is_not(None), *self.conditions).limit(1)
        example = connection.execute(time).scalar()
        start, end = span.bounds
        if isinstance(example, datetime) and example.tzinfo is not None:
            return Bounds(start, end)
        local = ZoneInfo(zone or "UTC")
        low = start and start.astimezone(local).replace(tzinfo=None) - _DAY
        high = end and end.astimezone(local).replace(tzinfo=None) + _DAY
        if isinstance(example, date):
            return Bounds(low, high)
        if form in EPOCHS and isinstance(example, int | float | Decimal):
            per_second = _PER_SECOND[EPOCHS[form]]
            return Bounds(_count(start, per_second, -1), _count(end, per_second, 1))
        if isinstance(example, str) and form is None and connection.dialect.name == "sqlite":
            # Only here does text sort by its signs alone. A day more: it may name any zone.
            texts = (low and f"{low - _DAY:%Y-%m-%d}", high and f"{high + _DAY:%Y-%m-%d}")
            return Bounds(*texts, is_text=True)
        return Bounds()

    def assets(self, connection: sa.Connection) -> list[Any]:
        """Return the assets, as the database writes them; one None where no column names them."""
        if self.asset_column is None:
            return [None]
        name = self.source.c[self.asset_column]
        assets = connection.execute(sa.select(name).where(*self.conditions, name.is_not(None)).distinct())
        return sorted(assets.scalars(), key=str)

    def tables(self, connection: sa.Connection, at_once: int) -> Iterator[Any]:
        """Stream the rows as pyarrow tables of at most ``at_once`` rows."""
        yield from stream(connection, self.statement, list(self.columns), at_once)

    def beside(
        self, connection: sa.Connection, bounds: Bounds, asset: Any, columns: list[str], side: str
    ) -> Iterator[Any]:
        """Stream some columns of an asset's rows next to the span: backwards before it, or forwards after it."""
        time = self.time
        is_outside = time < bounds.low if side == "before" else time >= bounds.high
        of_asset = [] if self.asset_column is None else [self.source.c[self.asset_column] == asset]
        chosen = sa.select(*(self.source.c[name] for name in columns)).where(*self.conditions, *of_asset, is_outside)
        ordered = chosen.order_by(time.desc() if side == "before" else time)
        yield from stream(connection, ordered, columns, _BLOCK)


def stream(connection: sa.Connection, statement: Any, columns: list[str], at_once: int) -> Iterator[Any]:
    """Run a statement and yield its rows as pyarrow tables; the database keeps what was not fetched yet."""
    with connection.execute(statement, execution_options={"yield_per": at_once}) as result:
        for rows in result.partitions():
            values = zip(*rows, strict=True)
            yield pa.table([as_array(list(column)) for column in values], names=columns)


def as_array(values: list[Any]) -> Any:
    """Turn Python values into a column; values without a common type become text."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, datetime) and first.tzinfo is not None:
        return pa.array(values, pa.timestamp("us", tz="UTC"))
    try:
        if isinstance(first, Decimal):
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        column = pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        column = None
    if column is None or kinds.is_nested(column.type) or isinstance(column.type, pa.BaseExtensionType):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return column


def _count(when: datetime | None, per_second: int, wider: int) -> int | None:
    """Return whole units since 1970, one wider."""
    if when is None:
        return None
    micros = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return micros * per_second // 1_000_000 + wider
