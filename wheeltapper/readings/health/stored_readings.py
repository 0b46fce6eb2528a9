"""The stored readings, in pieces of time that fit into memory, and where they have changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pandas as pd

from wheeltapper import tables
from wheeltapper.store import Store

ROWS = 500_000
"""Readings in memory at once, about."""

_FIXED = ["asset_id", "timestamp", "regime"]


class StoredReadings:
    """Reads the table of readings piece by piece, in order of time.

    Parameters
    ----------
    store : Store
    sensors : names of the columns to read, besides asset, time and regime
    """

    def __init__(self, store: Store, sensors: tuple[str, ...]) -> None:
        self._store = store
        self._columns = [*_FIXED, *sensors]
        self._sizes = store.sizes(tables.READINGS)
        self.newest = max((_microseconds(last) for _, last, _ in self._sizes), default=0)
        """Time of the newest reading of all, in microseconds since 1970."""

    def after(self, until: dict[str, int | None] | None) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield assets with some of their readings, each asset's in order of time.

        Parameters
        ----------
        until : dict, optional
            Asset → time after which its readings are read, in microseconds since 1970; None for all of them. By
            default, all readings of all assets.
        """
        if until is not None and not until:
            return
        times = [time for time in until.values() if time is not None] if until else []
        begin = min(times) + 1 if until and len(times) == len(until) else None
        for start, end in self._spans(begin):
            names = (
                None if until is None else sorted(name for name, time in until.items() if time is None or time < end)
            )
            if names == []:
                continue
            rows = self._store.read(
                tables.READINGS, columns=self._columns, start=instant(start), end=instant(end), assets=names
            )
            for asset, part in rows.groupby("asset_id", sort=True):
                after = (until or {}).get(str(asset))
                new = part if after is None else part[tables.microseconds(part["timestamp"]) > after]
                if len(new):
                    yield str(asset), new

    def _spans(self, begin: int | None) -> Iterator[tuple[int, int]]:
        """Yield spans of time, from start (inclusive) to end (exclusive), that hold about `ROWS` readings each."""
        start, n_rows = None, 0
        for first, last, rows in self._sizes:
            low, high = _microseconds(first), _microseconds(last) + 1
            if begin is not None and high <= begin:
                continue
            low = low if begin is None else max(low, begin)
            if start is not None and n_rows + rows > ROWS:
                yield start, low
                start, n_rows = None, 0
            start = low if start is None else start
            parts = -(-rows // ROWS)
            for part in range(1, parts):  # a period may be larger than that by itself
                cut = low + (high - low) * part // parts
                yield start, cut
                start = cut
            n_rows, end = n_rows + rows // parts, high
        if start is not None:
            yield start, end


def first_changes(store: Store, since: int) -> dict[str, int]:
    """Return asset → time of its first reading that was added, changed or removed since a version of the readings."""
    first = store.changes(tables.READINGS, since).groupby("asset_id")["timestamp"].min()
    return {str(asset): _microseconds(time) for asset, time in first.items()}


def _microseconds(time: datetime) -> int:
    return (time - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def instant(time: int) -> datetime:
    """Return a time in microseconds since 1970 as an instant."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time)
