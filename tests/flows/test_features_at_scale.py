"""Feature rows in parts: the same rows whatever the parts, only what is new, and on a Dask cluster as in threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks import featurize
from tests.flows.conftest import Home, Nursery
from wheeltapper import plants, tables

pytestmark = pytest.mark.slow  # real servers and processes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def first_filled(tmp_path_factory: pytest.TempPathFactory, simulated: Path, nursery: Nursery) -> Home:
    """Take two simulated pumps in and compute their features in one part, once for all tests."""
    home = Home(tmp_path_factory.mktemp("filled") / "home", simulated, nursery)
    assert [home.run(step).code for step in ("ingest", "featurize")] == [0, 0]
    return home


@pytest.fixture
def filled(first_filled: Home, tmp_path: Path) -> Home:
    """Return a home of the test's own in which all that is done."""
    shutil.copytree(first_filled.folder, tmp_path / "home")
    return replace(first_filled, folder=tmp_path / "home")


def parts_of(home: Any, rows: int, monkeypatch: pytest.MonkeyPatch, shares: str = "threads") -> list[dict[str, Any]]:
    """Return the parts that a table is cut into, where none may be larger than some rows."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(home.folder))
    monkeypatch.setenv("WHEELTAPPER_RUNNER", shares)
    monkeypatch.setattr(featurize, "PART_ROWS", rows)
    monkeypatch.setattr(featurize, "_follows", lambda *_: False)
    return featurize.plan_features.fn(str(home.plant), None, None)["parts"]


@pytest.mark.parametrize(("rows", "runner", "count"), [(1500, "threads", 4), (1500, "dask", 8), (3000, "threads", 2)])
def test_parts_make_the_same_table(
    filled: Any, monkeypatch: pytest.MonkeyPatch, rows: int, runner: str, count: int
) -> None:
    """Four days of two pumps, cut by day, by two days, or by day and pump: every window once, each as in one piece."""
    expected = filled.store.digest(tables.FEATURES)
    parts = parts_of(filled, rows, monkeypatch, runner)
    assert len(parts) == count
    job = {"readings": filled.store.ref(tables.READINGS).as_dict(), "plan": "x"}
    done = [featurize.compute_part.fn(str(filled.plant), job, part) for part in reversed(parts)]
    assert sum(one["windows"] for one in done) == len(filled.store.read(tables.FEATURES))
    stored = featurize.store_features.fn(str(filled.plant), job, done)
    assert stored["features"]["digest"] == expected
    assert filled.store.strays() == []


def test_rows_of_many_features_are_cut_finer(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only 500 rows of all features may be computed at once, each day is cut in three: the same table."""
    from wheeltapper.features.plan import FeaturePlan

    expected = filled.store.digest(tables.FEATURES)
    columns = len(FeaturePlan.of(plants.load(str(filled.plant))).columns)
    monkeypatch.setattr(featurize, "PART_CELLS", 500 * columns)
    parts = parts_of(filled, 400_000, monkeypatch)
    assert len(parts) == 12
    job = {"readings": filled.store.ref(tables.READINGS).as_dict(), "plan": "x"}
    done = [featurize.compute_part.fn(str(filled.plant), job, part) for part in parts]
    assert max(one["windows"] for one in done) <= 500
    assert featurize.store_features.fn(str(filled.plant), job, done)["features"]["digest"] == expected


def test_only_new_windows_are_computed(line_plant: Any) -> None:
    """A value is corrected: the windows that hold it are computed anew, the second run finds nothing to do."""
    first = [line_plant.run(step) for step in ("ingest", "featurize")]
    assert [one.code for one in first] == [0, 0]
    whole = first[1].out
    again = line_plant.run("featurize")
    assert "no new windows" in again.out
    line_plant.correct("a", {100: 25.0})
    assert line_plant.run("ingest").code == 0
    anew = line_plant.run("featurize")
    assert "computed anew" in anew.out
    assert "computed anew" not in whole
    part = line_plant.store.digest(tables.FEATURES)
    for path in (line_plant.store.folder / "features").rglob("*"):
        if path.is_file():
            path.unlink()
    assert line_plant.run("featurize").code == 0
    assert line_plant.store.digest(tables.FEATURES) == part


def test_a_dask_cluster_computes_the_same(filled: Any, tmp_path: Path) -> None:
    """A real scheduler and two worker processes share the pumps; the table is the same, and both have worked."""
    from distributed import Client, LocalCluster

    expected = filled.store.digest(tables.FEATURES)
    for path in (filled.store.folder / "features").rglob("*"):
        if path.is_file():
            path.unlink()
    env = os.environ | {
        "WHEELTAPPER_HOME": str(filled.folder),
        "WHEELTAPPER_RUNNER": "dask",
        "PREFECT_API_URL": filled.nursery.api,
        "PYTHONPATH": str(ROOT),
    }
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with (
        LocalCluster(**options, dashboard_address=None, local_directory=str(tmp_path), env=env) as cluster,
        Client(cluster) as client,
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "wheeltapper.cli", "featurize", str(filled.plant)],
            env=env | {"WHEELTAPPER_DASK": cluster.scheduler_address},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        took_part = client.run(lambda: "tasks.featurize" in sys.modules)
    assert list(took_part.values()) == [True, True]
    assert filled.store.digest(tables.FEATURES) == expected
