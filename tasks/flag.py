"""Look for sensors that do not measure and values that are unusual; readings stay as they are."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from typing import Any

import pandas as pd
from prefect import task

from tasks import DEFAULTS
from wheeltapper import faultpoints, tables
from wheeltapper.readings.health.flagging import HEALTH, WORDS, flag_readings, worst_first
from wheeltapper.readings.order import in_words
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.ingest")

AT_ONCE = 3_000_000
"""Readings in memory at once, about: assets are looked at in groups of this size."""

SHOWN = 3
"""Spans that are named on the terminal; the report has more."""


@task(name="flag readings", **DEFAULTS)
def flag_sensors(plant: str) -> dict[str, Any]:
    """Write the table of flags from all stored readings, and name the worst spans.

    What is usual for a sensor is learnt from its whole past, so all of it is read, whatever is new.
    """
    space = Workspace.open(plant)
    asset_type, kinds = space.plant.asset_type, space.plant.cleaning.flags
    readings = space.store.ref(tables.READINGS)
    columns = ["asset_id", "timestamp", "regime", *asset_type.measured]
    parts = [
        flag_readings(space.store.read(tables.READINGS, columns=columns, assets=assets), asset_type, kinds)
        for assets in _groups(space)
    ]
    flags = pd.concat(parts, ignore_index=True) if parts else tables.FLAGS.empty()
    faultpoints.hit("flag.before_write")
    # Readings may return to what they were before, so the name says what the rows follow; equal rows change nothing.
    settings = hashlib.sha256(f"{asset_type.model_dump_json()}|{kinds}".encode()).hexdigest()[:16]
    name = f"flags:{readings.digest}:{settings}:after {space.store.version(tables.FLAGS)}"
    ref = space.store.overwrite(tables.FLAGS, flags, txn=name)
    _tell(flags)
    return {"flags": ref.as_dict(), "flagged": {str(kind): int(n) for kind, n in flags["kind"].value_counts().items()}}


def _groups(space: Workspace) -> Iterator[list[str]]:
    """Yield the assets, some at a time."""
    counts = space.store.read(tables.READINGS, columns=["asset_id"])["asset_id"].value_counts().sort_index()
    group: list[str] = []
    rows = 0
    for asset, own in counts.items():
        if group and rows + own > AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(str(asset))
        rows += int(own)
    if group:
        yield group


def _tell(flags: pd.DataFrame) -> None:
    """Name the worst spans on the terminal, longest first."""
    health = worst_first(flags[flags["kind"].isin(HEALTH)])
    for one in health.head(SHOWN).itertuples():
        lasted = f" ({in_words(one.end - one.start)})" if one.end > one.start else ""
        until = f" to {one.end:%Y-%m-%d %H:%M}" if one.end > one.start else ""
        when = f"from {one.start:%Y-%m-%d %H:%M}{until}" if until else f"at {one.start:%Y-%m-%d %H:%M}"
        _log.info("  note: %s %s %s %s%s", one.asset_id, one.sensor, WORDS[str(one.kind)], when, lasted)
    if len(health) > SHOWN:
        _log.info("  note: %s more such spans are in the report", f"{len(health) - SHOWN:,}")
