"""Folding: a process beside the service brings what came in into the tables, again and again.

Checking a delivery takes packages of some hundred megabytes, which the service does without.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

from wheeltapper.errors import WheeltapperError
from wheeltapper.serving.fold import Checks, fold
from wheeltapper.workspace import Workspace

PAUSE = 5.0
"""Seconds between two folds: fewer commits, larger files."""
LONGEST_PAUSE = 60.0
"""Seconds to which the pause grows after failures."""

_log = logging.getLogger("wheeltapper.fold")


def fold_on(space: Workspace, checks: Checks, clock: Callable[[], datetime], pause: float = PAUSE) -> None:
    """Fold until this process is ended; a failure is logged, and folding is tried again."""
    mark, wait = -1, pause
    while True:
        began = time.monotonic()
        try:
            reached = fold(space, checks, clock())
            if reached != mark:
                _log.info("entries up to %d are in the tables, %.1f s", reached, time.monotonic() - began)
            mark, wait = reached, pause
        except WheeltapperError as error:
            wait = min(2 * wait, LONGEST_PAUSE)
            _log.error("%s: %s; trying again in %.0f s", space.plant.name, error, wait)
        time.sleep(wait)
