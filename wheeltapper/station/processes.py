"""Other people's programs as processes: started, known again later, and ended with all that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_TIED = """
import os, runpy, signal, sys, threading, time

def follow():
    os.read(0, 1)  # comes back when the other end is closed, which the system does however its process ends
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
    os._exit(1)

threading.Thread(target=follow, daemon=True).start()
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module, and ends it as soon as we are gone, even by kill -9."""

_GRACE = 10.0
"""Seconds between asking a process to end and ending it."""


def start(module: tuple[str, ...], log: Path, *, dies_with_us: bool) -> subprocess.Popen[bytes]:
    """Start a Python module with its arguments; what it says goes to a log file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as said:
        return subprocess.Popen(
            (sys.executable, *(("-c", _TIED) if dies_with_us else ("-m",)), *module),
            stdin=subprocess.PIPE if dies_with_us else subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started: politely, and after ten seconds firmly."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin is not None:
        process.stdin.close()


def born(pid: int) -> str | None:
    """Return when a process was born, which tells it from a later one of the same number; None if it has ended."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # an ended child of ours stays listed until it is asked for
    return _born_on_linux(pid) if sys.platform == "linux" else _born_elsewhere(pid)


def _born_on_linux(pid: int) -> str | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if fields[0] in "ZX" else f"{boot} {fields[19]}"


def _born_elsewhere(pid: int) -> str | None:
    found = subprocess.run(("ps", "-o", "stat=,lstart=", "-p", str(pid)), capture_output=True, text=True, check=False)
    state, _, when = found.stdout.strip().partition(" ")
    return None if not when or state.startswith("Z") else when.strip()


def end_groups(groups: dict[int, str]) -> None:
    """End processes with all that they started: politely, and after ten seconds firmly.

    Parameters
    ----------
    groups : mapping
        Number of each first process → when it was born. Where only the first one was killed, the others are ended.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = [pid for pid, when in groups.items() if _is_left(pid, when)]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
        deadline = time.monotonic() + _GRACE
        while any(_is_left(pid, groups[pid]) for pid in left) and time.monotonic() < deadline:
            time.sleep(0.1)


def orphans(home: Path) -> dict[int, str]:
    """Find flow runs of a worker of this home (number → when born): after kill -9 of the worker they go on alone.

    Only Linux tells; elsewhere such a run is left to end by itself.
    """
    mark = f"WHEELTAPPER_HOME={home}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_run = b"prefect.engine" in (folder / "cmdline").read_bytes().split(b"\0")
            if is_run and mark in (folder / "environ").read_bytes().split(b"\0"):
                when = born(int(folder.name))
                if when is not None:
                    found[int(folder.name)] = when
    return found


def _is_left(pid: int, when: str) -> bool:
    """Tell whether anything is left of a group. A number stays taken while its group has members."""
    now = born(pid)
    if now is not None:
        return now == when
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False
    return True
