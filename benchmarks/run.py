"""What a run of the main job costs and prints: wall time, peak memory, the second run, leaderboard, verdict, alarm.

Every plant is run twice in a fresh home, as a newcomer would: ``wheeltapper run PLANT``. What was measured and what
was printed goes to ``benchmarks/results/run.json``, from which the README and the docs take their numbers
(``make docs``). No path of this machine gets into it: the home is written as ``.wheeltapper``.

    python benchmarks/run.py                  every plant below whose data is there
    python benchmarks/run.py pump_station     only this one; the others keep their figures
    python benchmarks/run.py --setup          also install the product into a fresh environment, and measure that
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "run.json"
PLANTS = ("pump_station", "skab")
SHOWN_HOME = ".wheeltapper"

LEADERBOARD = (
    *("candidate", "is_baseline", "found", "faults", "chance_found", "delay_minutes_median", "false_alarms"),
    *("asset_weeks", "false_alarms_per_asset_week", "false_alarms_per_asset_week_low"),
    *("false_alarms_per_asset_week_high", "cost_per_asset_week", "currency", "vus_pr", "vus_pr_random"),
)
"""Figures of a leaderboard row that are kept."""


class Peak:
    """Watches a process and its children, and remembers the most memory that they held at one time."""

    def __init__(self, pid: int) -> None:
        self.highest = 0
        """Bytes; memory that several processes share counts once (proportional set size)."""
        self._pid = pid
        self._over = threading.Event()

    def watch(self) -> None:
        """Look twice a second until `end`."""
        while not self._over.wait(0.5):
            self.highest = max(self.highest, sum(map(_memory, _family(self._pid))))

    def end(self) -> None:
        """Stop looking."""
        self._over.set()


def _family(pid: int) -> list[int]:
    """Return a process with its children and theirs; on systems without /proc nobody can say."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sorted(family & parents.keys())


def _memory(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def measure(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run a command of this checkout to its end; return seconds, peak memory, exit code and what it printed.

    Raises
    ------
    SystemExit
        If it fails (exit code 2 or more; 1 is an answer).
    """
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    peak = Peak(process.pid)
    watcher = threading.Thread(target=peak.watch, daemon=True)
    watcher.start()
    printed, complaints = process.communicate()
    seconds = time.monotonic() - began
    peak.end()
    watcher.join()
    if process.returncode > 1:
        sys.exit(f"{' '.join(command[1:])} ended with code {process.returncode}:\n{printed}\n{complaints}")
    return {
        "seconds": round(seconds, 1),
        "peak_mib": round(peak.highest / 2**20) or None,
        "exit_code": process.returncode,
        "printed": [line.rstrip() for line in printed.splitlines()],
        "complaints": [line.rstrip() for line in complaints.splitlines()],
    }


def run_plant(plant: str) -> dict[str, Any]:
    """Run a plant twice in a fresh home and return everything that is worth telling."""
    with tempfile.TemporaryDirectory(prefix="wheeltapper-benchmark-") as folder:
        home = Path(folder).resolve() / SHOWN_HOME
        environment = os.environ | {"WHEELTAPPER_HOME": str(home), "PYTHONIOENCODING": "utf-8"}
        environment.pop("PREFECT_API_URL", None)
        busy_before = os.getloadavg()[0]
        first = measure(_wheeltapper("run", plant), environment)
        size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
        second = measure(_wheeltapper("run", plant), environment)
        judged = _ask(environment, "leaderboard", plant)
        alarms = _ask(environment, "alarms", plant)
        ledger = _ask(environment, "ledger", plant)["entries"]
        checked = _ask(environment, "check", plant)
    strongest = max(alarms, key=lambda alarm: alarm["peak_severity"], default=None)
    found = {
        "plant": plant,
        "seconds": first["seconds"],
        "second_run_seconds": second["seconds"],
        "peak_mib": first["peak_mib"],
        "home_mib": round(size / 2**20),
        "load_before": round(busy_before, 1),
        "exit_code": first["exit_code"],
        "readings": checked["rows"],
        "assets": len(checked["assets"]),
        "leaderboard": [{name: row[name] for name in LEADERBOARD} for row in judged["leaderboard"]],
        "verdict": ledger[0]["verdict"],
        "second_verdict": ledger[-1]["verdict"],
        "champion": next((row["candidate"] for row in _chosen(first["printed"], judged)), None),
        "gates": json.loads(ledger[0]["gates"]),
        "alarms": len(alarms),
        "strongest_alarm": strongest and strongest["explanation"],
        "printed": first["printed"],
        "complaints": first["complaints"],
    }
    return json.loads(json.dumps(found, ensure_ascii=False).replace(str(home), SHOWN_HOME))


def _chosen(printed: list[str], judged: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the leaderboard rows that the first run's verdict names: at most one."""
    verdict = next((line for line in printed if line.startswith("Verdict")), "")
    return [row for row in judged["leaderboard"] if not row["is_baseline"] and verdict.endswith(row["candidate"])]


def _wheeltapper(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wheeltapper.cli", *arguments]


def _ask(environment: dict[str, str], *arguments: str) -> Any:
    return json.loads("\n".join(measure(_wheeltapper(*arguments, "--json"), environment)["printed"]))


def has_data(plant: str) -> bool:
    """Tell whether a plant's readings can be found: `wheeltapper check` says 2 where they cannot."""
    done = subprocess.run(_wheeltapper("check", plant), cwd=ROOT, capture_output=True, check=False)
    return done.returncode == 0


def set_up() -> dict[str, Any]:
    """Install the product into a fresh virtual environment, as `make run` does the first time, and measure it."""
    with tempfile.TemporaryDirectory(prefix="wheeltapper-benchmark-") as folder:
        python = str(Path(folder) / "venv" / "bin" / "python")
        options = ["--quiet", "--disable-pip-version-check", "--constraint", "constraints.txt", "--editable", "."]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "venv", str(Path(folder) / "venv")], check=True)
        subprocess.run([python, "-m", "pip", "install", *options], cwd=ROOT, check=True)
        seconds = time.monotonic() - began
        listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
        size = sum(path.lstat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return {"seconds": round(seconds), "packages": len(json.loads(listed.stdout)), "mib": round(size / 2**20)}


def machine() -> dict[str, Any]:
    """Describe the machine without naming it."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def save(name: str, content: Any, path: Path = RESULT) -> None:
    """Write one part of the results; the other parts stay as they are."""
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    results |= {"machine": machine(), name: content}
    text = json.dumps(results, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if str(Path.home()) + os.sep in text or str(ROOT) in text or tempfile.gettempdir() + os.sep in text:
        sys.exit(f"a path of this machine would get into {path.relative_to(ROOT)}; nothing was written")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("plants", nargs="*", default=PLANTS, help="plants to run")
    parser.add_argument("--setup", action="store_true", help="also measure a fresh installation (needs the network)")
    asked = parser.parse_args()
    if asked.setup:
        save("setup", set_up())
    for plant in asked.plants:
        if not has_data(plant):
            print(f"{plant}: left out, its data is not here (wheeltapper check {plant} says more)")
            continue
        found = run_plant(plant)
        save(plant, found)
        print(
            f"{plant}: {found['seconds']} s, again {found['second_run_seconds']} s, {found['peak_mib']} MiB, "
            f"{found['verdict']} {found['champion']}"
        )
    print("Next: make docs")


if __name__ == "__main__":
    main()
