"""The long layout: one row a value, with the sensor's name beside it; here it becomes one row an instant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.errors import SourceError
from wheeltapper.sources._cells import numbers_or_text

NAME, VALUE = "_sensor", "_value"
"""Columns of long rows, beside those of wide ones."""


class LongRows:
    """Gathers the values of one instant, chunk after chunk: an instant that crosses chunks comes out whole.

    A sensor's second value for the same asset and instant starts a row of its own, so that cleaning can say so.
    """

    def __init__(self, sensors: list[str], where: str) -> None:
        self._sensors = sensors
        self._where = where
        self._held: pd.DataFrame | None = None
        self._ends: dict[str, pd.Timestamp] = {}

    def add(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Take the next long rows and return the readings that are complete.

        Parameters
        ----------
        rows : DataFrame
            Columns asset_id, timestamp, _utc, _sensor, _value and any others, of which an instant's first is kept.

        Raises
        ------
        SourceError
            If most of them belong to instants that are past: the values of one instant do not stand together.
        """
        rows = rows if self._held is None else pd.concat([self._held, rows], ignore_index=True)
        times = rows["_utc"]
        other = np.flatnonzero((times != times.iloc[-1]).to_numpy()) if len(rows) else np.array([], dtype="int64")
        cut = int(other[-1]) + 1 if len(other) else 0  # more values of the last instant may come
        self._held = rows.iloc[cut:]
        return self._checked(widen(rows.iloc[:cut].reset_index(drop=True), self._sensors))

    def finish(self) -> pd.DataFrame | None:
        """Return the last instant; None if there is nothing left."""
        held, self._held = self._held, None
        return None if held is None or not len(held) else widen(held.reset_index(drop=True), self._sensors)

    def _checked(self, rows: pd.DataFrame) -> pd.DataFrame:
        past = rows["_utc"] <= rows["asset_id"].map(self._ends).astype("datetime64[us, UTC]")
        if len(rows) and past.mean() > 0.5:
            raise SourceError(
                f"{self._where}: the values of one instant do not stand together (most of {len(rows):,} readings "
                "from here on were there before). Set shuffled: true in the source: each file is then read whole "
                "and sorted."
            )
        for asset, end in rows.groupby("asset_id")["_utc"].max().items():
            self._ends[str(asset)] = max(end, self._ends.get(str(asset), end))
        return rows


def widen(rows: pd.DataFrame, sensors: list[str]) -> pd.DataFrame:
    """Turn long rows into one row an asset and instant, in the order in which instants first came.

    Rows without an asset or a time, or with a defect, stay alone, each a reading of its own.
    """
    if not len(rows):
        return rows.drop(columns=[NAME, VALUE]).assign(**{sensor: pd.Series(dtype="float64") for sensor in sensors})
    is_lost = rows["_utc"].isna() | rows["asset_id"].isna() | (rows["defect"] != "")
    alone = pd.Series(np.where(is_lost, np.arange(1, len(rows) + 1), 0), index=rows.index)
    instant = [rows["asset_id"], rows["_utc"], alone]
    turn = rows.groupby([*instant, rows[NAME]], dropna=False, sort=False).cumcount()
    group = rows.groupby([*instant, turn], dropna=False, sort=False).ngroup().to_numpy()
    _, first = np.unique(group, return_index=True)
    wide = rows.iloc[first].drop(columns=[NAME, VALUE]).reset_index(drop=True)
    for column in wide.columns.difference(["asset_id", "timestamp", "_utc", "_placed"]):
        # Columns that not every sensor's row has (the regime) are taken from the first row that has them.
        wide[column] = rows[column].groupby(group).first()
    values = rows[VALUE]
    for sensor in sensors:
        is_sensor = (rows[NAME] == sensor).to_numpy(dtype=bool)
        wide[sensor] = _spread(values[is_sensor], group[is_sensor], len(first))
    if (turn > 0).any():
        # A second value of one sensor is a second reading of the instant; the other sensors still have their values.
        wide[sensors] = wide.groupby([key.iloc[first].to_numpy() for key in instant], dropna=False)[sensors].ffill()
    return wide


def _spread(values: pd.Series[Any], places: Any, length: int) -> pd.Series[Any]:
    """Put values at their places; all others are missing. Text among them leaves other sensors' numbers alone."""
    if not pd.api.types.is_numeric_dtype(values.dtype):
        text = pd.Series([None if pd.isna(value) else str(value) for value in values], dtype="str")
        values, _ = numbers_or_text(text, ".")
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = np.full(length, np.nan)
        numbers[places] = values.to_numpy()
        return pd.Series(numbers)
    fields = np.full(length, None, dtype=object)
    fields[places] = values.to_numpy(dtype=object)
    return pd.Series(fields, dtype="str")
