"""Flag sensors that do not measure and values that are unusual; readings are not changed."""

from __future__ import annotations

import logging

from prefect import task

from tasks import DEFAULTS
from wheeltapper.readings.health.table import Flagged, update_flags
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.ingest")


@task(name="flag readings", **DEFAULTS)
def flag_sensors(plant: str) -> Flagged:
    """Bring the table of flags up to the stored readings, and name the longest spans."""
    flagged = update_flags(Workspace.open(plant))
    for line in flagged.summary():
        _log.info("%s", line)
    return flagged
