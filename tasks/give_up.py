"""Give up old versions of the tables that nothing needs, where the settings say how long they stay."""

from __future__ import annotations

import logging
from datetime import datetime

from prefect import task

from tasks import DEFAULTS
from wheeltapper.decisions.versions_in_use import give_up_old
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.store")


@task(name="give up old versions", **DEFAULTS)
def give_up_old_versions(plant: str, now: datetime) -> int:
    """Delete the files that only old versions need; return how many there were."""
    space = Workspace.open(plant)
    deleted = give_up_old(space.store, space.settings.keep_versions, now)
    if deleted:
        _log.info("%d files of old versions deleted, as WHEELTAPPER_KEEP_VERSIONS says", len(deleted))
    return len(deleted)
