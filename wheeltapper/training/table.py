"""The training table: feature rows with the part of each, known faults, and withheld time.

It is read at exactly the table versions that the training was opened with, so that the same training always uses the
same rows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pandas as pd

from wheeltapper import tables
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings import exclude
from wheeltapper.store import Ref
from wheeltapper.training import parts, withheld
from wheeltapper.training.preparation import MIN_TRAIN_ROWS
from wheeltapper.training.rows import FeatureRows, StoredRows, open_rows, with_windows
from wheeltapper.workspace import Workspace

LEARNT_FROM = {
    "readings": tables.READINGS,
    "features": tables.FEATURES,
    "faults": tables.FAULTS,
    "flags": tables.FLAGS,
    "withheld": tables.WITHHELD,
}
"""Every table that the training data depends on."""

MOST_REMARKS = 3
"""Remarks of one kind that are logged; more of them say the same of further assets."""

_log = logging.getLogger("wheeltapper.train")


@dataclass(frozen=True)
class TrainingTable:
    """The feature rows of a training with the part of each, and the known faults."""

    every: FeatureRows
    """Rows that are withheld from training are not usable here; ``why_not`` has the reason."""
    part: pd.Series
    """train, calibrate, validate, test or purged; one for each row."""
    faults: pd.DataFrame
    cuts: pd.DataFrame
    """Beginning of each asset's parts, see `parts.cuts`."""
    flags: pd.DataFrame = field(default_factory=tables.FLAGS.empty)
    """Spans in which a sensor does not measure, without sensors that always do so."""
    learnt: dict[str, dict[str, int]] = field(default_factory=dict)
    """Part → reason → windows: the number trained on, and the numbers left out by reason."""
    in_doubt: frozenset[str] = frozenset()
    """Assets whose validate part begins inside an alarm that is not judged."""

    @property
    def windows(self) -> pd.DataFrame:
        """All rows; their features may be missing."""
        return self.every.windows

    @property
    def features(self) -> pd.DataFrame:
        """All rows with all features, which a long table needs much memory for."""
        return self.every.read()

    def of(self, part: str) -> FeatureRows:
        """Return the feature rows of one part."""
        return self.every.where(self.part == part)

    def rows(self, part: str) -> pd.DataFrame:
        """Return the feature rows of one part at once."""
        return self.of(part).read()

    def last_seen(self) -> pd.Series:
        """Return the end of each asset's newest window."""
        return self.windows.groupby("asset_id")["window_end"].max()


def read(space: Workspace, refs: Mapping[str, Ref], embargo: timedelta) -> TrainingTable:
    """Read the tables of a training at the versions that it was opened with.

    Parameters
    ----------
    refs : mapping
        Name in `LEARNT_FROM` → the table and its version.
    embargo : timedelta
        Windows that end less than this before a cut belong to no part: their labels depend on readings beyond it.

    Raises
    ------
    DataError
        If too few windows of an asset are left to train on.
    """
    stored = {name: space.store.read(LEARNT_FROM[name], version=refs[name].version) for name in _WHOLE}
    plan, band, lead = FeaturePlan.of(space.plant), space.plant.window_reach, space.plant.lead
    every = open_rows(space.store, refs["features"].version, len(plan.columns))
    rows, faults = every.windows, stored["faults"]
    cuts = _cuts(space, refs["readings"], stored["withheld"])
    every.give_back()
    part = parts.assign(rows, cuts, embargo)
    if isinstance(every, StoredRows):
        part = part.astype("category")  # ten million names of five parts take as much memory as the times
    reaching = plan.reaching(rows)
    masked = exclude.why_masked(reaching, faults, band, lead=lead)
    usable = exclude.withhold(rows, reaching, masked, stored["withheld"])
    flagged = exclude.informative_flags(usable, part, stored["flags"])
    reason = exclude.why_masked(plan.reaching(usable), faults, band, flagged.flags, lead=lead)
    starved = exclude.require_not_starved(rows, part, reason, MIN_TRAIN_ROWS)
    for remark in [*starved[:MOST_REMARKS], *flagged.notes[:MOST_REMARKS]]:
        _log.info("  note: %s", remark)
    in_doubt = withheld.in_doubt(stored["withheld"], cuts["validate_from"])
    every.give_back()
    return TrainingTable(
        with_windows(every, usable), part, faults, cuts, flagged.flags, exclude.tally(reason, part), in_doubt
    )


def _cuts(space: Workspace, readings: Ref, spans: pd.DataFrame) -> pd.DataFrame:
    """Return where each asset's parts begin; the times of all readings are in memory only for this."""
    times = space.store.read(tables.READINGS, version=readings.version, columns=parts.needed(space.plant))
    return parts.cuts(times, space.plant, withheld.normal_from(spans))


_WHOLE = ("faults", "flags", "withheld")
"""Tables that are read with all their columns."""
