"""What a long log costs: opening a table and one more commit, with half a million commits beside five.

The long table is written *synthetically*: no such plant could be run for its 57 hourly years. Its entries have the form
that Delta and the store write (what `Store` itself replays and `store verify` accepts), they are put into the archive,
snapshot, index of names and checkpoint by the library's own functions, and the data files of its newest version are
real. The last commits, which are measured, are real ones through `Store.upsert`, as is the whole table of five commits.

Figures go to ``benchmarks/results/store.json``; beside the clock's time stands the core's, and the load, because a busy
machine multiplies the former.

    python benchmarks/store.py                      half a million commits
    python benchmarks/store.py --commits 20000      fewer, for a try
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import run

from wheeltapper.store import Store, upkeep
from wheeltapper.store.entries import APPLICATION, CHECK, RECORD, State, parse, replay
from wheeltapper.store.log import Log
from wheeltapper.tables import READINGS

RESULT = run.ROOT / "benchmarks" / "results" / "store.json"
COMMITS, FEW, REPEATS = 500_000, 5, 20
PERIODS = 120
"""Months of the long table; each has one data file in the newest version."""

OPEN = """
import sys, time
from wheeltapper.store import Store
from wheeltapper.tables import READINGS
store = Store(sys.argv[1], sys.argv[2])
began, core = time.perf_counter(), time.process_time()
newest = store.newest(READINGS)
print(time.perf_counter() - began, time.process_time() - core)
assert newest
"""
"""Opens a table in a process of its own; what it prints leaves out the imports, which are the same for every table."""


def month(number: int) -> pd.Timestamp:
    """Return the beginning of a month of the table."""
    return pd.Timestamp("2010-01-01", tz="UTC") + pd.DateOffset(months=number)


def readings(start: pd.Timestamp, level: float) -> pd.DataFrame:
    """Return an hour of readings of six assets."""
    times = pd.date_range(start, periods=60, freq="min")
    fixed = {"regime": "normal", "batch_id": "b", "origin": "o", "ingested_at": start, "flow": 1.0, "level": level}
    return pd.concat([pd.DataFrame({"asset_id": f"pump-{n}", "timestamp": times, **fixed}) for n in range(6)])


def write_few(root: Path) -> None:
    """Write the short table: five real commits."""
    store = Store(root, "few", period="month")
    for number in range(FEW):
        store.upsert(READINGS, readings(month(0) + pd.Timedelta(hours=number), 0.0), txn=f"write {number}")


def write_long(root: Path, commits: int) -> None:
    """Write the long table: real data files first, then a synthetic history that ends with them."""
    store = Store(root, "long", period="month")
    for number in range(PERIODS):
        store.upsert(READINGS, readings(month(number), 0.0), txn=f"seed {number}")
    log = Log(store.folder / READINGS.name)
    seeds = list(log.entries(0, PERIODS - 1))
    first = json.loads(log.path(0).read_bytes().splitlines()[1]), json.loads(log.path(0).read_bytes().splitlines()[2])
    shutil.rmtree(log.folder / "_delta_log")
    log.path(0).parent.mkdir()
    log = Log(log.folder)
    pending, begin, live = [], 0, []
    for version, (data, is_last) in enumerate(_history(commits, seeds, first)):
        pending.append(data)
        if is_last or version == 0:
            live.append(parse(log.path(version), version, data))
        if len(pending) == upkeep.SEGMENT and version < commits - 1:
            begin = _put_away(log, begin, pending)
            pending = []
    for offset, data in enumerate(pending):
        log.path(begin + offset).write_bytes(data)
    # The names of the writes are left out: the index takes them from the entries.
    last = replay(live)
    files = {file.path: file for entry in live[1:] for file in entry.add}
    upkeep.after_commit(log, dataclasses.replace(last, files=files, txns=State().txns), 1)


def _put_away(log: Log, begin: int, entries: list[bytes]) -> int:
    log.archive.write(begin, entries)
    return begin + len(entries)


def _history(commits: int, seeds: list[Any], first: tuple[Any, Any]) -> Iterator[tuple[bytes, bool]]:
    """Yield each entry, and whether its file is live: a month's file is replaced again and again until the real one."""
    previous, before = "", None
    for version in range(commits):
        place = version * PERIODS // commits
        is_last = (version + 1) * PERIODS // commits > place
        seed = seeds[place].add[0].as_dict()
        if not is_last:
            name = hashlib.sha256(str(version).encode()).hexdigest()
            path = f"period={seed['period']}/part-{version:05d}-{name[:16]}.parquet"
            seed |= {"sha256": name, "content": name[:32], "path": path}
        removed = [] if before is None else [before]
        data = _entry(version, seeds[place], seed, removed, previous, first if version == 0 else ())
        yield data, is_last
        previous, before = hashlib.sha256(data).hexdigest(), None if is_last else seed["path"]


def _entry(
    version: int, model: Any, add: dict[str, Any], removed: list[str], previous: str, first: tuple[Any, ...]
) -> bytes:
    """Return an entry as Delta writes it with our record in it."""
    record = {
        **{"version": version, "operation": "upsert", "txn": f"write {version}", "period": model.period},
        **{"columns": [list(column) for column in model.columns], "add": [add], "remove": removed},
        "previous": previous,
    }
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    info = {"timestamp": 1, "operation": "WRITE", RECORD: text, CHECK: hashlib.sha256(text.encode()).hexdigest()}
    partition = {"period": add["period"]}
    stats = json.dumps({"numRecords": add["rows"]})
    fields = {"path": add["path"], "partitionValues": partition, "size": add["size"], "dataChange": True}
    actions = [
        {"commitInfo": info},
        *first,
        {"add": {**fields, "modificationTime": 1, "stats": stats}},
        *({"remove": {"path": path, "deletionTimestamp": 1, "dataChange": True}} for path in removed),
        {"txn": {"appId": APPLICATION, "version": version}},
    ]
    return b"\n".join(json.dumps(action, separators=(",", ":")).encode() for action in actions)


def open_in_a_process(root: Path, plant: str) -> dict[str, float]:
    """Open a table in fresh processes; return median seconds with imports, and of opening alone."""
    walls, opened = [], []
    for _ in range(5):
        began = time.perf_counter()
        command = [sys.executable, "-c", OPEN, str(root), plant]
        done = subprocess.run(command, cwd=run.ROOT, capture_output=True, text=True, check=True)
        walls.append(time.perf_counter() - began)
        opened.append(float(done.stdout.split()[0]))
    return {
        "process_seconds": round(statistics.median(walls), 3),
        "open_seconds": round(statistics.median(opened), 4),
    }


def commit_more(root: Path, plant: str) -> dict[str, float]:
    """Write twenty more hours, each through a store that is opened anew; return milliseconds of a commit."""
    walls, cores = [], []
    for number in range(REPEATS):
        store = Store(root, plant, period="month")
        rows = readings(month(PERIODS) + pd.Timedelta(hours=number), 1.0)
        began, core = time.perf_counter(), time.process_time()
        store.upsert(READINGS, rows, txn=f"more {number}")
        walls.append(1000 * (time.perf_counter() - began))
        cores.append(1000 * (time.process_time() - core))
    return {
        "commit_ms_median": round(statistics.median(walls), 1),
        "commit_ms_most": round(max(walls), 1),
        "commit_core_ms_median": round(statistics.median(cores), 1),
    }


def is_known(root: Path, plant: str, txn: str) -> dict[str, float]:
    """Repeat an old write in a store that is opened anew; return milliseconds."""
    store = Store(root, plant, period="month")
    version = store.version(READINGS)
    began = time.perf_counter()
    store.upsert(READINGS, readings(month(0), 5.0), txn=txn)
    milliseconds = 1000 * (time.perf_counter() - began)
    if store.version(READINGS) != version:
        sys.exit(f"{plant}: the write '{txn}' was made a second time")
    return {"known_write_ms": round(milliseconds, 1)}


def measure(root: Path, plant: str) -> dict[str, Any]:
    """Return what is measured of one table."""
    store = Store(root, plant)
    folder = store.folder / READINGS.name
    figures: dict[str, Any] = {"commits": (store.version(READINGS) or 0) + 1, "loose_entries": len(Log(folder).loose())}
    figures |= open_in_a_process(root, plant) | is_known(root, plant, "write 3") | commit_more(root, plant)
    figures["log_mib"] = round(sum(_sizes(folder)) / 2**20, 1)
    return figures


def _sizes(folder: Path) -> Iterator[int]:
    """Yield the bytes of each file of a table that is no data file."""
    for path in folder.rglob("*"):
        if path.is_file() and "period=" not in path.parent.name:
            yield path.stat().st_size


def main() -> None:
    """Measure both tables in one run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--commits", type=int, default=COMMITS, help="commits of the long table")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wheeltapper-benchmark-") as folder:
        root = Path(folder)
        busy_before = os.getloadavg()[0]
        write_few(root)
        began = time.monotonic()
        write_long(root, asked.commits)
        seconds = time.monotonic() - began
        found = {name: measure(root, name) for name in ("few", "long")}
    found["long"] |= {"is_synthetic": True, "written_in_seconds": round(seconds)}
    if asked.commits == COMMITS:
        text = json.dumps(found | {"machine": run.machine(), "load_before": round(busy_before, 1)}, indent=1)
        RESULT.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
