"""Put known faults into today's readings, and ask whether the champion hears them."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
from prefect import task

from tasks import DEFAULTS, _selftest
from tasks.judge import live_bundle
from wheeltapper import tables
from wheeltapper.errors import DataError, NoChampionError
from wheeltapper.readings import exclude
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.training.candidate import guard
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.selftest")


@task(name="examine champion", **DEFAULTS)
def examine_champion(plant: str) -> dict[str, Any]:
    """Return the gates of the live champion on the newest normal readings, and the smallest faults that it finds."""
    space = Workspace.open(plant)
    champion = live_bundle(space)
    if champion is None:
        raise NoChampionError(
            f"{space.plant.name} has no champion to test yet; train one: wheeltapper run {space.to_type}"
        )
    normal = _newest_normal(space, champion)
    twins = _selftest.recent_twins(space, champion.plan, normal, None)
    tested = _selftest.examine(champion, twins, space.plant.alarms, space.plant.max_gap)
    failed = [gate for gate in _selftest.gates_of(tested) if gate.blocks and gate.passed is False]
    for gate in failed:
        _log.warning("%s: %s", gate.name, gate.reason)
    if not failed:
        _log.info("%s passes every gate, self-test %.2f", champion.detector_name, tested["mean"])
    return {
        "plant": space.plant.name,
        "detector": champion.detector_name,
        "bundle": bundles.fingerprint(champion),
        "from": str(twins.clean["window_start"].min()),
        "until": str(twins.clean["window_end"].max()),
        "windows": len(twins.clean),
        "passed": not failed,
        **tested,
    }


def _newest_normal(space: Workspace, champion: Bundle) -> pd.DataFrame:
    """Return the normal windows that are stored: outside faults, broken sensors and alarms that are still open."""
    names = ["asset_id", "window_end", "window_start", "regime", "usable", "why_not", "plan"]
    rows = space.store.read(tables.FEATURES, columns=names)
    others = set(rows["plan"].unique()) - {champion.plan.hash, champion.whole}
    if rows.empty or others:
        raise DataError(
            f"{space.plant.name}: the feature rows follow plan {sorted(others) or 'none'}, the champion "
            f"{champion.plan.hash}. Train again: wheeltapper retrain {space.to_type}"
        )
    every_row = pd.Series("train", index=rows.index)
    flags = exclude.informative_flags(rows, every_row, space.store.read(tables.FLAGS)).flags
    alarms = space.store.read(tables.ALARMS)
    ringing = alarms[alarms["state"] == "open"]
    is_ringing = exclude.overlaps(rows, ringing.assign(start=ringing["opened_at"], end=ringing["last_at"]))
    faults, band = space.store.read(tables.FAULTS), guard(space.plant)
    reason = exclude.why_masked(champion.plan.reaching(rows), faults, band, flags, lead=space.plant.lead)
    return rows[(reason == "") & ~is_ringing]
