"""Find the instant from which on readings may be new."""

from __future__ import annotations

import logging
from datetime import datetime

from prefect import task

from tasks import DEFAULTS
from wheeltapper.readings.delivery import watermark
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.watch")


@task(name="find start", **DEFAULTS)
def find_start(plant: str) -> datetime | None:
    """Return the end of the stored readings, minus one day; None if nothing is stored."""
    start = watermark.find_start(Workspace.open(plant))
    if start is not None:
        _log.debug("readings since %s", f"{start:%Y-%m-%d %H:%M}")
    return start
