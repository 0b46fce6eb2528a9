"""What every candidate of one training run is given: the same rows, parts and faults, read once."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from wheeltapper import tables
from wheeltapper.features import mask, parts
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.store import Ref
from wheeltapper.workspace import Workspace


@dataclass(frozen=True)
class TrainingTable:
    """The feature rows of a run with the part of each, and the truth about faults."""

    features: pd.DataFrame
    part: pd.Series
    faults: pd.DataFrame
    cuts: pd.DataFrame
    flags: pd.DataFrame = field(default_factory=tables.FLAGS.empty)
    """Spans in which a sensor does not measure, without sensors that always do so."""

    def rows(self, name: str) -> pd.DataFrame:
        """Return the feature rows of one part."""
        return self.features[self.part == name]

    def last_seen(self) -> pd.Series:
        """Return each asset's newest window."""
        return self.features.groupby("asset_id")["window_end"].max()


_log = logging.getLogger("wheeltapper.train")
_lock = threading.Lock()
_last: dict[tuple[str, ...], TrainingTable] = {}


def training_table(space: Workspace, refs: dict[str, Any]) -> TrainingTable:
    """Read the tables of a run at exactly the versions it was opened with.

    Candidates train in threads of one process: the first reads, the others share what it read.
    """
    features, readings, faults, flags = (
        Ref.from_dict(refs[name]) for name in ("features", "readings", "faults", "flags")
    )
    key = (
        str(space.settings.store),
        space.plant.name,
        features.digest,
        readings.digest,
        faults.digest,
        flags.digest,
        space.decides_by,
    )
    with _lock:
        if key not in _last:
            _last.clear()
            _last[key] = _read(space, features, readings, faults, flags)
        return _last[key]


def _read(space: Workspace, features: Ref, readings: Ref, faults: Ref, flags: Ref) -> TrainingTable:
    rows = space.store.read(tables.FEATURES, version=features.version)
    times = space.store.read(tables.READINGS, version=readings.version, columns=["asset_id", "timestamp", "origin"])
    known = space.store.read(tables.FAULTS, version=faults.version)
    cuts = parts.cuts(times, space.plant)
    part = parts.assign(FeaturePlan.of(space.plant).reaching(rows), cuts)
    told = mask.telling(rows, part, space.store.read(tables.FLAGS, version=flags.version))
    for note in told.notes[:3]:
        _log.info("  note: %s", note)
    return TrainingTable(rows, part, known, cuts, told.flags)
