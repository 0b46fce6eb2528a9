"""Order of arrival: readings may come in any order; of several at one instant the one that arrived last stays."""

from __future__ import annotations

from typing import Any

import pandas as pd

from wheeltapper import tables

KEY = list(tables.READINGS.key)


def in_time(rows: pd.DataFrame) -> pd.DataFrame:
    """Return readings by asset and time; of several with the same asset and time the last one.

    Parameters
    ----------
    rows : DataFrame
        At least asset_id and timestamp, in the order of their arrival.

    Examples
    --------
    >>> times = pd.to_datetime(["2026-01-05 00:02", "2026-01-05 00:01", "2026-01-05 00:02"], utc=True)
    >>> in_time(pd.DataFrame({"asset_id": "a", "timestamp": times, "flow": [1.0, 2.0, 3.0]}))["flow"].tolist()
    [2.0, 3.0]
    """
    ordered = rows.sort_values(KEY, kind="stable", ignore_index=True)
    return ordered[~ordered.duplicated(KEY, keep="last")].reset_index(drop=True)


def seconds_behind(rows: pd.DataFrame) -> pd.Series[Any]:
    """Return how far each reading lies behind the newest that its asset had when it arrived; 0 for one in order.

    Parameters
    ----------
    rows : DataFrame
        At least asset_id and timestamp (UTC, none missing), in the order of their arrival.
    """
    micros = pd.Series(tables.microseconds(rows["timestamp"]), index=rows.index)
    newest = micros.groupby(rows["asset_id"].to_numpy(), sort=False).cummax()
    return (newest - micros) / 1e6


def in_words(pause: pd.Timedelta) -> str:
    """Write a pause with its two largest units: ``23 h 45 min``."""
    units = (
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "min"),
        (1_000_000, "s"),
        (1000, "ms"),
        (1, "µs"),
    )
    remaining = round(pause / pd.Timedelta(1, "us"))
    parts = []
    for size, unit in units:
        count, remaining = divmod(remaining, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
