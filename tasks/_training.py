"""What every candidate of one training run is given: the same rows, parts and faults, read once."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from wheeltapper import tables
from wheeltapper.decisions.feedback import first_heard_of, in_force, order_of_champions, settle_faults
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings import exclude
from wheeltapper.store import Ref
from wheeltapper.training import parts, withheld
from wheeltapper.training.preparation import MIN_TRAIN_ROWS, Preparation, guard, prepare
from wheeltapper.workspace import Workspace

LEARNT_FROM = {
    "readings": tables.READINGS,
    "features": tables.FEATURES,
    "faults": tables.FAULTS,
    "flags": tables.FLAGS,
    "withheld": tables.WITHHELD,
}
"""What a training is made from: everything that can change what is learnt."""

_TIMES = ["asset_id", "timestamp", "origin"]


@dataclass(frozen=True)
class TrainingTable:
    """The feature rows of a run with the part of each, and the truth about faults."""

    features: pd.DataFrame
    """What is withheld from learning is not usable here, with the reason."""
    part: pd.Series
    faults: pd.DataFrame
    cuts: pd.DataFrame
    flags: pd.DataFrame = field(default_factory=tables.FLAGS.empty)
    """Spans in which a sensor does not measure, without sensors that always do so."""
    learnt: dict[str, dict[str, int]] = field(default_factory=dict)
    """Part → reason → windows: how many are learnt from, and why the others are not."""
    in_doubt: frozenset[str] = frozenset()
    """Assets whose validate part begins inside an alarm that nobody has judged."""

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
    known = {name: Ref.from_dict(refs[name]) for name in LEARNT_FROM}
    digests = [ref.digest for ref in known.values()]
    key = (str(space.settings.store), space.plant.name, *digests, space.decides_by)
    with _lock:
        if key not in _last:
            _last.clear()
            _ready.clear()
            _last[key] = _read(space, {name: ref.version for name, ref in known.items()})
        return _last[key]


def prepared(space: Workspace, table: TrainingTable) -> Preparation:
    """Settle once what all candidates of a run are fitted on: one imputer, one normaliser, one copy of the rows."""
    with _lock:
        if not _ready or _ready[0][0] is not table:
            _ready[:] = [(table, prepare(space.plant, table.features, table.part, table.faults, table.flags))]
            _note(_ready[0][1])
        return _ready[0][1]


_ready: list[tuple[TrainingTable, Preparation]] = []


def _note(ready: Preparation) -> None:
    if ready.selection:
        _log.info("  note: %s", ready.selection)
    _log.debug("%d features are learnt from, %d windows", len(ready.plan.columns), len(ready.train))


def _read(space: Workspace, version: dict[str, int]) -> TrainingTable:
    rows = space.store.read(tables.FEATURES, version=version["features"])
    times = space.store.read(tables.READINGS, version=version["readings"], columns=_TIMES)
    known = space.store.read(tables.FAULTS, version=version["faults"])
    kept_back = space.store.read(tables.WITHHELD, version=version["withheld"])
    cuts = parts.cuts(times, space.plant, withheld.normal_from(kept_back))
    part = parts.assign(rows, cuts)
    plan, band, lead = FeaturePlan.of(space.plant), guard(space.plant), space.plant.lead
    reaching = plan.reaching(rows)
    usable = exclude.withhold(rows, reaching, exclude.why_masked(reaching, known, band, lead=lead), kept_back)
    told = exclude.informative_flags(usable, part, space.store.read(tables.FLAGS, version=version["flags"]))
    reason = exclude.why_masked(plan.reaching(usable), known, band, told.flags, lead=lead)
    remarks = exclude.require_not_starved(rows, part, reason, MIN_TRAIN_ROWS)
    for note in [*remarks[:3], *told.notes[:3]]:
        _log.info("  note: %s", note)
    in_doubt = withheld.in_doubt(kept_back, cuts["validate_from"])
    return TrainingTable(usable, part, known, cuts, told.flags, exclude.tally(reason, part), in_doubt)


def withhold(space: Workspace) -> Ref:
    """Write down what the next training may not learn from; return the table as it is now.

    Alarms on windows that would not be learnt from anyway are left out: scoring writes them after each training, and
    they must not make the same training another one.
    """
    store = space.store
    settle_faults(store)
    decided, champions = in_force(store), order_of_champions(store)
    alarms = store.read(tables.ALARMS)
    alarms = alarms[alarms["bundle"].isin(champions)]
    found = tables.WITHHELD.empty()
    if len(alarms) or decided:
        scores = store.read(tables.SCORES, columns=[*tables.SCORES.key, "role"])
        reached = withheld.reach(scores[scores["role"] == "champion"], champions)
        found = withheld.withheld(alarms, reached, decided, first_heard_of(store), space.plant)
        times = store.read(tables.READINGS, columns=_TIMES)
        found = withheld.before_learning(
            found, parts.cuts(times, space.plant, withheld.normal_from(found))["validate_from"]
        )
    content = hashlib.sha256(found.to_json(orient="records", date_format="iso", date_unit="us").encode()).hexdigest()
    after = store.version(tables.WITHHELD)
    return store.overwrite(tables.WITHHELD, found, txn=f"withheld:{content[:16]}:after {after}")
