"""Reading one table: its rows, and what its log alone answers (version, hash, periods, what has changed)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa

from wheeltapper.errors import StoreError
from wheeltapper.store import digests, files, layout, statistics
from wheeltapper.store.entries import State
from wheeltapper.store.files import File, Span
from wheeltapper.store.log import Log
from wheeltapper.store.selection import Selection, select
from wheeltapper.tables import Table


class TableReader:
    """Reads one table of a plant.

    Parameters
    ----------
    table : the table's columns and key
    log : the log in the table's folder
    """

    def __init__(self, table: Table, log: Log) -> None:
        self.table = table
        self.log = log

    def read(
        self,
        version: int | None,
        columns: list[str] | None,
        start: datetime | None,
        end: datetime | None,
        assets: list[str] | None,
    ) -> pd.DataFrame:
        """Return rows sorted by key, see `Store.read`."""
        state = self.log.state(version)
        available = state.columns or layout.columns_of_empty(self.table)
        selection = select(self.table, available, columns=columns, start=start, end=end, assets=assets)
        live = [file for file in state.files.values() if selection.may_be_in(file)]
        self.require_kept(state.version, live)
        rows = self._load(live, selection)
        return (layout.sort(rows, self.table.key) if len(live) > 1 else rows)[selection.names]

    def load(self, live: Sequence[File], columns: layout.Columns) -> pd.DataFrame:
        """Return all rows of some files."""
        return self._load(live, select(self.table, columns))

    def _load(self, live: Sequence[File], selection: Selection) -> pd.DataFrame:
        names = [name for name, _ in selection.needed]
        parts = [selection.cut(files.load(self.log.folder, file, names, selection.may_be_in_group)) for file in live]
        return layout.to_frame(pa.concat_tables(parts) if parts else selection.empty(), selection.needed)

    def require_kept(self, version: int, live: Sequence[File]) -> None:
        """Require that the files of a version were not deleted because it was given up.

        Raises
        ------
        StoreError
        """
        if self.log.is_retired(version) and any(not (self.log.folder / file.path).exists() for file in live):
            raise StoreError(
                f"version {version} of table {self.table.name} was given up: its files are gone "
                "(WHEELTAPPER_KEEP_VERSIONS says how long versions stay). Read a newer version."
            )

    def digest(self, state: State) -> str:
        """Return the hash of the table's content at a state. Reads the log only."""
        return digests.digest_of_files(self.table, state.columns, state.files.values())

    def changed(self, since: int) -> tuple[datetime, datetime] | None:
        """Return first and last time of all rows in files that differ since a version, see `Store.changed`."""
        before, now = self.log.state(since).files, self.log.state().files
        touched = [file for path, file in (before | now).items() if (path in before) != (path in now)]
        times = [time for file in touched for time in (file.first, file.last) if time is not None]
        if not times:
            return None
        return instant(min(times)), instant(max(times))

    def per_asset(self) -> dict[str, Span]:
        """Return rows, first and last time of each asset, see `Store.newest` and `Store.rows_per_asset`."""
        statistics.require_statistics(self.table)
        return statistics.per_asset(self.table, self.log.folder, self.log.state().files.values())

    def sizes(self, version: int | None) -> list[tuple[datetime, datetime, int]]:
        """List first time, last time and rows of each period, see `Store.sizes`."""
        periods: dict[str, tuple[int, int, int]] = {}
        for file in self.log.state(version).files.values():
            if file.first is not None and file.last is not None:
                first, last, rows = periods.get(str(file.period), (file.first, file.last, 0))
                periods[str(file.period)] = (min(first, file.first), max(last, file.last), rows + file.rows)
        return [(instant(first), instant(last), rows) for first, last, rows in sorted(periods.values())]


def instant(micros: int) -> datetime:
    """Return microseconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
