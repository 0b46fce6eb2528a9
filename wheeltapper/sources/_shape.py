"""Sources whose columns have types: which columns they need, wide or long, and how pieces of them become batches."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pydantic import Field

from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.sources import Batch
from wheeltapper.sources._cells import constant
from wheeltapper.sources._flagged import FlaggedRuns
from wheeltapper.sources._layout import LayoutSource
from wheeltapper.sources._long import NAME, VALUE
from wheeltapper.sources._span import Span, with_faults
from wheeltapper.sources._table import missing
from wheeltapper.sources._typed import as_numbers, as_text, as_times


@dataclass(frozen=True)
class Piece:
    """Some consecutive rows of a source, ready to be a batch."""

    origin: str
    rows: pd.DataFrame | None
    """A batch's columns, and ``_utc``, ``_placed`` (see `Times`) and ``_kind``: the fault inside which a row lies.

    None says that an asset ends here, and its fault with it.
    """


class ShapedSource(LayoutSource, ABC):
    """A source of typed columns; one row an instant (wide) or one row a value (long)."""

    time_column: str = Field(description="column of the timestamp")
    asset_column: str | None = Field(None, description="column that names the asset")

    def required(self, plant: Plant) -> dict[str, str]:
        """Return each column that is read, with what it is for."""
        options = ["time_column", "asset_column", "sensor_column", "value_column", "regime_column", "fault_column"]
        uses = {getattr(self, option): option for option in [*options, "fault_kind_column"]}
        uses.pop(None, None)
        if self.layout == "wide":
            uses |= {column: f"sensor {sensor}" for sensor, column in self.sensor_columns(plant).items()}
        return uses

    def require_columns(self, plant: Plant, has: list[str], where: str) -> None:
        """Refuse data that lacks a column; say so if it looks like the other layout.

        Raises
        ------
        SourceError
            Naming the column, what is there, the near miss, and the layout that would fit.
        """
        for column, use in self.required(plant).items():
            if column not in has:
                message = missing(where, column, use, has, use.startswith("sensor "))
                raise SourceError(message + self.other_layout(plant, has))
            if has.count(column) > 1:
                raise SourceError(f"{where} has column '{column}' for {use} twice; name them apart.")

    def shape(self, table: Any, plant: Plant, where: str, *, asset: str | None, origin: str) -> pd.DataFrame:
        """Turn typed columns into a batch's columns, and ``_utc``, ``_placed``, ``_kind``; long rows stay long.

        Parameters
        ----------
        table : pyarrow Table
            The columns of `required`.
        plant : Plant
        where : str
            Name of the data in messages.
        asset : str or None
            The asset of all rows, where no column names it.
        origin : str
            The file of these rows, for messages.
        """
        times = as_times(table.column(self.time_column), form=self.time_format, zone=self.time_zone, where=where)
        columns: dict[str, Any] = {
            "asset_id": as_text(table.column(self.asset_column))
            if self.asset_column
            else constant(str(asset), len(table)),
            "timestamp": times.shown,
        }
        if self.layout == "wide":
            words = plant.asset_type.categories
            columns |= {
                s: (as_text if s in words else as_numbers)(table.column(name))
                for s, name in self.sensor_columns(plant).items()
            }
        if self.regime_column:
            columns["regime"] = as_text(table.column(self.regime_column)).replace(self.regimes)
        columns |= {"defect": times.defects, "_utc": times.utc, "_placed": times.placed}
        columns["_kind"] = self.kind_of(table, origin)
        rows = pd.DataFrame(columns)
        return rows if self.layout == "wide" else self._long(rows, table, plant)

    def kind_of(self, table: Any, origin: str) -> pd.Series[str]:
        """Return the kind of fault that each row lies in; missing outside faults."""
        names = [self.fault_column, self.fault_kind_column]
        raw = pd.DataFrame({name: as_text(table.column(name)) for name in names if name}, index=range(len(table)))
        kind = self.fault_kind_of(raw, origin)
        return kind.where(kind != "")

    def _long(self, rows: pd.DataFrame, table: Any, plant: Plant) -> pd.DataFrame:
        """Add sensor and value; leave out what the plant does not ask for, but not what names no sensor at all."""
        meant = {name: sensor for sensor, name in self.sensor_columns(plant).items()}
        names = as_text(table.column(self.sensor_column))
        rows[NAME] = names.map(meant)
        rows[VALUE] = as_numbers(table.column(self.value_column))
        nameless = names.isna() | (names == "")
        rows["defect"] = rows["defect"].mask(nameless & (rows["defect"] == ""), "the row names no sensor")
        return rows[rows[NAME].notna() | nameless].reset_index(drop=True)


def in_batches(
    pieces: Iterable[Piece],
    span: Span,
    runs: FlaggedRuns,
    *,
    later: pd.DataFrame | None = None,
) -> Iterator[Batch]:
    """Turn pieces into batches of the span; faults come with the batch in which they end, the last with the last.

    Parameters
    ----------
    pieces : iterable of Piece
    span : Span
        Rows outside are left out, but their flags tell how long faults last.
    runs : FlaggedRuns
        May already know of flagged rows before the first piece.
    later : DataFrame, optional
        Columns asset_id, time and kind: flagged rows after the last piece.
    """
    held: Batch | None = None
    for piece in pieces:
        rows = piece.rows
        if rows is None:
            held = held and with_faults(held, span.overlapping(runs.finish()))
            continue
        faults = span.overlapping(runs.add(rows["asset_id"], rows["_utc"], rows["_kind"].fillna("")))
        inside = _inside(rows, span)
        if len(inside):
            if held is not None:
                yield held
            held = Batch(origin=piece.origin, rows=inside, faults=faults)
        else:
            held = held and with_faults(held, faults)
    if held is not None:
        if later is not None:
            held = with_faults(held, span.overlapping(runs.add(later["asset_id"], later["time"], later["kind"])))
        yield with_faults(held, span.overlapping(runs.finish()))


def _inside(rows: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Return the rows of the span; those that have no place in time belong to reading from the beginning."""
    unplaced = rows["_placed"].isna()
    keep = span.holds(rows["_placed"]) & (~unplaced | span.is_open_at_start)
    inside = rows[keep].drop(columns=["_utc", "_placed", "_kind"]).reset_index(drop=True)
    return inside if (inside["defect"] != "").any() else inside.drop(columns="defect")
