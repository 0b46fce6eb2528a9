"""The watermark: from which instant on readings may be new."""

from __future__ import annotations

from datetime import datetime, timedelta

from wheeltapper import tables
from wheeltapper.workspace import Workspace

LATE = timedelta(days=1)
"""Readings that arrive up to this late are read by themselves; older ones with ``wheeltapper ingest --start``."""


def find_start(space: Workspace, now: datetime | None = None) -> datetime | None:
    """Return the newest timestamp, less `LATE`, of the asset that lies furthest behind; None if nothing is stored.

    A clock that runs ahead does not hide what is new: no timestamp counts as later than ``now``.
    """
    newest = space.store.newest(tables.READINGS)
    if not newest:
        return None
    furthest_behind = min(newest.values())
    return (furthest_behind if now is None else min(furthest_behind, now)) - LATE
