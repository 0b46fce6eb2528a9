"""The service is killed under load again and again: nothing that it acknowledged is lost, and nothing is twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.flows.cut_plants import Cut
from tests.flows.test_serving import bodies

pytestmark = pytest.mark.long

KILLS = 4
FOLD_KILLED = 3
"""Piece before which the process that folds is killed by itself."""
PATIENCE = 90.0


class Process:
    """`wheeltapper serve` as a process of its own."""

    def __init__(self, plant_file: Path, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [
            sys.executable,
            "-m",
            "wheeltapper.cli",
            "serve",
            str(plant_file),
            "--port",
            str(self.port),
            "--no-keys",
        ]
        self._environment = os.environ | {"WHEELTAPPER_HOME": str(home)}
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self.kills = 0
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(self._command, env=self._environment, start_new_session=True)
        self.wait_for(lambda: self.client.get("/healthz").status_code == 200)

    def wait_for(self, happened: Any) -> None:
        """Wait until something is true; a service that does not answer yet is waited for."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if happened():
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, "the service has ended"
            assert time.monotonic() < end, "it takes too long"
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it with everything that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.kills += 1

    def kill_folding(self) -> None:
        """Kill the process that brings readings into the tables; the service must notice and start another."""
        (folding,) = [child for child in psutil.Process(self.process.pid).children() if "fold" in child.cmdline()]
        folding.kill()
        self.wait_for(lambda: self.client.get("/readyz").status_code == 503)
        self.wait_for(lambda: self.client.get("/readyz").status_code == 200)

    def send(self, plant: str, piece: list[dict[str, Any]]) -> None:
        """Send readings until they are acknowledged; start the service again if it was killed."""
        while True:
            try:
                answer = self.client.post(f"/v1/plants/{plant}/readings", json=piece)
            except httpx.TransportError:
                self.process.wait(timeout=20)
                self.start()
                continue
            assert answer.status_code == 200, answer.text
            return

    def end(self) -> None:
        """End it as systemd does."""
        self.process.terminate()
        assert self.process.wait(timeout=20) in (0, -signal.SIGTERM)
        self.client.close()


@pytest.mark.parametrize("cut", ["pumps"], indirect=True)
def test_nothing_that_was_acknowledged_is_lost_or_twice(cut: Cut, tmp_path: Path) -> None:
    """A client sends each piece until it is acknowledged, some twice; the tables end as if all had come at once."""
    plant = cut.before.copy(tmp_path / "served")
    chance = random.Random(20261201)
    pieces = [bodies(cut.rest.iloc[begin : begin + 6]) for begin in range(0, len(cut.rest), 6)]
    deaths = chance.sample(range(5, len(pieces) - 5, 10), KILLS)  # far apart: it is up again before the next
    service = Process(plant.plant_file, plant.folder / "home")
    try:
        for number, piece in enumerate(pieces):
            if number in deaths:
                threading.Timer(chance.uniform(0.0, 0.006), service.kill).start()
            if number == FOLD_KILLED:
                service.kill_folding()
            service.send(plant.name, piece)
        assert service.kills == KILLS
        service.wait_for(lambda: service.client.get("/readyz").json()["plants"][plant.name]["waiting"] == 0)
        service.end()
    finally:
        service.client.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait()
    cut.requires_the_same(plant)
