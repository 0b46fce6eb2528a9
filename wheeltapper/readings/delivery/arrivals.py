"""Arrivals: of several readings of one instant the one that arrived last stays, and each that it replaced is kept.

Readings arrive in the order of their delivery: line by line in a file, file by file in a delivery, delivery by
delivery. Which readings stay depends on that order alone, not on how it was cut into deliveries. What has arrived
before arrives again whenever a source is read again; that changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import tables
from wheeltapper.readings.delivery.fingerprints import row_hashes
from wheeltapper.readings.delivery.stored import stored_readings, stored_rows
from wheeltapper.readings.order import KEY, in_time
from wheeltapper.readings.plain_values import write_content
from wheeltapper.store import Store

Flags = NDArray[np.bool_]

_FIXED = [*tables.READINGS.names(), "row"]


@dataclass(frozen=True)
class Settled:
    """The readings that stay, and those that they replace."""

    readings: pd.DataFrame
    """New readings, and those that differ from the stored one: rows of `tables.READINGS` with the column row."""
    corrections: pd.DataFrame
    """The readings that were replaced, stored ones and others of this delivery: rows of `tables.CORRECTIONS`."""
    replaced_keys: pd.DataFrame
    """Asset and time of the stored readings that are replaced."""
    repeated: int
    """Readings of the delivery that repeat the one before them with equal values."""


def settle(store: Store, arrivals: pd.DataFrame, withdrawn: pd.DataFrame | None, now: datetime) -> Settled:
    """Find out which readings stay, given what is stored.

    Parameters
    ----------
    store : Store
    arrivals : DataFrame
        Readings that may be kept, in the order of their arrival, with batch_id, origin and row.
    withdrawn : DataFrame or None
        Asset and time of stored readings that this delivery deletes.
    now : datetime with a time zone
        When they arrive.
    """
    arrivals = arrivals.assign(ingested_at=pd.Timestamp(now).as_unit("us"))
    stored = stored_readings(store, arrivals[KEY])
    if withdrawn is not None:
        stored = stored[~_keys(stored).isin(_keys(withdrawn))]
    if len(stored) and _sensors(stored) != _sensors(arrivals):
        stored = stored.head(0)  # the store refuses readings of other sensors with an error
    is_contested = (arrivals.duplicated(KEY, keep=False) | _keys(arrivals).isin(_keys(stored))).to_numpy()
    if not is_contested.any():
        nothing = tables.CORRECTIONS.empty()
        return Settled(in_time(arrivals), nothing, nothing[KEY], 0)
    contest = _Contest.of(stored, arrivals[is_contested])
    corrections = stored_rows(store, tables.CORRECTIONS, contest.disputed_keys())
    return contest.decide(corrections, arrivals[~is_contested], pd.Timestamp(now))


def without_stored(store: Store, arrivals: pd.DataFrame) -> pd.DataFrame:
    """Leave out the arrivals that are stored with the same values.

    Where several arrivals of the delivery share their asset and time, all of them stay.

    Parameters
    ----------
    store : Store
    arrivals : DataFrame
        Cleaned readings in the order of their arrival; may have further columns with delivered values.
    """
    stored = stored_readings(store, arrivals[KEY])
    sensors = [name for name in _sensors(stored) if name in arrivals]
    if stored.empty or len(sensors) < len(_sensors(stored)):
        return arrivals
    columns = [*KEY, "regime", *sensors]
    is_single = ~arrivals.duplicated(KEY, keep=False).to_numpy()
    values = pd.Series(_hash_values(stored[columns]), index=_keys(stored))
    stored_hashes = values.reindex(_keys(arrivals), fill_value=0).to_numpy()
    is_same = _keys(arrivals).isin(_keys(stored)) & (stored_hashes == _hash_values(arrivals[columns]))
    unknown: pd.DataFrame = arrivals[~(is_same & is_single)].reset_index(drop=True)
    return unknown


@dataclass(frozen=True)
class _Contest:
    """Stored readings and arrivals that share their asset and time, each instant in the order of arrival."""

    rows: pd.DataFrame
    """With the columns is_stored, arrival (hash of origin and values) and value (hash of the values)."""

    @classmethod
    def of(cls, stored: pd.DataFrame, arrivals: pd.DataFrame) -> _Contest:
        """Put arrivals behind the stored readings that they meet."""
        before, after = stored.assign(row=-1, is_stored=True), arrivals.assign(is_stored=False)
        merged = pd.concat([before, after], ignore_index=True) if len(before) else after
        merged = merged.sort_values(KEY, kind="stable", ignore_index=True)
        merged["value"] = _hash_values(merged)
        merged["arrival"] = row_hashes(merged[["origin", "value"]])
        return cls(merged)

    def disputed_keys(self) -> pd.DataFrame:
        """Return asset and time of the instants for which different values are known."""
        keys = self.rows[KEY]
        is_same = (self.rows["value"] == self.rows["value"].shift()) & ~self._is_first()
        return keys[~is_same & ~self._is_first()].drop_duplicates()

    def decide(self, earlier_corrections: pd.DataFrame, uncontested: pd.DataFrame, now: pd.Timestamp) -> Settled:
        """Let the last arrival of each instant stay; ``earlier_corrections`` are those of earlier deliveries."""
        rows = self.rows[~self._were_replaced_before(earlier_corrections)]
        is_repeated = ~_begins(rows) & (rows["value"] == rows["value"].shift()).to_numpy()
        repeats_arrival = is_repeated & ~rows["is_stored"].shift(fill_value=True).to_numpy(dtype=bool)
        rows = rows[~is_repeated].reset_index(drop=True)
        is_last = ~rows.duplicated(KEY, keep="last").to_numpy()
        replaced = rows[~is_last].assign(
            by_origin=rows["origin"].shift(-1)[~is_last], by_batch=rows["batch_id"].shift(-1)[~is_last]
        )
        is_stored = replaced["is_stored"].to_numpy(dtype=bool)
        is_known = _identities(replaced).isin(_identities(earlier_corrections)) & ~is_stored
        stay = rows[is_last & ~rows["is_stored"].to_numpy(dtype=bool)].drop(columns=["is_stored", "value", "arrival"])
        return Settled(
            in_time(pd.concat([uncontested, stay], ignore_index=True) if len(uncontested) else stay),
            _as_corrections(replaced[~is_known], now),
            replaced.loc[is_stored, KEY],
            int(repeats_arrival.sum()),
        )

    def _is_first(self) -> pd.Series[bool]:
        return pd.Series(_begins(self.rows), index=self.rows.index)

    def _were_replaced_before(self, earlier_corrections: pd.DataFrame) -> Flags:
        """Return which arrivals came before and were replaced then, so that they change nothing now.

        An arrival that was replaced may come again because its origin returns to that value. It then counts, but not
        if a later value of its origin is in the same delivery, nor if a reading of another origin had replaced it.
        """
        rows = self.rows
        begins = _begins(rows)
        at_first = np.flatnonzero(begins)[begins.cumsum() - 1]
        meets_stored = rows["is_stored"].to_numpy(dtype=bool)[at_first]
        is_of_other = rows["origin"].to_numpy()[at_first] != rows["origin"].to_numpy()
        is_followed_by_origin = rows.duplicated([*KEY, "origin"], keep="last").to_numpy()
        entries = earlier_corrections.assign(arrival=earlier_corrections["arrival"].map(_from_text).astype("uint64"))
        entries["within_a_run"] = entries["arrived_at"] == entries["replaced_at"]
        columns = [*KEY, "arrival", "by_origin", "batch_id", "within_a_run"]
        pairs = rows.assign(place=range(len(rows)))[[*KEY, "arrival", "origin", "batch_id", "place"]].merge(
            entries[columns], on=[*KEY, "arrival"], suffixes=("", "_known")
        )
        places = pairs["place"].to_numpy()
        by_other = is_of_other[places] & (pairs["by_origin"] != pairs["origin"]).to_numpy(dtype=bool)
        in_pieces = (pairs["within_a_run"] & (pairs["batch_id"] == pairs["batch_id_known"])).to_numpy(dtype=bool)
        is_replaced = np.zeros(len(rows), dtype=bool)
        is_replaced[places[is_followed_by_origin[places] | by_other | in_pieces]] = True
        is_replaced &= meets_stored & ~rows["is_stored"].to_numpy(dtype=bool)
        return is_replaced


def _begins(rows: pd.DataFrame) -> Flags:
    """Return which rows are the first of their asset and time; rows of one instant follow each other."""
    return ~rows.duplicated(KEY).to_numpy()


def _keys(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[KEY])


def _identities(rows: pd.DataFrame) -> pd.MultiIndex:
    """Return asset, time and hash of arrivals, whether the hash is a number or its text."""
    arrival = rows["arrival"]
    texts = arrival if len(rows) and isinstance(arrival.iloc[0], str) else arrival.map(_as_text)
    return pd.MultiIndex.from_arrays([rows["asset_id"], rows["timestamp"], texts.astype("str")])


def _sensors(rows: pd.DataFrame) -> list[str]:
    return sorted(str(name) for name in rows if name not in (*_FIXED, "is_stored", "value", "arrival"))


def _hash_values(rows: pd.DataFrame) -> NDArray[np.uint64]:
    """Return a number for operating state and values of each row; equal values (0.0 and −0.0) give equal numbers."""
    values = rows[_sensors(rows)].astype("float64") + 0.0
    return row_hashes(values.assign(regime=rows["regime"]))


def _as_corrections(replaced: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Write replaced readings as rows of the table of corrections."""
    sensors = [name for name in _sensors(replaced) if name not in ("by_origin", "by_batch")]
    rows = replaced[[*KEY, "regime", "origin", "batch_id", "by_origin", "by_batch"]].assign(
        arrived_at=replaced["ingested_at"],
        arrival=replaced["arrival"].map(_as_text).astype("str"),
        replaced_at=now,
        content=write_content(replaced[sensors]).to_numpy(),
    )
    return tables.CORRECTIONS.check(rows.drop_duplicates(list(tables.CORRECTIONS.key), keep="last"))


def _as_text(number: Any) -> str:
    return f"{int(number):016x}"


def _from_text(text: str) -> int:
    return int(text, 16)
