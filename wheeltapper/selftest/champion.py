"""Inject faults into the newest normal readings, and determine which of them the live model finds."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from wheeltapper import tables
from wheeltapper.errors import DataError, NoChampionError
from wheeltapper.readings import exclude
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.live_model import live_bundle
from wheeltapper.selftest.examine import SelfTest, examine
from wheeltapper.selftest.twins import recent_twins
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.selftest")


@dataclass(frozen=True)
class Examined:
    """The self-test of the live model on the newest normal readings."""

    plant: str
    detector: str
    bundle: str
    start: str
    """Beginning of the first window that was tested."""
    until: str
    windows: int
    test: SelfTest

    @property
    def passed(self) -> bool:
        """True if no gate fails that would stop the model from going live."""
        return not self.test.failed_gates

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        fields = asdict(self) | {"passed": self.passed}
        fields["from"] = fields.pop("start")
        del fields["test"]
        return fields | self.test.model_dump(mode="json")


def examine_champion(space: Workspace) -> Examined:
    """Return the gates of the live model on the newest normal readings, and the smallest faults that it finds.

    Raises
    ------
    NoChampionError
        If nothing is live.
    DataError
        If the stored feature rows follow another plan than the champion's.
    """
    champion = live_bundle(space)
    if champion is None:
        raise NoChampionError(
            f"{space.plant.name} has no champion to test yet; train one: wheeltapper run {space.to_type}"
        )
    twins = recent_twins(space, champion.plan, _newest_normal(space, champion), None)
    test = examine(champion, twins, space.plant.alarms, space.plant.max_gap)
    for gate in test.failed_gates:
        _log.warning("%s: %s", gate.name, gate.reason)
    if not test.failed_gates:
        _log.info("%s passes every gate, self-test %.2f", champion.detector_name, test.mean)
    return Examined(
        plant=space.plant.name,
        detector=champion.detector_name,
        bundle=bundles.fingerprint(champion),
        start=str(twins.clean["window_start"].min()),
        until=str(twins.clean["window_end"].max()),
        windows=len(twins.clean),
        test=test,
    )


def _newest_normal(space: Workspace, champion: Bundle) -> pd.DataFrame:
    """Return the stored normal windows: outside faults, flagged sensors and open alarms."""
    names = ["asset_id", "window_end", "window_start", "regime", "usable", "why_not", "plan"]
    rows = space.store.read(tables.FEATURES, columns=names)
    other_plans = set(rows["plan"].unique()) - {champion.plan.hash, champion.whole}
    if rows.empty or other_plans:
        raise DataError(
            f"{space.plant.name}: the feature rows follow plan {sorted(other_plans) or 'none'}, the champion "
            f"{champion.plan.hash}. Train again: wheeltapper retrain {space.to_type}"
        )
    every_row = pd.Series("train", index=rows.index)
    flags = exclude.informative_flags(rows, every_row, space.store.read(tables.FLAGS)).flags
    alarms = space.store.read(tables.ALARMS)
    still_open = alarms[alarms["state"] == "open"]
    is_in_alarm = exclude.overlaps(rows, still_open.assign(start=still_open["opened_at"], end=still_open["last_at"]))
    faults, band = space.store.read(tables.FAULTS), space.plant.window_reach
    reason = exclude.why_masked(champion.plan.reaching(rows), faults, band, flags, lead=space.plant.lead)
    return rows[(reason == "") & ~is_in_alarm]
