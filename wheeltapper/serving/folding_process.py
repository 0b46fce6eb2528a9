"""The process that folds a plant's journal into its tables: started beside the service, and again whenever it ends."""

from __future__ import annotations

import logging
import subprocess
import threading
from types import TracebackType
from typing import Self

from wheeltapper.serving.live_plant import LivePlant
from wheeltapper.station import processes
from wheeltapper.station.parts import log_file

LOOK_SECONDS = 1.0
LONGEST_PAUSE = 60.0
"""Seconds to which the pause before another start grows."""
TROUBLE = "folding"

_log = logging.getLogger("wheeltapper.serving")


class FoldingProcess:
    """Runs the folding process of a plant while the block lasts; it ends with this process, however this one ends.

    Parameters
    ----------
    plant : LivePlant
        Its troubles name a folding process that has ended; readings are taken in all the same.
    """

    def __init__(self, plant: LivePlant) -> None:
        self._plant = plant
        self._log_file = log_file(plant.space.settings, f"fold-{plant.plant.name}")
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._watch_on, name=f"folding of {plant.plant.name}", daemon=True)

    def __enter__(self) -> Self:
        """Start it."""
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._over.set()
        self._watch.join()

    def _watch_on(self) -> None:
        process, pause = self._start(), LOOK_SECONDS
        while not self._over.wait(LOOK_SECONDS):
            code = process.poll()
            if code is None:
                self._plant.troubles.pop(TROUBLE, None)
                continue
            what = f"the process that brings readings into the tables has ended with code {code}; see {self._log_file}"
            self._plant.troubles[TROUBLE] = what
            _log.warning("%s: %s; starting it again in %.0f s", self._plant.plant.name, what, pause)
            if self._over.wait(pause):
                break
            process, pause = self._start(), min(2 * pause, LONGEST_PAUSE)
        processes.stop(process)

    def _start(self) -> subprocess.Popen[bytes]:
        space = self._plant.space
        command = ("wheeltapper.cli", "fold", space.typed or space.plant.name)
        return processes.start(command, self._log_file, dies_with_us=True)
