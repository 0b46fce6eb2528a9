"""What an hour of new readings costs: `watch` against 28, 365 and 3 650 days of history, and one reading by `advance`.

Six simulated pumps with one reading a minute, in CSV files of a folder, as a logger writes them: one file a day, and
one more for each new hour (360 readings). Every case is a process of its own, `python -m wheeltapper.cli watch`,
against one Prefect server that is up already; core seconds are those of the process and its children, in user mode and
in the system, without the server's, which stand beside. Peak memory is the most that the process held resident, as the
system counts it. Beside `watch`, in turn with it, run

    empty      an empty Prefect flow
    packages   a flow that imports the packages that `watch` imports and has Great Expectations validate one row

    python benchmarks/live.py --home /tmp/live          everything; the histories stay in the folder for the next run
    python benchmarks/live.py --home /tmp/live --days 28 --repeats 1 --dry       a quick look that keeps nothing

The histories are built once: the first 28 days are trained on by `wheeltapper run`, and the tables of the days before
are made of those of the last days, moved back in time again and again, through `Store.stage` and `Store.replace`; they
have few commits (`benchmarks/store.py` is about many). Alarms and faults are moved in the same way. Where the results
say so, the old tables have one row in ten minutes.

`advance` is measured in this process, one reading of one machine at a time, each part beside the whole.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import run
from run import ROOT, machine

sys.path.insert(0, str(ROOT))

import numpy as np
import pandas as pd

from wheeltapper import plants, tables
from wheeltapper.config import Settings
from wheeltapper.features.memory import Arrivals
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring.live import CHAMPION, LiveModel, LiveState, advance
from wheeltapper.scoring.live_model import live_bundle
from wheeltapper.sources import build
from wheeltapper.station import servers
from wheeltapper.store import Store
from wheeltapper.tables import Table, microseconds
from wheeltapper.workspace import Workspace

RESULT = ROOT / "benchmarks" / "results" / "live.json"
NAME = "watched"
START, TRAINED, LATER = pd.Timestamp("2026-01-05", tz="UTC"), 28, 7
"""First instant; days that are trained on; days after them, an hour of which is new in each repetition."""
DAYS, REPEATS = (28, 365, 3650), 5
MOVED, THIN = 7, 10
"""Days of the tables that are moved back in time; minutes between two rows of the longest history."""
MOST_ROWS = 4_000_000
"""Rows of readings in a history, about: a longer one is thinned."""

PLANT = """
description: Six pumps, a reading a minute, in CSV files as a logger writes them.
asset_type: pump
source:
  csv_folder:
    path: readings
    time_column: timestamp
    time_zone: UTC
    asset_column: asset_id
    regime_column: regime{labels}
windows: {{rows: 5, every: 1}}
features: [latest, rolling, rates, ratios]
parts: {{by: fraction, train: 0.4, calibrate: 0.25, validate: 0.2, test: 0.15}}
models: pooled
candidates: [isolation_forest, lof, autoencoder, pca_residual]
alarm_budget: 1
alarms: {{open_after: 3, close_after: 6}}
seed: 42
"""
LABELS = "\n    fault_kind_column: fault"
"""What was faulty is known of the days that are trained on; a logger does not write it."""
SIMULATED = """
asset_type: pump
seed: 42
source: {{simulator: {{assets: 6, start: 2026-01-05, duration: {days}d, anomaly_rate: 0.02}}}}
"""

EMPTY = """
from prefect import flow

@flow
def empty():
    pass

empty()
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
for queue in (APILogWorker, EventsWorker):
    queue.drain_all(timeout=10)
"""
PACKAGES = """
from prefect import flow

@flow
def packages():
    import importlib, sys
    for name in sys.argv[1:]:
        importlib.import_module(name)
    import great_expectations as gx
    import pandas as pd
    context = gx.get_context(mode="ephemeral")
    rows = pd.DataFrame({"pressure": [6.5]})
    asset = context.data_sources.add_pandas("one").add_dataframe_asset("row")
    batch = asset.add_batch_definition_whole_dataframe("all")
    promise = gx.expectations.ExpectColumnValuesToBeBetween(column="pressure", min_value=0, max_value=12)
    assert batch.get_batch({"dataframe": rows}).validate(promise).success

packages()
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
for queue in (APILogWorker, EventsWorker):
    queue.drain_all(timeout=10)
"""
"""The packages to import are its arguments."""
WATCH = """
import atexit, site, sys
from wheeltapper.cli import main
sys.argv = ["wheeltapper", "watch", {plant!r}]
def packages():
    places = {{site.getsitepackages()[0] + "/" + name + end for name in sys.modules for end in ("/__init__.py", ".py")}}
    files = {{name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}}
    return sorted(name for name, file in files.items() if file in places and "." not in name)

atexit.register(lambda: open({listed!r}, "w").write(" ".join(packages())))
main()
"""
"""Runs `watch` and lists the packages that it has imported."""


# -- the histories ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """The folder of everything that is built once."""

    folder: Path

    @property
    def plant(self) -> Path:
        """The plant's file; its readings lie wherever WHEELTAPPER_DATA says."""
        return self.folder / f"{NAME}.yaml"

    @property
    def later(self) -> Path:
        """A file of each hour after the days that are trained on."""
        return self.folder / "later"

    def of(self, days: int) -> Path:
        """Return the folder of a history: ``home`` and ``data`` in it."""
        return self.folder / f"days-{days}"


def environment(place: Path, api: str) -> dict[str, str]:
    """Return the variables of a process that works with the home and the data in a folder."""
    own = {
        "WHEELTAPPER_HOME": str(place / "home"),
        "WHEELTAPPER_DATA": str(place / "data"),
        "PREFECT_HOME": str(place / "prefect"),
        "PREFECT_API_URL": api,
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
    }
    return os.environ | servers.QUIET | own


def build_base(kept: Kept, api: str) -> None:
    """Write the readings, and train on the first days by the main job."""
    place = kept.of(TRAINED)
    if (place / "built").is_file():
        return
    shutil.rmtree(place, ignore_errors=True)
    (place / "data" / "readings").mkdir(parents=True)
    kept.later.mkdir(parents=True, exist_ok=True)
    kept.plant.write_text(PLANT.format(labels=LABELS), encoding="utf-8")
    write_files(place / "data" / "readings", kept.later)
    command = [sys.executable, "-m", "wheeltapper.cli", "run", str(kept.plant)]
    print(f"training on {TRAINED} days (once)", flush=True)
    run.measure(command, environment(place, api))
    kept.plant.write_text(PLANT.format(labels=""), encoding="utf-8")
    (place / "built").touch()


def write_files(folder: Path, later: Path) -> None:
    """Write a file for each day of the simulated readings, and for each hour of the days that come later."""
    text = SIMULATED.format(days=TRAINED + LATER)
    plant = plants.parse(text, name=NAME, folder=ROOT, where="benchmarks/live.py")
    parts = []
    for batch in build(plant.source, plant.plug_ins).read(plant):
        rows = batch.rows.drop(columns=["defect"], errors="ignore").assign(fault="")
        for fault in batch.faults.itertuples():
            is_inside = rows["timestamp"].between(fault.start, fault.end, inclusive="left")
            rows.loc[is_inside, "fault"] = fault.kind
        parts.append(rows)
    rows = pd.concat(parts).sort_values(["timestamp", "asset_id"], ignore_index=True)
    until = START + pd.Timedelta(TRAINED, "D")
    for day, part in rows[rows["timestamp"] < until].groupby(rows["timestamp"].dt.strftime("%Y-%m-%d")):
        part.to_csv(folder / f"{day}.csv", index=False)
    for hour, part in rows[rows["timestamp"] >= until].groupby(rows["timestamp"].dt.strftime("%Y-%m-%dT%H")):
        part.drop(columns="fault").to_csv(later / f"{hour}.csv", index=False)


def build_history(kept: Kept, days: int, api: str) -> dict[str, Any]:
    """Put the tables of so many days before those that were trained on, once; return what was built."""
    place = kept.of(days)
    if not (place / "built.json").is_file():
        if days > TRAINED:
            print(f"building {days} days of history (once)", flush=True)
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(kept.of(TRAINED), place, ignore=shutil.ignore_patterns("prefect", "built*"))
            lengthen(place, kept, days)
        deliver(place, kept, 0)
        print(f"first look at {days} days", flush=True)
        measure(watch(kept), environment(place, api))
        (place / "built.json").write_text(json.dumps(_described(place, kept)), encoding="utf-8")
    content: dict[str, Any] = json.loads((place / "built.json").read_text(encoding="utf-8"))
    return content


def _store(place: Path, kept: Kept) -> Store:
    plant = plants.load(str(kept.plant))
    return Store(place / "home" / "store", NAME, period=plant.period)


def _described(place: Path, kept: Kept) -> dict[str, Any]:
    store = _store(place, kept)
    listed = (tables.READINGS, tables.FEATURES, tables.SCORES, tables.ALARMS, tables.FLAGS)
    rows = {table.name: sum(size for _, _, size in store.sizes(table)) if table.time else None for table in listed}
    rows[tables.ALARMS.name] = len(store.read(tables.ALARMS))
    return {"rows": rows, "store_mib": round(_size(place / "home" / "store") / 2**20)}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def minutes_apart(days: int) -> int:
    """Return the minutes between two rows of an asset in the days before those that were trained on."""
    return THIN if days * 24 * 60 * 6 > MOST_ROWS else 1


def lengthen(place: Path, kept: Kept, days: int) -> None:
    """Lengthen all tables back in time by their last days, moved again and again."""
    store = _store(place, kept)
    for table in (tables.READINGS, tables.FEATURES, tables.SCORES):
        stored = store.read(table)
        parts = [store.stage(table, rows) for rows in _moved(stored, table, days, minutes_apart(days))]
        parts.append(store.stage(table, stored))
        version = store.version(tables.READINGS)
        made_from = {tables.READINGS.name: version} if table is tables.FEATURES and version is not None else None
        store.replace(table, parts, txn=f"benchmark: {days} days", made_from=made_from)
    for table in (tables.ALARMS, tables.FAULTS):
        older = pd.concat(_moved(store.read(table), table, days, 1))
        store.upsert(table, older, txn=f"benchmark: {days} days")
    followed = store.read(tables.FOLLOWED)
    versions = {table.name: store.version(table) for table in tables.TABLES.values()}
    moved_on = followed.assign(version=followed["table"].map(versions).astype("int64"))
    store.upsert(tables.FOLLOWED, moved_on, txn=f"benchmark: {days} days")


def _moved(stored: pd.DataFrame, table: Table, days: int, apart: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of the last days, moved to earlier and earlier times, until they reach so many days back."""
    until, length = START + pd.Timedelta(TRAINED, "D"), pd.Timedelta(MOVED, "D")
    time_column = {tables.ALARMS.name: "opened_at", tables.FAULTS.name: "start"}.get(table.name, table.time)
    rows = stored[(stored[time_column] >= until - length) & (stored[time_column] < until)]
    if apart > 1:
        rows = rows[rows[time_column].dt.minute % apart == 0]
    times = [column.name for column in table.columns if column.kind == "time"]
    for number in range(1, -(-(days - TRAINED) // MOVED) + 1):
        back = pd.Timedelta(TRAINED - MOVED + number * MOVED, "D")
        moved = rows.assign(**{name: rows[name] - back for name in times})
        if table is tables.ALARMS:
            moved["alarm_id"] = [f"{number}-{name}" for name in moved["alarm_id"]]
        yield moved.reset_index(drop=True)


def deliver(place: Path, kept: Kept, hour: int) -> None:
    """Put the file of one more hour into the folder of a history's readings."""
    file = sorted(kept.later.glob("*.csv"))[hour]
    shutil.copy(file, place / "data" / "readings" / file.name)


def watch(kept: Kept) -> list[str]:
    """Return the command that is measured."""
    return [sys.executable, "-m", "wheeltapper.cli", "watch", str(kept.plant)]


# -- measuring -------------------------------------------------------------------------------------------------------


def measure(command: Sequence[str], environment: dict[str, str]) -> dict[str, float]:
    """Run a command to its end; return seconds of the cores and of the clock, and the process's peak memory.

    Raises
    ------
    SystemExit
        If it fails.
    """
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command[1:4])} ended with code {process.returncode}:\n{printed}")
    return {
        "core_seconds": used.ru_utime + used.ru_stime,
        "system_seconds": used.ru_stime,
        "wall_seconds": seconds,
        "peak_mib": used.ru_maxrss / 1024,
    }


@contextlib.contextmanager
def prefect_server(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Start a Prefect server that all cases share; yield its API and its process."""
    os.environ.pop("PREFECT_API_URL", None)
    os.environ.update({"WHEELTAPPER_HOME": str(folder), "PREFECT_HOME": str(folder / "prefect"), **servers.QUIET})
    server = servers.prefect_server(servers.free_port())
    process = servers.start(server, Settings(), dies_with_us=True)
    try:
        servers.wait(server, process, Settings())
        yield f"{server.url}/api", psutil.Process(process.pid)
    finally:
        servers.stop(process)


def server_seconds(server: psutil.Process) -> float:
    """Return the core seconds that the server has used."""
    times = server.cpu_times()
    return float(times.user + times.system)


def packages_of(kept: Kept, place: Path, api: str) -> list[str]:
    """Return the packages that `watch` imports: run it once, and look."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "modules"
        code = WATCH.format(plant=str(kept.plant), listed=str(listed))
        measure([sys.executable, "-c", code], environment(place, api))
        return listed.read_text(encoding="utf-8").split()


def measure_watch(kept: Kept, days: Sequence[int], repeats: int) -> dict[str, Any]:
    """Measure `watch` with an hour of new readings, and with nothing new, for each length of history."""
    with tempfile.TemporaryDirectory(prefix="wheeltapper-benchmark-") as folder:
        here = Path(folder)
        with prefect_server(here / "server") as (api, server):
            build_base(kept, api)
            histories = {length: build_history(kept, length, api) for length in days}
            places = {length: _copy(kept.of(length), here / f"days-{length}") for length in days}
            deliver(places[days[0]], kept, 1)
            packages = packages_of(kept, places[days[0]], api)
            cases = _cases(kept, places, packages)
            taken: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
            for number in range(repeats):
                for length in days:
                    deliver(places[length], kept, 2 + number)
                for name, (command, place) in cases.items():
                    before = server_seconds(server)
                    figures = measure(command, environment(place, api))
                    figures["server_core_seconds"] = server_seconds(server) - before
                    taken[name].append(figures)
                    print(f"{name:<22}{figures['core_seconds']:8.2f} s{figures['peak_mib']:8.0f} MiB", flush=True)
    summed = {name: _median(figures) for name, figures in taken.items()}
    return {
        "cases": {name: figures | _beyond(figures, summed) for name, figures in summed.items()},
        "histories": {
            str(length): histories[length] | {"minutes_between_old_rows": minutes_apart(length)} for length in days
        },
        "packages": packages,
        "new_readings": 360,
        "repeats": repeats,
    }


def _cases(kept: Kept, places: dict[int, Path], packages: list[str]) -> dict[str, tuple[list[str], Path]]:
    """Return the cases of one repetition in their order; nothing is new for a history once its hour was taken in."""
    first = next(iter(places.values()))
    cases = {
        "empty": ([sys.executable, "-c", EMPTY], first),
        "packages": ([sys.executable, "-c", PACKAGES, *packages], first),
    }
    for days, place in places.items():
        cases[f"new, {days} days"] = (watch(kept), place)
        cases[f"nothing, {days} days"] = (watch(kept), place)
    return cases


def _copy(built: Path, place: Path) -> Path:
    """Copy a history; its data files are never changed in place, so that they may be shared."""

    def link_or_copy(source: str, target: str) -> str:
        if source.endswith(".parquet"):
            with contextlib.suppress(OSError):
                os.link(source, target)
                return target
        return shutil.copy2(source, target)

    shutil.copytree(built, place, copy_function=link_or_copy, ignore=shutil.ignore_patterns("prefect"))
    return place


def _median(taken: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(figures[name] for figures in taken), 2) for name in taken[0]}


def _beyond(figures: dict[str, float], all_cases: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return what a case takes beyond the two that do nothing."""
    return {
        f"beyond_{name}": round(figures["core_seconds"] - all_cases[name]["core_seconds"], 2)
        for name in ("empty", "packages")
    }


# -- one reading -----------------------------------------------------------------------------------------------------


def measure_advance(kept: Kept) -> dict[str, Any]:
    """Bring the readings of the days after the training one by one, and time `advance` and its parts."""
    os.environ.update(environment(kept.of(TRAINED), ""))
    space = Workspace.open(str(kept.plant))
    bundle = live_bundle(space)
    if bundle is None:
        sys.exit("the base history has no champion")
    models, plan = [LiveModel(bundle, CHAMPION)], FeaturePlan.of(space.plant)
    whole = LiveState(plan, models, space.plant.alarms, space.plant.max_gap)
    parts = _Parts(LiveState(plan, models, space.plant.alarms, space.plant.max_gap), models[0])
    rows = pd.concat(pd.read_csv(file, parse_dates=["timestamp"]) for file in sorted(kept.later.glob("*.csv"))[:24])
    taken: dict[str, list[float]] = {}
    for asset, reading in _one_by_one(rows, plan.sensors):
        began = time.thread_time_ns()
        advance(whole, {asset: reading})
        taken.setdefault("advance", []).append((time.thread_time_ns() - began) / 1e6)
        for name, milliseconds in parts.advance(asset, reading).items():
            taken.setdefault(name, []).append(milliseconds)
    warm = {name: values[len(values) // 10 :] for name, values in taken.items()}
    return {
        "detector": bundle.detector_name,
        "features": len(plan.columns),
        "readings": len(warm["advance"]),
        "milliseconds": {
            name: {
                "median": round(statistics.median(values), 4),
                "p90": round(statistics.quantiles(values, n=10)[-1], 4),
            }
            for name, values in warm.items()
        },
    }


def _one_by_one(rows: pd.DataFrame, sensors: Sequence[str]) -> Iterator[tuple[str, Arrivals]]:
    """Yield each reading by itself, in order of time, as a live door has it."""
    rows = rows.sort_values(["timestamp", "asset_id"], ignore_index=True)
    micros, regimes = microseconds(rows["timestamp"]), rows["regime"].to_numpy(dtype=object)
    values = {name: rows[name].to_numpy(float) for name in sensors}
    for place, asset in enumerate(rows["asset_id"]):
        one = slice(place, place + 1)
        yield asset, Arrivals(micros[one], {name: own[one] for name, own in values.items()}, regimes[one])


@dataclass
class _Parts:
    """The steps of `advance` one by one, each with its time."""

    state: LiveState
    model: LiveModel

    def advance(self, asset: str, reading: Arrivals) -> dict[str, float]:
        """Take one reading in; return milliseconds of the core for each part."""
        of_asset, (plan, places) = self.state.of(asset), self.state.plan_of(CHAMPION)
        clock = [time.thread_time_ns()]
        rows = of_asset.memories[plan.hash].add(reading).rows
        clock.append(time.thread_time_ns())
        usable = np.flatnonzero(rows.why_not == "")
        values = rows.values[usable] if places is None else rows.values[usable][:, places]
        scores = self.model.scorer.score(asset, rows.regimes[usable], values)
        clock.append(time.thread_time_ns())
        ends, severities = rows.ends[usable].tolist(), scores.severity.tolist()
        of_asset.alarm.steps(zip(ends, severities, rows.regimes[usable].tolist(), strict=True))
        clock.append(time.thread_time_ns())
        names = ("windows and features", "scores", "alarm")
        return {name: (after - before) / 1e6 for name, before, after in zip(names, clock, clock[1:], strict=False)}


def save(content: dict[str, Any]) -> None:
    """Keep the figures; no path of this machine may be among them."""
    results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    text = json.dumps(results | {"machine": machine()} | content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if str(Path.home()) + os.sep in text or str(ROOT) in text or tempfile.gettempdir() + os.sep in text:
        sys.exit(f"a path of this machine would get into {RESULT.relative_to(ROOT)}; nothing was written")
    RESULT.write_text(text, encoding="utf-8")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="folder in which the histories are kept")
    parser.add_argument("--days", type=int, nargs="+", default=DAYS, help="lengths of the history")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="hours of new readings for each history")
    parser.add_argument("--only", choices=("watch", "advance"), help="measure one of the two")
    parser.add_argument("--dry", action="store_true", help="print only, keep nothing")
    asked = parser.parse_args()
    kept = Kept(asked.home.resolve())
    content: dict[str, Any] = {}
    if asked.only != "advance":
        busy_before = os.getloadavg()[0]
        content["watch"] = measure_watch(kept, asked.days, asked.repeats) | {"load_before": round(busy_before, 1)}
        show_watch(content["watch"])
    if asked.only != "watch":
        content["advance"] = measure_advance(kept)
        show_advance(content["advance"])
    if not asked.dry:
        save(content)


def show_watch(found: dict[str, Any]) -> None:
    """Print the cases as a table."""
    columns = ("core_seconds", "system_seconds", "beyond_empty", "beyond_packages", "peak_mib", "wall_seconds")
    print("\n" + " " * 20 + "".join(f"{name:>20}" for name in (*columns, "server_core_seconds")))
    for name, figures in found["cases"].items():
        print(f"{name:<20}" + "".join(f"{figures[column]:>20.2f}" for column in (*columns, "server_core_seconds")))


def show_advance(found: dict[str, Any]) -> None:
    """Print what one reading takes."""
    print(f"\none reading, {found['features']} features, {found['detector']}: milliseconds of a core")
    for name, figures in found["milliseconds"].items():
        print(f"{name:<24}median {figures['median']:.4f}   nine in ten up to {figures['p90']:.4f}")


if __name__ == "__main__":
    main()
