"""A real MQTT broker for the tests: Debian's mosquitto, which can be killed and started again with what it had kept.

It comes with ``apt-get install mosquitto``; where it is not installed, its tests are skipped.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

_PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
PASSWORDS = "mosquitto_passwd"
"""The program that writes its file of passwords."""
_SECONDS = 20.0
"""Longest wait for something that takes milliseconds."""


class Mosquitto:
    """One broker with a folder of its own, where it keeps sessions and messages when it is told to `save`.

    Parameters
    ----------
    folder : Path
    *settings : str
        Further lines of its configuration.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        if _PROGRAM is None:
            pytest.skip("mosquitto is not installed: apt-get install mosquitto")
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            "user root",
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
            "log_type notice",
            *(settings or ("allow_anonymous true",)),
        ]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Start it; returns when it listens."""
        with (self.folder / "mosquitto.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(_PROGRAM), "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        self._wait(lambda: _listens(self.port))

    def kill(self) -> None:
        """Kill it; it can save nothing any more."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def wait_until_gone(self, client_id: str) -> None:
        """Wait until it has read all that a client sent before it went; a new client of that name cuts that short."""
        self._wait(lambda: self._log().count(f"Client {client_id} ") >= self._log().count(f" as {client_id} "))

    def save(self, last: str) -> None:
        """Let it write what it keeps to its file; returns when a message's payload is in there.

        It does so by itself every now and then; what it has acknowledged since, it loses when it is killed.
        """
        assert self._process is not None
        path = self.folder / "mosquitto.db"
        self._process.send_signal(signal.SIGUSR1)
        self._wait(lambda: path.exists() and last.encode() in path.read_bytes())

    def publish(self, messages: Iterable[tuple[str, str]], *, retain: bool = False, qos: int = 1) -> None:
        """Publish messages in order; returns when the broker has acknowledged all of them."""
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for sent in [client.publish(topic, payload, qos=qos, retain=retain) for topic, payload in messages]:
            sent.wait_for_publish(_SECONDS)
            assert sent.is_published()
        client.disconnect()
        client.loop_stop()

    def _log(self) -> str:
        return (self.folder / "mosquitto.log").read_text()

    def _wait(self, is_reached: Callable[[], bool]) -> None:
        end = time.monotonic() + _SECONDS
        while not is_reached():
            assert time.monotonic() < end, self._log()
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
