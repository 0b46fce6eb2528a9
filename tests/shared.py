"""What a whole test session makes once, however many processes run it: folders on the disk, and one Prefect server."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from wheeltapper.config import Settings
from wheeltapper.station import servers


def session_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all processes of this test session share."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first process that needs it has filled. Whoever wants to change it copies it."""
    folder = session_folder(factory) / name
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # half of it, from a process whose attempt failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@contextmanager
def prefect_server(factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of the session's Prefect server: the first process starts it, the last to leave stops it.

    The server is a child of the process that started it. That process therefore waits for the others to leave.
    """
    folder = session_folder(factory) / "prefect_server"
    users, address, lock = folder / "users", folder / "address", FileLock(folder.with_suffix(".lock"))
    own, process = users / str(os.getpid()), None
    with lock:
        users.mkdir(parents=True, exist_ok=True)
        own.touch()
        if not address.exists():
            process = _start(folder, address)
    try:
        yield address.read_text(encoding="utf-8")
    finally:
        own.unlink()
        if process is not None:
            while not _is_left(users, address, lock):
                time.sleep(0.2)
            servers.stop(process)


def _start(folder: Path, address: Path) -> servers.subprocess.Popen[bytes]:
    settings = Settings(home=folder)
    server = servers.prefect_server(servers.free_port())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**servers.QUIET, "PREFECT_HOME": str(settings.prefect)}.items():
            patch.setenv(name, value)
        process = servers.start(server, settings, dies_with_us=True)
    servers.wait(server, process, settings)
    address.write_text(f"{server.url}/api", encoding="utf-8")
    return process


def _is_left(users: Path, address: Path, lock: FileLock) -> bool:
    """Tell whether no process uses the server any more; then the next one that needs a server starts its own."""
    with lock:
        if any(psutil.pid_exists(int(user.name)) for user in users.iterdir()):
            return False
        address.unlink()
        return True
