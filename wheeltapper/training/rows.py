"""Feature rows of a training: in memory where they fit, else read a chunk at a time, by the columns that are needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import memory, tables
from wheeltapper.errors import StoreError
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.store import Store
from wheeltapper.tables import microseconds

IN_MEMORY = 40_000_000
"""Most feature values that are kept in memory, 320 MB; a longer table is read again by each candidate."""
AT_ONCE = 4_000_000
"""Feature values of a chunk, about."""
WINDOW = [column for column in tables.FEATURES.names() if column != "plan"]
"""Columns that say what a window is."""

Places = NDArray[np.integer]
Chosen = NDArray[np.bool_] | pd.Series


class FeatureRows(ABC):
    """Rows of the table of features, in the order of asset and time."""

    @property
    @abstractmethod
    def windows(self) -> pd.DataFrame:
        """All rows, with the columns `WINDOW` at least."""

    @abstractmethod
    def where(self, chosen: Chosen) -> FeatureRows:
        """Return some of the rows; ``chosen`` has a truth value for each."""

    @abstractmethod
    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Places, pd.DataFrame]]:
        """Yield all rows in pieces, each with the places of its rows here, in rising order; at least one piece.

        Parameters
        ----------
        columns : sequence of str, optional
            Features to read; all by default. The table's own columns are always there.
        """

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return all rows at once, with the index of ``windows``."""
        pieces = [rows for _, rows in self.chunks(columns)]
        return pieces[0] if len(pieces) == 1 else pd.concat(pieces).sort_index()

    def give_back(self) -> None:  # noqa: B027 - rows in memory have nothing to give back
        """Return memory that pieces have needed to the system."""

    def __len__(self) -> int:
        return len(self.windows)


@dataclass(frozen=True)
class LoadedRows(FeatureRows):
    """Rows that are in memory."""

    frame: pd.DataFrame

    @property
    def windows(self) -> pd.DataFrame:
        """All rows, with their features."""
        return self.frame

    def where(self, chosen: Chosen) -> LoadedRows:
        """Return some of the rows."""
        return LoadedRows(self.frame[chosen])

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Places, pd.DataFrame]]:
        """Yield all rows in one piece."""
        rows = self.frame if columns is None else self.frame[[*_table_columns(self.frame), *columns]]
        yield np.arange(len(self.frame)), rows


@dataclass(frozen=True)
class Span:
    """A span of time whose rows are read at once."""

    start: datetime | None
    end: datetime | None
    """First instant after it."""
    inside: Places
    """Numbers of the windows that end in it, in the order of the table."""


@dataclass(frozen=True)
class StoredRows(FeatureRows):
    """Rows that stay in the store until they are needed; of their windows only what `WINDOW` names is in memory."""

    store: Store
    version: int
    every_window: pd.DataFrame
    """All windows of the table, numbered in its order."""
    chosen: Places
    """Numbers of the windows that these rows are."""
    spans: tuple[Span, ...]
    """Spans of time that are read one after the other."""

    @property
    def windows(self) -> pd.DataFrame:
        """All rows, without their features."""
        is_whole = len(self.chosen) == len(self.every_window)
        return self.every_window if is_whole else self.every_window.iloc[self.chosen]

    def where(self, chosen: Chosen) -> StoredRows:
        """Return some of the rows."""
        places = self.chosen[np.asarray(chosen, dtype=bool)]
        return replace(self, chosen=places)

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Places, pd.DataFrame]]:
        """Yield all rows, one span of time after the other."""
        is_chosen = np.zeros(len(self.every_window), dtype=bool)
        is_chosen[self.chosen] = True
        is_empty = True
        for span in self.spans:
            is_wanted = is_chosen[span.inside]
            if is_wanted.any():
                is_empty = False
                yield self._chunk(span, is_wanted, columns)
        if is_empty:
            yield np.empty(0, dtype=np.int64), self._read(columns, None, None, []).iloc[:0]

    def give_back(self) -> None:
        """Return memory that pieces have needed to the system."""
        memory.give_back()

    def _chunk(
        self, span: Span, is_wanted: NDArray[np.bool_], columns: Sequence[str] | None
    ) -> tuple[Places, pd.DataFrame]:
        rows = self._read(columns, span.start, span.end)
        if len(rows) != len(span.inside):
            raise StoreError(
                f"version {self.version} of the features has {len(rows)} windows from {span.start} to {span.end}, and "
                f"had {len(span.inside)} when the training began. Verify the tables: wheeltapper store verify"
            )
        numbers = span.inside[is_wanted].astype(np.int64)
        rows = rows[is_wanted].set_index(pd.Index(numbers))
        # Alarms that nobody has judged withhold windows from training that are usable otherwise.
        rows = rows.assign(**{name: self.every_window[name].iloc[numbers] for name in ("usable", "why_not")})
        return np.searchsorted(self.chosen, numbers), rows

    def _read(
        self,
        columns: Sequence[str] | None,
        start: datetime | None,
        end: datetime | None,
        assets: list[str] | None = None,
    ) -> pd.DataFrame:
        names = None if columns is None else [*tables.FEATURES.names(), *columns]
        return self.store.read(
            tables.FEATURES, version=self.version, columns=names, start=start, end=end, assets=assets
        )


def open_rows(store: Store, version: int, n_features: int) -> FeatureRows:
    """Return the rows of the table of features at a version; those of a long table stay in the store.

    Parameters
    ----------
    store : Store
    version : int
    n_features : int
        Features of each row.
    """
    periods = store.sizes(tables.FEATURES, version=version)
    if sum(rows for *_, rows in periods) * n_features <= IN_MEMORY:
        return LoadedRows(store.read(tables.FEATURES, version=version))
    memory.keep_little()
    windows = store.read(tables.FEATURES, version=version, columns=WINDOW)
    spans = _with_windows(_begins(periods, n_features), windows["window_end"])
    return StoredRows(store, version, windows, np.arange(len(windows)), spans)


def as_rows(rows: pd.DataFrame | FeatureRows) -> FeatureRows:
    """Return rows that may be in memory already."""
    return rows if isinstance(rows, FeatureRows) else LoadedRows(rows)


def with_windows(rows: FeatureRows, windows: pd.DataFrame) -> FeatureRows:
    """Return all rows of a table with other values of ``usable`` and ``why_not``."""
    if isinstance(rows, StoredRows):
        return replace(rows, every_window=windows)
    return LoadedRows(windows)


def score(bundle: Bundle, rows: FeatureRows) -> pd.DataFrame:
    """Return the same as `Bundle.score`, whether or not the rows are in memory."""
    pieces = [bundle.score(piece) for _, piece in rows.chunks()]
    if len(pieces) == 1:
        return pieces[0]
    return pd.concat(pieces).sort_values(["asset_id", "window_end"], ignore_index=True)


def _table_columns(rows: pd.DataFrame) -> list[str]:
    return [name for name in tables.FEATURES.names() if name in rows]


def _begins(periods: list[tuple[datetime, datetime, int]], n_features: int) -> list[datetime]:
    """Return where spans begin, but for the first, so that each holds about `AT_ONCE` values at most.

    Neighbouring periods are put together, and long ones are cut.
    """
    begins: list[datetime] = []
    n_rows = 0
    for first, last, rows in sorted(periods):
        if n_rows and (n_rows + rows) * n_features > AT_ONCE:
            begins.append(first)
            n_rows = 0
        pieces = max(1, -(-rows * n_features // AT_ONCE))
        begins += [first + (last - first) * piece / pieces for piece in range(1, pieces)]
        n_rows += rows // pieces
    return begins


def _with_windows(begins: list[datetime], ends: pd.Series) -> tuple[Span, ...]:
    """Return spans of time, of which the first has no start and the last no end, with the windows that end in each."""
    span_of = np.searchsorted(microseconds(pd.DatetimeIndex(begins)), microseconds(ends), side="right")
    in_order = np.argsort(span_of, kind="stable").astype(np.int32)
    borders = np.cumsum(np.bincount(span_of, minlength=len(begins) + 1))[:-1]
    parts = zip([None, *begins], [*begins, None], np.split(in_order, borders), strict=True)
    return tuple(Span(start, end, inside) for start, end, inside in parts)
