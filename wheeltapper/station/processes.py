"""Other programs as processes: started, recognised later, and ended together with everything that they started."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

COLLECT_RARELY = (100_000, 50, 100)
"""Thresholds of Python's garbage collector for runs, which import a million objects and keep them: with the usual ones,
a tenth of a run's time goes into looking at them again and again. For servers only while they start: a request whose
client was killed leaves a database connection that only the collector returns, and until then it locks the database."""


def collect_rarely() -> None:
    """Let Python look for garbage rarely, and not at all when this process ends: the system takes all memory back.

    Ending a run would look at each of its millions of objects three times, which takes seconds.
    """
    gc.set_threshold(*COLLECT_RARELY)
    atexit.register(_leave_all)


def _leave_all() -> None:
    gc.disable()
    gc.freeze()


_TIED = f"""
import atexit, gc, os, runpy, signal, sys, threading, time

usual = gc.get_threshold()
gc.set_threshold(*{COLLECT_RARELY})
atexit.register(gc.freeze)
atexit.register(gc.disable)

def collect_as_usual():
    time.sleep(8)  # it has started
    gc.collect()
    gc.freeze()  # what it has imported stays
    gc.set_threshold(*usual)

threading.Thread(target=collect_as_usual, daemon=True).start()

def follow():
    os.read(0, 1)  # returns when the other end is closed, which the system does however its process ends
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
    os._exit(1)

threading.Thread(target=follow, daemon=True).start()
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module, and ends it when the process that started it ends, even by kill -9."""

_GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""


def start(module: tuple[str, ...], log: Path, *, dies_with_us: bool) -> subprocess.Popen[bytes]:
    """Start a Python module with its arguments; its output goes to a log file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            (sys.executable, *(("-c", _TIED) if dies_with_us else ("-m",)), *module),
            stdin=subprocess.PIPE if dies_with_us else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started: with SIGTERM, and after ten seconds with SIGKILL."""
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
    """Return when a process was started, which no later process of the same number shares; None if it has ended."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return _ticks_since_boot(pid) if psutil.LINUX else str(process.create_time())
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def _ticks_since_boot(pid: int) -> str:
    """Return the boot's identifier and the clock ticks from it to the start of the process.

    psutil's ``create_time`` adds the time of the boot, which moves when the clock is set: a machine without a battery
    for its clock sets it minutes after `up`, and would not recognise its servers.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    # The name of the program, in brackets, may hold spaces and brackets.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return f"{boot} {fields[19]}"


def end_groups(groups: dict[int, str]) -> None:
    """End processes and everything that they started: with SIGTERM, and after ten seconds with SIGKILL.

    Parameters
    ----------
    groups : mapping
        Number of each first process → when it was started (see `born`). If the first process has ended already, the
        processes that it started are ended.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _living(groups):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
        deadline = time.monotonic() + _GRACE
        while _living(groups) and time.monotonic() < deadline:
            time.sleep(0.1)


def _living(groups: dict[int, str]) -> set[int]:
    """Return the groups that have a living process; a group whose number another process has got has ended.

    A number is not given to another process while its group has members.
    """
    ours = {pid for pid, started in groups.items() if born(pid) in (None, started)}
    return ours & {
        _group(process.pid)
        for process in psutil.process_iter(["status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
    }


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def orphans(home: Path) -> dict[int, str]:
    """Return the flow runs of this home's worker: number → when started. They outlive a worker that was killed.

    Where the system does not show a process's environment, its run is not found and ends by itself.
    """
    runs = {}
    for process in psutil.process_iter(["cmdline"]):
        if "prefect.engine" in (process.info["cmdline"] or ()) and _home_of(process) == str(home):
            started = born(process.pid)
            if started is not None:
                runs[process.pid] = started
    return runs


def _home_of(process: psutil.Process) -> str | None:
    try:
        return str(process.environ().get("WHEELTAPPER_HOME"))
    except (psutil.Error, OSError):
        return None
