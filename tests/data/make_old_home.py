"""Make the small home that tests/flows/test_old_home.py keeps: what a release leaves on a machine.

Run it with the code of the release that is to be kept, before the next one changes anything:

    python tests/data/make_old_home.py                         this checkout
    python tests/data/make_old_home.py --release FOLDER        another one, such as a worktree of the last release

Two machines with three sensors, from CSV files, with one reading for the quarantine: trained, promoted, scored, one
alarm confirmed and one dismissed, then trained again. The home is made in a neutral place, because MLflow stores whole
paths. Prefect's database, reports, figures and logs are left out, and MLflow's database is compacted. What the release
prints about the home is packed with it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

ARCHIVE = Path(__file__).with_name("old_home.tar.xz")
PLACE = Path("/srv/wheeltapper")
LEFT_OUT = ("prefect", "reports", "logs", "locks", "bundles")
PRINTED = ("leaderboard", "alarms", "ledger")

PLANT = """\
description: Two machines of a line, from CSV files.
asset_type:
  step: 5min
  sensors:
    temperature: {unit: °C, low: 0, high: 100}
    pressure: {unit: bar, low: 0, high: 20}
    current: {unit: A, low: 0, high: 50}
source:
  csv_folder: {path: data, time_column: time, fault_column: fault}
windows: {rows: 5, every: 1}
features: [latest, rolling]
parts: {by: fraction, train: 0.4, calibrate: 0.25, validate: 0.2, test: 0.15}
candidates: [isolation_forest: {n_estimators: 20}, pca_residual]
alarm_budget: 7
seed: 7
"""
DAYS, PER_DAY = 4, 288
FAULTS = {"a": ((0.70, 24),), "b": ((0.75, 18), (0.93, 30))}
"""Machine → its faults: where they begin, as a share of its time, and how many readings they last."""
OUT_OF_RANGE = 17
"""A reading that the plant's limits do not allow."""


def main() -> None:
    """Make the home and pack it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--release", type=Path, default=Path(__file__).parents[2], help="checkout of the release")
    release = parser.parse_args().release.resolve()
    if PLACE.exists():
        sys.exit(f"{PLACE} is there already. Move it away: the home is made there, and deleted afterwards.")
    try:
        PLACE.mkdir(parents=True)
        make(release)
        shrink(PLACE / "home")
        pack()
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)
    print(f"{ARCHIVE.name}: {ARCHIVE.stat().st_size / 1024:.0f} KiB")


def make(release: Path) -> None:
    """Run the release on a plant of its own, decide about two alarms, and keep what it prints."""
    write_plant()
    wheeltapper(release, "run", "line.yaml")
    alarms = read_json(release, "alarms", "line.yaml")
    if len(alarms) < 2:
        sys.exit(f"expected two alarms or more to decide about, got {len(alarms)}. Make the faults larger.")
    by_severity = sorted(alarms, key=lambda alarm: alarm["peak_severity"])
    wheeltapper(release, "confirm", "line.yaml", by_severity[-1]["alarm_id"], "--kind", "blockage")
    wheeltapper(release, "dismiss", "line.yaml", by_severity[0]["alarm_id"], "--reason", "the line was being started")
    wheeltapper(release, "train", "line.yaml")
    wheeltapper(release, "score", "line.yaml")
    (PLACE / "printed").mkdir()
    for command in PRINTED:
        text = json.dumps(read_json(release, command, "line.yaml"), indent=1, ensure_ascii=False)
        (PLACE / "printed" / f"{command}.json").write_text(text + "\n", encoding="utf-8")


def write_plant() -> None:
    """Write the plant's file and its readings: a daily swing that all sensors share, and noise."""
    (PLACE / "line.yaml").write_text(PLANT, encoding="utf-8")
    (PLACE / "data").mkdir()
    for number, asset in enumerate(FAULTS):
        chance = np.random.default_rng(number)
        rows = DAYS * PER_DAY
        load = np.sin(np.arange(rows) * 2 * np.pi / PER_DAY) + 0.3 * chance.normal(size=rows)
        fault = np.zeros(rows, dtype=int)
        for begin, length in FAULTS[asset]:
            fault[int(begin * rows) : int(begin * rows) + length] = 1
        sensors = {
            "temperature": 60 + 5 * load + 0.5 * chance.normal(size=rows) + 9 * fault,
            "pressure": 8 + load + 0.1 * chance.normal(size=rows) - 2.5 * fault,
            "current": 20 + 3 * load + 0.3 * chance.normal(size=rows),
        }
        sensors["temperature"][OUT_OF_RANGE] = 400
        lines = ["time,temperature,pressure,current,fault"]
        for row in range(rows):
            time = datetime(2026, 1, 5) + row * timedelta(days=1) / PER_DAY
            cells = ",".join(f"{values[row]:.2f}" for values in sensors.values())
            lines.append(f"{time:%Y-%m-%dT%H:%M:%SZ},{cells},{fault[row]}")
        (PLACE / "data" / f"{asset}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def wheeltapper(release: Path, *arguments: str) -> str:
    """Run a command of the release in the neutral place, as a user called ``engineer``; return what it printed."""
    person = {"LOGNAME": "engineer", "USER": "engineer"}
    places = {"PYTHONPATH": str(release), "WHEELTAPPER_HOME": str(PLACE / "home")}
    env = {name: text for name, text in os.environ.items() if name != "PREFECT_API_URL"} | person | places
    command = [sys.executable, "-m", "wheeltapper.cli", *arguments]
    done = subprocess.run(command, cwd=PLACE, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"wheeltapper {' '.join(arguments)} ended with code {done.returncode}:\n{done.stdout}")
    return done.stdout


def read_json(release: Path, *arguments: str) -> Any:
    """Return the JSON that a command of the release prints."""
    return json.loads(wheeltapper(release, *arguments, "--json"))


def shrink(home: Path) -> None:
    """Delete what no later release reads, and compact the database."""
    for name in LEFT_OUT:
        shutil.rmtree(home / name, ignore_errors=True)
    for path in [*home.rglob("*.lock"), *home.rglob("*.png")]:
        path.unlink()
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("VACUUM")


def pack() -> None:
    """Pack the neutral place, without owners and times."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = 0
        return entry

    with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
        for path in sorted(PLACE.iterdir()):
            archive.add(path, arcname=path.name, filter=plain)


if __name__ == "__main__":
    main()
