"""Feature rows in parts: the same rows whatever the parts, only what is new, and on a Dask cluster as in threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from expectations import features as promises
from tests.flows.conftest import Home
from wheeltapper import tables
from wheeltapper.features import job as jobs
from wheeltapper.features import table
from wheeltapper.features.job import FeatureJob
from wheeltapper.workspace import Workspace

pytestmark = pytest.mark.slow  # real servers and processes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def filled(undisturbed: Home, tmp_path: Path) -> Home:
    """Return a home of the test's own in which the features of two pumps were computed in one part."""
    return undisturbed.copy(tmp_path / "home")


def planned(
    home: Any, rows: int, monkeypatch: pytest.MonkeyPatch, runner: str = "threads"
) -> tuple[Workspace, FeatureJob]:
    """Plan the whole table anew, in parts of which none may be larger than some rows."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(home.folder))
    monkeypatch.setenv("WHEELTAPPER_RUNNER", runner)
    monkeypatch.setattr(jobs, "PART_ROWS", rows)
    space = Workspace.open(str(home.plant))
    return space, jobs.plan_whole(space)


@pytest.mark.parametrize(("rows", "runner", "count"), [(1500, "threads", 4), (1500, "dask", 8), (3000, "threads", 2)])
def test_parts_make_the_same_table(
    filled: Any, monkeypatch: pytest.MonkeyPatch, rows: int, runner: str, count: int
) -> None:
    """Four days of two pumps, cut by day, by two days, or by day and pump: every window once, each as in one piece."""
    expected = filled.store.digest(tables.FEATURES)
    space, job = planned(filled, rows, monkeypatch, runner)
    assert len(job.parts) == count
    parts = [table.compute_part(space, job, part, promises.check) for part in reversed(job.parts)]
    assert sum(part.windows for part in parts) == len(filled.store.read(tables.FEATURES))
    assert table.store_parts(space, job, parts).features.digest == expected
    assert filled.store.strays() == []


def test_rows_of_many_features_are_cut_finer(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only 500 rows of all features may be computed at once, each day is cut in three: the same table."""
    from wheeltapper import plants
    from wheeltapper.features.plan import FeaturePlan

    expected = filled.store.digest(tables.FEATURES)
    columns = len(FeaturePlan.of(plants.load(str(filled.plant))).columns)
    monkeypatch.setattr(jobs, "PART_VALUES", 500 * columns)
    space, job = planned(filled, 400_000, monkeypatch)
    assert len(job.parts) == 12
    parts = [table.compute_part(space, job, part, promises.check) for part in job.parts]
    assert max(part.windows for part in parts) <= 500
    assert table.store_parts(space, job, parts).features.digest == expected


def test_only_new_windows_are_computed(line_plant: Any) -> None:
    """A value is corrected: the windows that hold it are computed anew, the second run finds nothing to do."""
    first = [line_plant.run(step) for step in ("ingest", "featurize")]
    assert [end.code for end in first] == [0, 0]
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
        took_part = client.run(lambda: "wheeltapper.features.table" in sys.modules)
    assert list(took_part.values()) == [True, True]
    assert filled.store.digest(tables.FEATURES) == expected
