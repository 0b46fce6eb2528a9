"""Faults that a source names: stored with the readings, and deleted where the source has corrected them away."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from wheeltapper import tables
from wheeltapper.readings.delivery.batches import Delivery
from wheeltapper.readings.delivery.earlier import asset_spans
from wheeltapper.readings.delivery.fingerprints import digest
from wheeltapper.store import Store

PERSON = "person"
"""Origin of faults that a person has confirmed: no source deletes them."""


@dataclass
class DeliveredFaults:
    """The faults that a source names, and the span of each asset's readings that it has delivered."""

    _faults: list[pd.DataFrame] = field(default_factory=list)
    _spans: list[pd.DataFrame] = field(default_factory=list)

    def add(self, delivery: Delivery) -> None:
        """Add one delivery."""
        self._faults += [faults for faults in delivery.faults if len(faults)]
        self._spans += [asset_spans(readings) for readings in delivery.readings]

    @property
    def has_readings(self) -> bool:
        """Tell whether any reading was delivered."""
        return any(len(spans) for spans in self._spans)

    def faults(self) -> pd.DataFrame:
        """Return all faults; one that was cut between two batches is whole in the later one."""
        if not self._faults:
            return tables.FAULTS.empty()
        faults = pd.concat(self._faults, ignore_index=True)
        return faults.drop_duplicates(list(tables.FAULTS.key), keep="last")

    def spans(self) -> pd.DataFrame:
        """Return each asset's first and last timestamp as columns min and max."""
        return pd.concat(self._spans).groupby(level=0).agg({"min": "min", "max": "max"})

    def store(self, store: Store) -> None:
        """Write the faults; delete stored ones of the same time that the source no longer names."""
        faults = tables.FAULTS.check(self.faults())
        corrected = self._corrected_away(store.read(tables.FAULTS), faults)
        content = digest(faults.to_json(orient="records", date_format="iso", double_precision=15))
        name = f"faults:{content}:after {store.version(tables.FAULTS)}"
        store.upsert(tables.FAULTS, faults, txn=name, drop=corrected if len(corrected) else None)

    def _corrected_away(self, stored: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
        """Return the keys of stored faults that touch the delivered time and that the source does not name."""
        span = self.spans().reindex(stored["asset_id"])
        touched = (stored["start"].array <= span["max"].array) & (stored["end"].array >= span["min"].array)
        replaceable = stored[np.asarray(touched, dtype=bool) & (stored["origin"] != PERSON).to_numpy()]
        return tables.FAULTS.lost_keys(replaceable, faults)
