"""Inject faults into the newest readings, and determine which of them the champion finds."""

from __future__ import annotations

from prefect import task

from tasks import DEFAULTS
from wheeltapper.selftest import champion
from wheeltapper.selftest.champion import Examined
from wheeltapper.workspace import Workspace


@task(name="examine champion", **DEFAULTS)
def examine_champion(plant: str) -> Examined:
    """Return the gates of the live champion on the newest normal readings, and the smallest faults that it finds."""
    return champion.examine_champion(Workspace.open(plant))
