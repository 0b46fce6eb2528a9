"""Find out from when on readings may be new."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from prefect import task

from tasks import DEFAULTS
from wheeltapper import tables
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.watch")

LATE = timedelta(days=1)
"""Readings that arrive up to this late are taken in by themselves; older ones with ``wheeltapper ingest --start``."""


@task(name="find start", **DEFAULTS)
def find_start(plant: str) -> datetime | None:
    """Return the time of the newest reading less a day, of the asset that lies furthest behind; None if all is new."""
    space = Workspace.open(plant)
    if space.store.version(tables.READINGS) is None:
        return None
    times = space.store.read(tables.READINGS, columns=["asset_id", "timestamp"])
    if times.empty:
        return None
    start: datetime = (times.groupby("asset_id")["timestamp"].max().min() - LATE).to_pydatetime()
    _log.debug("what is new since %s", f"{start:%Y-%m-%d %H:%M}")
    return start
