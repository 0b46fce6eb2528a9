"""A Prefect server for all tests of this folder, tiny plants, and commands run as processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import pytest

from tests import shared
from tests.flows.cut_plants import cut  # noqa: F401 - a fixture
from wheeltapper import plants
from wheeltapper.registry.database import connect, quieten
from wheeltapper.station import servers

ROOT = Path(__file__).parents[2]

SIMULATED = """\
description: Two simulated pumps for four days.
asset_type: pump
source:
  simulator: {assets: 2, start: 2026-01-05, duration: 4d, step: 2min, anomaly_rate: 0.08}
windows: {rows: 5, every: 1, max_gap: 6min}
features: [latest]
parts: {by: fraction, train: 0.4, calibrate: 0.25, validate: 0.2, test: 0.15}
candidates: [isolation_forest: {n_estimators: 20}, pca_residual]
alarm_budget: 7
seed: 7
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    modules: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """What it had imported at its end; of a command that was killed, nothing is known."""


@dataclass
class Started:
    """A command on its way."""

    process: int
    out: Path
    err: Path
    modules: Path


@dataclass
class Nursery:
    """Runs ``wheeltapper`` commands, each in a process of its own."""

    process: subprocess.Popen[str]
    folder: Path
    api: str
    database: Path
    """MLflow's database as it is before the first run."""
    count: int = 0

    def start(self, home: Path, *arguments: str, **env: str) -> Started:
        """Start a command with its own WHEELTAPPER_HOME."""
        self.count += 1
        out, err, modules = (self.folder / f"{self.count}.{end}" for end in ("out", "err", "modules"))
        variables = {"WHEELTAPPER_HOME": str(home), "PREFECT_API_URL": self.api, **env}
        files = {"stdout": str(out), "stderr": str(err), "modules": str(modules)}
        return Started(self._ask({"arguments": arguments, "env": variables, **files}), out, err, modules)

    def wait(self, started: Started) -> Ended:
        """Wait for a command."""
        code = self._ask({"wait": started.process})
        modules = json.loads(started.modules.read_text()) if started.modules.exists() else []
        return Ended(code, started.out.read_text(), started.err.read_text(), frozenset(modules))

    def run(self, home: Path, *arguments: str, **env: str) -> Ended:
        """Run a command to its end."""
        return self.wait(self.start(home, *arguments, **env))

    def _ask(self, request: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer: int = json.loads(self.process.stdout.readline())
        return answer


@dataclass(frozen=True)
class Home:
    """Where one test's pipeline keeps things, and what is in it."""

    folder: Path
    plant: Path
    nursery: Nursery = field(repr=False)

    @classmethod
    def furnished(cls, folder: Path, plant: Path, nursery: Nursery) -> Self:
        """Make a home in which MLflow need not make its database first."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(nursery.database, folder)
        return cls(folder, plant, nursery)

    def copy(self, folder: Path) -> Self:
        """Return a home that is a copy of this one."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return replace(self, folder=folder)

    def run(self, *arguments: str, **env: str) -> Ended:
        """Run ``wheeltapper COMMAND PLANT OPTIONS`` to its end."""
        command, *options = arguments
        return self.nursery.run(self.folder, command, str(self.plant), *options, **env)

    def start(self, *arguments: str, **env: str) -> Started:
        """Start ``wheeltapper COMMAND PLANT OPTIONS``."""
        command, *options = arguments
        return self.nursery.start(self.folder, command, str(self.plant), *options, **env)

    @property
    def store(self) -> Any:
        """The plant's tables."""
        from wheeltapper.store import Store

        plant = plants.load(str(self.plant))
        return Store(self.folder / "store", plant.name, period=plant.period)

    @property
    def registry(self) -> Any:
        """The plant's runs and models."""
        from wheeltapper.registry import Registry

        uri = f"sqlite:///{self.folder / 'mlflow.db'}"
        return Registry(uri, self.folder / "mlartifacts", experiment=self.plant.stem)

    def contents(self) -> dict[str, str]:
        """Return table → hash of its content; without the cursor, as it knows more of a file some seconds later."""
        from wheeltapper.tables import DELIVERIES, TABLES

        return {name: self.store.digest(table) for name, table in TABLES.items() if table is not DELIVERIES}

    def versions(self) -> dict[str, int | None]:
        """Return table → its newest version: it moves with every commit, even one that changes nothing."""
        from wheeltapper.tables import TABLES

        return {name: self.store.version(table) for name, table in TABLES.items()}

    def models(self) -> dict[str, Any]:
        """Return what MLflow has: runs by key with their status, versions with their bundle, and what is live."""
        from wheeltapper.workspace import OBJECTIVE

        registry, name = self.registry, self.plant.stem
        runs = registry.runs.matching()  # all of them, with those that should not be there
        live = {alias: registry.at(name, OBJECTIVE, alias) for alias in ("champion", "challenger")}
        return {
            "runs": sorted((run.data.tags["wheeltapper.run"], run.info.status) for run in runs),
            "versions": [(version.version, version.bundle) for version in registry.versions(name, OBJECTIVE)],
            "live": {alias: version and version.bundle for alias, version in live.items()},
        }

    def leaderboard(self) -> Any:
        """Return what the last training found: every figure of every candidate, gates, reasons."""
        judged = self.registry.document(self.registry.last_run(self.plant.stem)["run_id"], "judged.json")
        # MLflow names its runs and models itself.
        return {name: value for name, value in judged.items() if name not in ("model_uri", "candidate_run")}

    def everything(self) -> dict[str, Any]:
        """Return all that two homes with the same plant must have in common."""
        return {"tables": self.contents(), "models": self.models(), "leaderboard": self.leaderboard()}

    def damage(self) -> list[Any]:
        """Return what is broken in tables and ledger."""
        from wheeltapper.decisions import ledger

        return [*self.store.verify(), *ledger.verify(self.store)]

    def files(self) -> list[str]:
        """Return every file here."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Use the one Prefect server of the whole session."""
    with shared.prefect_server(tmp_path_factory) as address:
        yield address


@pytest.fixture(scope="session")
def nursery(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Import everything once in a process that all commands are forked from."""
    folder = tmp_path_factory.mktemp("commands")
    database = shared.once(tmp_path_factory, "mlflow", _empty_database) / "mlflow.db"
    env = {**os.environ, **servers.QUIET, "PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": prefect_api}
    command = [sys.executable, "-W", "ignore", "-c", f"import runpy; runpy.run_path({str(NURSERY)!r})"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=env, **pipes) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == "ready"
        yield Nursery(process, folder, prefect_api, database)
        assert process.stdin is not None
        process.stdin.close()


def _empty_database(folder: Path) -> None:
    """Let MLflow make its tables in a new database, which takes more than a second."""
    quieten()
    connect(f"sqlite:///{folder / 'mlflow.db'}")


NURSERY = Path(__file__).with_name("nursery.py")


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the plant of two simulated pumps."""
    path = tmp_path_factory.mktemp("conf") / "tiny.yaml"
    path.write_text(SIMULATED)
    return path


@pytest.fixture(scope="session")
def second_run(
    undisturbed: Home, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Ended, dict[str, Any], dict[str, Any]]:
    """Run the real program again, from a plant file that has moved; return how it ended and what was there before."""
    before = {**undisturbed.everything(), "table versions": undisturbed.versions()}
    moved = tmp_path_factory.mktemp("moved") / undisturbed.plant.name
    moved.write_text(undisturbed.plant.read_text())
    env = {**os.environ, "WHEELTAPPER_HOME": str(undisturbed.folder), "PREFECT_API_URL": prefect_api}
    command = [sys.executable, "-m", "wheeltapper.cli", "run", str(moved)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    after = {**undisturbed.everything(), "table versions": undisturbed.versions()}
    return Ended(done.returncode, done.stdout, done.stderr), before, after


@pytest.fixture
def home(tmp_path: Path, simulated: Path, nursery: Nursery) -> Home:
    """Return a home for the simulated plant. Nothing was run yet."""
    return Home.furnished(tmp_path / "home", simulated, nursery)


@pytest.fixture
def bare_home(tmp_path: Path, simulated: Path, nursery: Nursery) -> Home:
    """Return a home in which there is not even a database of MLflow."""
    return Home(tmp_path / "home", simulated, nursery)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, simulated: Path, nursery: Nursery) -> Home:
    """Return a home after one undisturbed run: made once a session, copied for each process."""

    def run(folder: Path) -> None:
        ended = Home.furnished(folder, simulated, nursery).run("run")
        assert (ended.code, ended.err) == (0, "")

    made = shared.once(tmp_path_factory, "undisturbed", run)
    return Home(made, simulated, nursery).copy(tmp_path_factory.mktemp("undisturbed"))


LINE = """\
description: Two assets of a production line, from CSV files.
asset_type:
  step: 1min
  sensors:
    temperature: {unit: °C, low: 0, high: 100}
    pressure: {unit: bar, low: 0, high: 20}
source:
  csv_folder: {path: data, time_column: time, fault_column: fault}
windows: {rows: 5, every: 1}
features: [latest, rolling]
candidates: [pca_residual]
"""


@dataclass(frozen=True)
class LineHome(Home):
    """A home whose plant reads two CSV files of 200 rows, that a test may spoil and correct."""

    def file(self, asset: str) -> Path:
        """Return an asset's file."""
        return self.plant.parent / "data" / f"{asset}.csv"

    def correct(self, asset: str, values: dict[int, Any], column: str = "temperature") -> None:
        """Put other values into some rows of a file, counted from 0."""
        header, *rows = self.file(asset).read_text().splitlines()
        for row, value in values.items():
            cells = rows[row].split(",")
            cells[header.split(",").index(column)] = str(value)
            rows[row] = ",".join(cells)
        self.file(asset).write_text("\n".join([header, *rows]) + "\n")

    def rows(self) -> int:
        """Count the rows of all files."""
        files = self.file("a").parent.glob("*.csv")
        return sum(len(file.read_text().splitlines()) - 1 for file in files)


@pytest.fixture
def line_plant(line_yaml: Path, tmp_path: Path, nursery: Nursery) -> LineHome:
    """Return a home for the plant with two CSV files. Nothing was run yet."""
    return LineHome(tmp_path / "home", line_yaml, nursery)


@pytest.fixture
def line_yaml(tmp_path: Path) -> Path:
    """Write a plant with two CSV files; b has a fault from 02:30 on, 20 minutes long."""
    plant = tmp_path / "line.yaml"
    plant.write_text(LINE)
    (tmp_path / "data").mkdir()
    for number, asset in enumerate("ab"):
        lines = ["time,temperature,pressure,fault"]
        for row in range(200):
            inside = asset == "b" and 150 <= row < 170
            cells = (20 + number + row % 7 / 10, 5 + row % 5 / 10, int(inside))
            lines.append(f"2026-01-05T{row // 60:02d}:{row % 60:02d}:00Z,{cells[0]:g},{cells[1]:g},{cells[2]}")
        (tmp_path / "data" / f"{asset}.csv").write_text("\n".join(lines) + "\n")
    return plant
