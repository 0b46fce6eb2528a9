"""The server: uvicorn with the service, and beside it one folding process for each plant."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import uvicorn

from wheeltapper.serving.app import create_app
from wheeltapper.serving.live_plant import LivePlant
from wheeltapper.station import processes
from wheeltapper.station.parts import log_file
from wheeltapper.workspace import Workspace

DRAIN_SECONDS = 10
"""How long requests in progress may take after SIGTERM."""


def serve_plants(spaces: Sequence[Workspace], *, host: str, port: int, announce: Callable[[str], object]) -> None:
    """Serve plants until the process is ended.

    Parameters
    ----------
    spaces : sequence of Workspace
    host, port : where to listen
    announce : callable
        Shows a line to the person at the terminal.

    Raises
    ------
    NoChampionError
        If nothing is live for one of the plants.
    JournalError
        If another process serves one of them.
    """
    plants = {space.plant.name: _opened(space, announce) for space in spaces}
    with contextlib.ExitStack() as beside:
        for space in spaces:
            beside.enter_context(_folding(space))
        announce(f"listening at http://{host}:{port} (docs at /docs); Ctrl-C ends it")
        config = uvicorn.Config(
            create_app(plants),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            server_header=False,
        )
        uvicorn.Server(config).run()


def _opened(space: Workspace, announce: Callable[[str], object]) -> LivePlant:
    began = time.monotonic()
    plant = LivePlant(space, lambda: datetime.now(UTC))
    took = time.monotonic() - began
    announce(f"{space.plant.name}: {len(plant.state.assets)} machines, {plant.waiting} entries waiting, {took:.1f} s")
    return plant


@contextlib.contextmanager
def _folding(space: Workspace) -> Iterator[Any]:
    """Run the folding process of a plant; it ends with this one, however this one ends."""
    log = log_file(space.settings, f"fold-{space.plant.name}")
    process = processes.start(("wheeltapper.cli", "fold", space.typed or space.plant.name), log, dies_with_us=True)
    try:
        yield process
    finally:
        processes.stop(process)
