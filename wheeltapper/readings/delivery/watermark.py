"""The watermark: from which instant on readings may be new."""

from __future__ import annotations

from datetime import datetime, timedelta

from wheeltapper import tables
from wheeltapper.workspace import Workspace

LATE = timedelta(days=1)
"""Readings that arrive up to this late are read by themselves; older ones with ``wheeltapper ingest --start``."""


def find_start(space: Workspace) -> datetime | None:
    """Return the newest timestamp, less `LATE`, of the asset that lies furthest behind; None if nothing is stored."""
    newest = space.store.newest(tables.READINGS)
    return min(newest.values()) - LATE if newest else None
