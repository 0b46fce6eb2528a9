"""The rows that earlier deliveries of a run have stored, so that a later one neither overwrites nor repeats them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import tables
from wheeltapper.readings.delivery.fingerprints import row_hashes

_SAME_ROW = ["origin", "timestamp", "content", "expectation", "reason"]
"""Columns of the quarantine that tell whether two rows are the same one."""

QUARANTINE_COLUMNS = ["batch_id", *_SAME_ROW]
"""Columns that `EarlierDeliveries.repeat_rejected` needs of the stored quarantine."""


@dataclass
class EarlierDeliveries:
    """Keys of the readings, and hashes of the rows put aside, that this run has stored so far."""

    _keys: list[NDArray[np.uint64]] = field(default_factory=list)
    _spans: list[pd.DataFrame] = field(default_factory=list)
    _batches: set[str] = field(default_factory=set)
    _rejected: Counter[int] = field(default_factory=Counter)
    """Hash of a row that was put aside → how often it arrived, for the file that was read last."""
    _origin: str = ""
    """That file."""

    def remember(self, readings: pd.DataFrame) -> None:
        """Remember the keys of readings that were kept."""
        self._keys.append(row_hashes(readings[list(tables.READINGS.key)]))
        self._spans.append(asset_spans(readings))

    def contain(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which rows have the key of a reading of an earlier delivery, shape (n_rows,)."""
        is_repeated = np.zeros(len(rows), dtype=bool)
        if self._spans:
            ends = rows["asset_id"].map(pd.concat(self._spans).groupby(level=0)["max"].max())
            inside = (rows["timestamp"] <= ends).to_numpy(dtype=bool)  # most rows are newer: nothing to look up
            if inside.any():
                keys = row_hashes(rows.loc[inside, list(tables.READINGS.key)])
                is_repeated[inside] = np.isin(keys, np.concatenate(self._keys))
        return is_repeated

    def repeat_rejected(self, rejected: pd.DataFrame, quarantine: pd.DataFrame, goes_on: str) -> NDArray[np.bool_]:
        """Return which rejected rows another run has put aside already: one of other days, or of a shorter file.

        Two equal rows of a file are two rows: at most as many count as repeated as the other run has put aside.

        Parameters
        ----------
        rejected : DataFrame
            Rows of one delivery, with the columns of the quarantine. They are remembered.
        quarantine : DataFrame
            Stored rows of the same days, with at least the columns `QUARANTINE_COLUMNS`.
        goes_on : str
            The delivery's last file: more of it may come in the next one.
        """
        self._batches |= set(rejected["batch_id"])
        hashes = pd.Series(row_hashes(rejected[_SAME_ROW]))
        is_of_another_run = ~quarantine["batch_id"].isin(self._batches)
        stored = pd.Series(row_hashes(quarantine.loc[is_of_another_run, _SAME_ROW])).value_counts()
        place = hashes.groupby(hashes).cumcount() + hashes.map(self._rejected).fillna(0)
        if goes_on != self._origin:
            self._origin, self._rejected = goes_on, Counter()
        self._rejected.update(hashes[(rejected["origin"] == goes_on).to_numpy()].tolist())
        return (place < hashes.map(stored).fillna(0)).to_numpy(dtype=bool)


def asset_spans(readings: pd.DataFrame) -> pd.DataFrame:
    """Return each asset's first and last timestamp as columns min and max."""
    return readings.groupby("asset_id")["timestamp"].agg(["min", "max"])
