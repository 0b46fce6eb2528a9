"""Repeated work finds what it made before, one promotion wins, and nothing in a model can run."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import numpy as np
import pandas as pd
import pytest
import yaml

from wheeltapper import faultpoints, manifest
from wheeltapper.errors import BundleError, RegistryError
from wheeltapper.registry import Dataset, Registry
from wheeltapper.registry.database import connect, schema_revision
from wheeltapper.station import new_database

PLANT, OBJECTIVE = "pump_station", "detect"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database: making one takes seconds, copying it does not."""
    place = tmp_path_factory.mktemp("mlflow")
    Registry(f"sqlite:///{place / 'mlflow.db'}", place / "files", "template").prepare()
    return place / "mlflow.db"


@pytest.fixture
def open_registry(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Registry]:
    """Open the same database as often as a test likes, from a folder where stray files would be seen."""
    shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda: Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlartifacts", PLANT)


@pytest.fixture
def registry(open_registry: Callable[[], Registry]) -> Registry:
    return open_registry()


def write_bundle(place: Path, number: int = 1) -> tuple[Path, str]:
    folder = place / f"bundle-{number}"
    files = {"bundle.json": b"{}", "arrays.npz": manifest.pack({"x": np.full(3, float(number))})}
    return folder, manifest.write(folder, files)


def register(registry: Registry, place: Path, number: int) -> int:
    """Train, keep and register one bundle."""
    parent = registry.parent_run("training", "training")
    run = registry.candidate_run(parent, f"candidate-{number}", "lof")
    folder, bundle = write_bundle(place, number)
    return registry.register(PLANT, OBJECTIVE, registry.log_bundle(run, folder, ["a"], ["numpy"]), run, bundle)


def test_a_new_home_gets_a_copy_of_an_empty_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first home's database is made and kept; the second is copied, and holds nothing of the first."""
    kept, (first, second) = tmp_path / "cache" / "mlflow.db", (tmp_path / "first", tmp_path / "second")
    monkeypatch.setattr(new_database, "kept", lambda _: kept)
    for home in (first, second):
        home.mkdir()
        monkeypatch.chdir(home)
        Registry(f"sqlite:///{home / 'mlflow.db'}", home / "files", PLANT).parent_run("training", home.name)
        assert schema_revision(kept) == schema_revision(home / "mlflow.db")
        assert not list(home.glob("mlflow.db.[0-9a-f]*"))  # nothing was migrated
    with closing(sqlite3.connect(second / "mlflow.db")) as database:
        assert database.execute("SELECT name FROM runs").fetchall() == [("second",)]
        places = [place for (place,) in database.execute("SELECT artifact_location FROM experiments")]
    assert len(places) == 2
    assert all(str(second) in place for place in places)


# -- runs


def test_a_run_is_found_again_by_its_key(registry: Registry) -> None:
    """The same key is the same run; another key, or the same candidate of another training, is another."""
    first = registry.parent_run("data@v3", "training", tags={"data": "v3"}, params={"seed": 42})
    assert registry.parent_run("data@v3", "training", tags={"data": "v3"}, params={"seed": 42}) == first
    second = registry.parent_run("data@v4", "training")
    assert second != first
    candidate = registry.candidate_run(first, "lof", "lof")
    assert registry.candidate_run(first, "lof", "lof") == candidate
    assert registry.candidate_run(second, "lof", "lof") != candidate
    assert [row["run_id"] for row in registry.candidates(first)] == [candidate]


def test_trials_lie_below_their_candidate(registry: Registry) -> None:
    """A trial is found again by its key; it is listed below its candidate, and not among the candidates."""
    parent = registry.parent_run("key", "training")
    candidate = registry.candidate_run(parent, "key:lof", "lof")
    trial = registry.trial_run(candidate, "key:lof:abc", "n_neighbors=10")
    assert registry.trial_run(candidate, "key:lof:abc", "n_neighbors=10") == trial
    assert registry.trial_run(candidate, "key:lof:def", "n_neighbors=20") != trial
    assert [row["name"] for row in registry.candidates(candidate)] == ["n_neighbors=10", "n_neighbors=20"]
    assert [row["name"] for row in registry.candidates(parent)] == ["lof"]


def test_an_interrupted_run_is_reopened_and_a_finished_one_is_not(registry: Registry) -> None:
    """A killed run continues; a finished run stays finished."""
    run = registry.parent_run("key", "training")
    assert not registry.finished(run)
    registry.finish(run, "FAILED")
    assert registry.parent_run("key", "training") == run
    registry.candidate_run(run, "lof", "lof")
    assert registry.client.call("get_run", run).info.status == "RUNNING"
    registry.finish(run)
    assert registry.parent_run("key", "training") == run
    assert registry.finished(run)


def test_finishing_twice_keeps_the_first_end(registry: Registry) -> None:
    """Doing it again must not make the run look longer than it was."""
    run = registry.parent_run("key", "training")
    registry.finish(run)
    end = registry.client.call("get_run", run).info.end_time
    registry.finish(run)
    assert registry.client.call("get_run", run).info.end_time == end


def test_everything_logged_is_there(registry: Registry, tmp_path: Path) -> None:
    """Settings, figures, pictures, documents and data sets of a candidate, and its row on the leaderboard."""
    from matplotlib.figure import Figure

    picture = tmp_path / "elsewhere.png"
    Figure().savefig(picture)
    parent = registry.parent_run("key", "training")
    run = registry.candidate_run(parent, "lof", "lof")
    registry.log(
        run,
        params={"n_neighbors": 20, "sets": ["latest", "rates"]},
        metrics={"vus_pr": 0.25, "delay": float("nan")},
        tags={"verdict": "keep"},
        figures={"severity.png": Figure(), "roc.png": picture, "kinds.png": picture.read_bytes()},
        documents={"gates.json": {"beats_baselines": True}, "why.txt": "calm"},
        datasets=[Dataset("readings", "d" * 64, "delta table readings@v3", "train", 1000, {"pressure": "double"})],
    )
    (row,) = registry.candidates(parent)
    assert row["name"] == "lof"
    assert row["status"] == "RUNNING"
    assert row["params"] == {"n_neighbors": "20", "sets": '["latest", "rates"]'}
    assert row["metrics"]["vus_pr"] == 0.25
    assert np.isnan(row["metrics"]["delay"])
    assert row["tags"]["verdict"] == "keep"
    files = tmp_path / "mlartifacts" / run / "artifacts"
    assert sorted(path.name for path in (files / "figures").iterdir()) == ["kinds.png", "roc.png", "severity.png"]
    assert (files / "figures" / "kinds.png").read_bytes() == picture.read_bytes()
    assert json.loads((files / "gates.json").read_text()) == {"beats_baselines": True}
    assert (files / "why.txt").read_text() == "calm"
    (shown,) = registry.client.call("get_run", run).inputs.dataset_inputs
    assert (shown.dataset.name, shown.dataset.digest) == ("readings", "d" * 36)
    assert json.loads(shown.dataset.source) == {"uri": "delta table readings@v3"}
    assert shown.tags[0].value == "train"


def test_a_document_is_read_back(registry: Registry) -> None:
    """A JSON document is read back; a missing one is named together with its run."""
    run = registry.parent_run("key", "training")
    registry.log(run, documents={"judgement/gates.json": {"beats_baselines": True}})
    assert registry.document(run, "judgement/gates.json") == {"beats_baselines": True}
    with pytest.raises(RegistryError, match=rf"run {run} has no document 'verdict\.json'"):
        registry.document(run, "verdict.json")


def test_logging_again_changes_nothing_and_a_new_figure_wins(registry: Registry) -> None:
    """The same figure is kept once; a lower one that comes later is the one that is shown."""
    run = registry.parent_run("key", "training")
    for _ in range(2):
        registry.log(run, metrics={"cost": 12.0, "delay": float("nan")})
    assert len(registry.client.call("get_metric_history", run, "cost")) == 1
    registry.log(run, metrics={"cost": 3.0})
    assert registry.client.call("get_run", run).data.metrics["cost"] == 3.0


def test_more_than_mlflow_takes_at_a_time(registry: Registry) -> None:
    """Two hundred and fifty settings and figures arrive, although MLflow takes a hundred at a time."""
    run = registry.parent_run("key", "training")
    registry.log(run, params={f"p{i}": i for i in range(250)}, metrics={f"m{i}": i for i in range(250)})
    data = registry.client.call("get_run", run).data
    assert len(data.params) == len(data.metrics) == 250


def test_a_changed_parameter_and_an_infinite_figure_are_refused(registry: Registry) -> None:
    """MLflow would keep the first silently wrong and turn the second into 1.8e308."""
    run = registry.parent_run("key", "training", params={"seed": 42})
    with pytest.raises(RegistryError, match="seed"):
        registry.log(run, params={"seed": 43})
    with pytest.raises(RegistryError, match="metric 'cost' is infinite"):
        registry.log(run, metrics={"cost": float("inf")})


def test_a_key_with_quotes_is_refused(registry: Registry) -> None:
    """A key ends up in a search; quotes would change what is searched for."""
    with pytest.raises(RegistryError, match="without quotes"):
        registry.parent_run("x' or 'a' = 'a", "training")


def test_threads_log_in_parallel(registry: Registry) -> None:
    """Four candidates at once: each gets its own run with its own figures."""
    parent = registry.parent_run("key", "training")
    start = Barrier(4)

    def train(number: int) -> None:
        start.wait()
        run = registry.candidate_run(parent, f"candidate-{number}", f"candidate-{number}")
        registry.log(run, params={"number": number}, metrics={"score": number})
        registry.finish(run)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(train, range(4)))
    rows = registry.candidates(parent)
    assert [(row["name"], row["params"], row["metrics"], row["status"]) for row in rows] == [
        (f"candidate-{i}", {"number": str(i)}, {"score": float(i)}, "FINISHED") for i in range(4)
    ]


def test_the_same_candidate_in_two_threads_is_one_run(open_registry: Callable[[], Registry]) -> None:
    """Two runs of the same training at the same moment do not double a candidate."""
    parent = open_registry().parent_run("key", "training")
    start = Barrier(4)

    def create(registry: Registry) -> str:
        start.wait()
        return registry.candidate_run(parent, "lof", "lof")

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(create, [open_registry() for _ in range(4)]))) == 1


def test_a_busy_database_is_waited_for(registry: Registry, tmp_path: Path) -> None:
    """Someone else writes for a second: nothing is lost and nothing fails."""
    from threading import Timer

    run = registry.parent_run("key", "training")
    writer = sqlite3.connect(tmp_path / "mlflow.db", check_same_thread=False)
    try:
        writer.execute("BEGIN IMMEDIATE")
        Timer(1.0, writer.rollback).start()
        registry.log(run, metrics={"score": 1.0})
    finally:
        writer.close()
    assert registry.client.call("get_run", run).data.metrics == {"score": 1.0}


def test_the_last_finished_training_is_found(registry: Registry) -> None:
    """Neither a candidate nor a training that is still running is a plant's last training."""
    assert registry.last_run(PLANT) is None
    assert registry.last_run("unknown_plant") is None
    first, second = (registry.parent_run(key, key) for key in ("first", "second"))
    registry.finish(registry.candidate_run(first, "lof", "lof"))
    assert registry.last_run(PLANT) is None
    registry.finish(first)
    last = registry.last_run(PLANT)
    assert last is not None
    assert (last["run_id"], last["name"]) == (first, "first")
    registry.finish(second)
    last = registry.last_run(PLANT)
    assert last is not None
    assert last["run_id"] == second


# -- bundles


def test_a_model_has_a_signature_and_nothing_that_runs(registry: Registry, tmp_path: Path) -> None:
    """MLmodel says what goes in and comes out; no pickle, no code, and MLflow itself cannot load it."""
    run = registry.parent_run("key", "training")
    folder, bundle = write_bundle(tmp_path)
    example = pd.DataFrame({"pressure": [4.0], "current": [11.0]})
    registry.log_bundle(run, folder, ["pressure", "current"], ["numpy==2.2"], example)
    (mlmodel,) = (tmp_path / "mlartifacts").rglob("MLmodel")
    described = yaml.safe_load(mlmodel.read_text())
    inputs, outputs = (json.loads(described["signature"][side]) for side in ("inputs", "outputs"))
    assert [(column["name"], column["type"]) for column in inputs] == [("pressure", "double"), ("current", "double")]
    assert [column["name"] for column in outputs] == ["score", "threshold", "severity"]
    assert described["flavors"] == {
        "wheeltapper": {"bundle": "bundle", "bundle_hash": bundle, "wheeltapper_version": "0.1.0"}
    }
    assert (mlmodel.parent / "requirements.txt").read_text() == "numpy==2.2\n"
    assert json.loads((mlmodel.parent / "input_example.json").read_text()) == {
        "columns": ["pressure", "current"],
        "data": [[4.0, 11.0]],
    }
    stored = {path.relative_to(mlmodel.parent).as_posix() for path in mlmodel.parent.rglob("*") if path.is_file()}
    ours = {"bundle/arrays.npz", "bundle/bundle.json", "bundle/manifest.json"}
    assert stored == ours | {"MLmodel", "requirements.txt", "input_example.json"}
    for path in (tmp_path / "mlartifacts").rglob("*"):
        assert path.suffix not in (".pkl", ".pickle", ".py", ".joblib")


def test_a_bundle_is_logged_once(registry: Registry, tmp_path: Path) -> None:
    """The same bundle of the same run is one model, another bundle is another."""
    run = registry.parent_run("key", "training")
    model = registry.log_bundle(run, write_bundle(tmp_path)[0], ["a"], ["numpy"])
    assert registry.log_bundle(run, write_bundle(tmp_path)[0], ["a"], ["numpy"]) == model
    assert registry.log_bundle(run, write_bundle(tmp_path, 2)[0], ["a"], ["numpy"]) != model
    assert len(registry.client.call("get_run", run).outputs.model_outputs) == 2


@pytest.mark.parametrize("model_first", [True, False])
def test_figures_and_settings_are_shown_at_the_model(registry: Registry, tmp_path: Path, model_first: bool) -> None:
    """In either order, the model shows the figures of its run; a missing figure is not 0 there."""
    run = registry.parent_run("key", "training")
    for step in (model_first, not model_first):
        if step:
            model = registry.log_bundle(run, write_bundle(tmp_path)[0], ["a"], ["numpy"])
        else:
            registry.log(run, params={"trees": 200}, metrics={"vus_pr": 0.25, "delay": float("nan")})
    shown = registry.client.call("get_logged_model", model.removeprefix("models:/"))
    assert [(metric.key, metric.value) for metric in shown.metrics] == [("vus_pr", 0.25)]
    assert shown.params == {"trees": "200"}
    assert len(registry.client.call("get_metric_history", run, "vus_pr")) == 1


def test_a_damaged_bundle_is_not_logged(registry: Registry, tmp_path: Path) -> None:
    """A bundle that does not match its manifest never reaches the registry."""
    run = registry.parent_run("key", "training")
    folder, _ = write_bundle(tmp_path)
    (folder / "bundle.json").write_bytes(b"[]")
    with pytest.raises(BundleError, match=r"bundle\.json was changed"):
        registry.log_bundle(run, folder, ["a"], ["numpy"])
    assert registry.client.call("get_run", run).outputs.model_outputs == []


def test_an_interrupted_upload_is_completed(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that failed to arrive the first time arrive the second time, in the same model."""
    from mlflow import MlflowClient

    run = registry.parent_run("key", "training")
    folder, bundle = write_bundle(tmp_path)

    def fail(self: object, model_id: str, place: str) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken, pytest.raises(OSError, match="no space"):
        broken.setattr(MlflowClient, "log_model_artifacts", fail)
        registry.log_bundle(run, folder, ["a"], ["numpy"])
    model = registry.log_bundle(run, folder, ["a"], ["numpy"])
    version = registry.register(PLANT, OBJECTIVE, model, run, bundle)
    assert manifest.verify(registry.download(registry.versions(PLANT, OBJECTIVE)[0]), bundle) == bundle
    assert version == 1
    assert len(list((tmp_path / "mlartifacts" / "models").iterdir())) == 1


def test_files_that_were_lost_are_kept_again(registry: Registry, tmp_path: Path) -> None:
    """A power loss after the upload is repaired by the next run, in the same model."""
    run = registry.parent_run("key", "training")
    folder, bundle = write_bundle(tmp_path)
    model = registry.log_bundle(run, folder, ["a"], ["numpy"])
    (arrays,) = (tmp_path / "mlartifacts").rglob("arrays.npz")
    arrays.write_bytes(b"")
    assert registry.log_bundle(run, folder, ["a"], ["numpy"]) == model
    assert manifest.verify(arrays.parent) == bundle


# -- versions and aliases


def test_a_version_downloads_and_verifies(registry: Registry, tmp_path: Path) -> None:
    """The downloaded bytes are the written ones, in place or as a copy."""
    register(registry, tmp_path, 1)
    (version,) = registry.versions(PLANT, OBJECTIVE)
    written = manifest.read(tmp_path / "bundle-1")
    assert manifest.read(registry.download(version), version.bundle) == written
    assert manifest.read(registry.bundle_folder(version.model_uri), version.bundle) == written
    assert manifest.read(registry.download(version, tmp_path / "copy"), version.bundle) == written


@pytest.mark.parametrize("attack", ["change", "extra", "link", "swap"])
def test_a_tampered_version_is_refused(registry: Registry, tmp_path: Path, attack: str) -> None:
    """Changed byte, extra pickle, link or another whole bundle in the artefact store: each is named and refused."""
    register(registry, tmp_path, 1)
    (version,) = registry.versions(PLANT, OBJECTIVE)
    folder = registry.download(version)
    if attack == "change":
        (folder / "arrays.npz").write_bytes((folder / "arrays.npz").read_bytes()[:-1] + b"!")
    elif attack == "extra":
        (folder / "model.pkl").write_bytes(b"")
    elif attack == "link":
        (folder / "arrays.npz").rename(tmp_path / "away")
        (folder / "arrays.npz").symlink_to(tmp_path / "away")
    else:
        shutil.rmtree(folder)
        shutil.copytree(write_bundle(tmp_path, 2)[0], folder)
    message = {
        "change": r"arrays\.npz was changed",
        "extra": r"model\.pkl does not belong",
        "link": r"arrays\.npz is a link",
        "swap": "holds another bundle",
    }[attack]
    with pytest.raises(BundleError, match=message):
        manifest.read(registry.download(version), version.bundle)


def test_a_bundle_is_registered_once(registry: Registry, tmp_path: Path) -> None:
    """The same bundle keeps its version; versions of an objective are listed newest first."""
    assert [register(registry, tmp_path, number) for number in (1, 2, 1)] == [1, 2, 1]
    assert [version.version for version in registry.versions(PLANT, OBJECTIVE)] == [2, 1]
    assert registry.versions(PLANT, "failure_type") == []
    shown = [model.tags["mlflow.modelVersions"] for model in registry.client.call("search_logged_models", ["2"])]
    assert sorted(json.loads(text)[0]["version"] for text in shown) == [1, 2]


def test_a_version_of_someone_else_is_refused(registry: Registry, tmp_path: Path) -> None:
    """A version that was registered by hand has no bundle hash, so nothing about it can be checked."""
    register(registry, tmp_path, 1)
    registry.client.call("create_model_version", f"{PLANT}.{OBJECTIVE}", (tmp_path / "elsewhere").as_uri())
    with pytest.raises(RegistryError, match=r"version 2 of pump_station\.detect was not registered by Wheeltapper"):
        registry.versions(PLANT, OBJECTIVE)


def test_nothing_is_written_where_the_program_runs(registry: Registry, tmp_path: Path) -> None:
    """MLflow's default database does not appear in the current folder."""
    register(registry, tmp_path, 1)
    registry.set_alias(PLANT, OBJECTIVE, "champion", 1, expected=None)
    assert list(Path.cwd().iterdir()) == []


def test_promotion_keeps_the_previous_champion(registry: Registry, tmp_path: Path) -> None:
    """No champion, then version 1, then version 2 with version 1 as the way back."""
    for number in (1, 2):
        register(registry, tmp_path, number)
    assert registry.champion(PLANT, OBJECTIVE) is None
    registry.set_alias(PLANT, OBJECTIVE, "champion", 1, expected=None)
    assert registry.at(PLANT, OBJECTIVE, "previous") is None
    registry.set_alias(PLANT, OBJECTIVE, "champion", 2, expected=1)
    champion, previous = registry.champion(PLANT, OBJECTIVE), registry.at(PLANT, OBJECTIVE, "previous")
    assert champion is not None
    assert previous is not None
    assert (champion.version, previous.version) == (2, 1)
    assert champion.bundle == manifest.verify(tmp_path / "bundle-2")
    assert champion.aliases == ("champion",)


def test_a_promotion_that_expects_another_champion_is_refused(registry: Registry, tmp_path: Path) -> None:
    """The message names both; nothing was changed. Repeating one's own promotion is no conflict."""
    for number in (1, 2, 3):
        register(registry, tmp_path, number)
    registry.set_alias(PLANT, OBJECTIVE, "champion", 2, expected=None)
    for expected, description in ((None, "nothing"), (1, "version 1")):
        with pytest.raises(RegistryError, match=f"expected champion to be {description}, but it is version 2"):
            registry.set_alias(PLANT, OBJECTIVE, "champion", 3, expected=expected)
    registry.set_alias(PLANT, OBJECTIVE, "champion", 2, expected=None)
    champion = registry.champion(PLANT, OBJECTIVE)
    assert champion is not None
    assert champion.version == 2
    assert registry.at(PLANT, OBJECTIVE, "previous") is None


def test_an_unknown_version_is_refused(registry: Registry, tmp_path: Path) -> None:
    """The message says which versions there are, and the champion stays."""
    register(registry, tmp_path, 1)
    registry.set_alias(PLANT, OBJECTIVE, "champion", 1, expected=None)
    with pytest.raises(RegistryError, match=r"has no version 7 \(it has: 1\)"):
        registry.set_alias(PLANT, OBJECTIVE, "champion", 7, expected=1)
    assert registry.at(PLANT, OBJECTIVE, "previous") is None


def test_of_racing_promotions_one_wins(open_registry: Callable[[], Registry], tmp_path: Path) -> None:
    """Four promoters see the same champion at the same moment: one succeeds, three get an error."""
    for number in range(1, 6):
        register(open_registry(), tmp_path, number)
    open_registry().set_alias(PLANT, OBJECTIVE, "champion", 1, expected=None)
    start = Barrier(4)

    def promote(registry: Registry, version: int) -> bool:
        start.wait()
        try:
            registry.set_alias(PLANT, OBJECTIVE, "champion", version, expected=1)
        except RegistryError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(promote, [open_registry() for _ in range(4)], range(2, 6)))
    assert sum(won) == 1
    champion, previous = (open_registry().at(PLANT, OBJECTIVE, alias) for alias in ("champion", "previous"))
    assert champion is not None
    assert previous is not None
    assert (champion.version, previous.version) == (won.index(True) + 2, 1)


def test_an_alias_can_be_taken_away(registry: Registry, tmp_path: Path) -> None:
    """A challenger that lost is no challenger any more; taking it away twice is no mistake."""
    register(registry, tmp_path, 1)
    registry.set_alias(PLANT, OBJECTIVE, "challenger", 1, expected=None)
    challenger = registry.challenger(PLANT, OBJECTIVE)
    assert challenger is not None
    assert challenger.version == 1
    with pytest.raises(RegistryError, match="expected challenger to be version 2"):
        registry.drop_alias(PLANT, OBJECTIVE, "challenger", expected=2)
    for _ in range(2):
        registry.drop_alias(PLANT, OBJECTIVE, "challenger", expected=1)
    assert registry.challenger(PLANT, OBJECTIVE) is None


@pytest.mark.parametrize("point", ["after_run", "after_bundle", "after_register", "after_alias"])
def test_a_run_that_died_is_completed_without_doubles(
    open_registry: Callable[[], Registry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Wherever the first attempt dies, the second one ends with one run, one model, one version, one champion."""

    def train() -> None:
        registry = open_registry()
        register(registry, tmp_path, 1)
        registry.set_alias(PLANT, OBJECTIVE, "champion", 1, expected=None)

    with monkeypatch.context() as dying, pytest.raises(faultpoints.InjectedFaultError):
        dying.setenv(faultpoints.VARIABLE, f"registry.{point}:1:raise")
        train()
    train()
    registry = open_registry()
    parent = registry.parent_run("training", "training")
    assert [row["name"] for row in registry.candidates(parent)] == ["lof"]
    assert len(list((tmp_path / "mlartifacts" / "models").iterdir())) == 1
    assert [(version.version, version.aliases) for version in registry.versions(PLANT, OBJECTIVE)] == [
        (1, ("champion",))
    ]


# -- the database


def test_a_deleted_experiment_is_not_silently_replaced(
    registry: Registry, open_registry: Callable[[], Registry]
) -> None:
    """The message says how to bring it back."""
    registry.prepare()
    registry.client.call("delete_experiment", registry.client.experiment_id)
    with pytest.raises(RegistryError, match="mlflow experiments restore --experiment-id 2"):
        open_registry().prepare()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """The message names the address."""
    (tmp_path / "mlflow.db").write_bytes(b"not a database, but long enough to look like one" * 10)
    with pytest.raises(RegistryError, match=r"cannot open sqlite:.*mlflow\.db"):
        Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "files", PLANT).prepare()


@pytest.mark.slow
def test_an_older_database_is_migrated_after_a_copy(tmp_path: Path) -> None:
    """A database that an older MLflow made works after prepare, and a copy of the old one lies beside it."""
    from alembic import command
    from mlflow.store.db import utils
    from mlflow.store.tracking.dbmodels.initial_models import Base

    older = "17e22815139b"
    database = tmp_path / "mlflow.db"
    engine = utils.create_sqlalchemy_engine_with_retry(f"sqlite:///{database}")
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config = utils._get_alembic_config(f"sqlite:///{database}")
        config.attributes["connection"] = connection
        command.upgrade(config, older)
    engine.dispose()
    Registry(f"sqlite:///{database}", tmp_path / "files", PLANT).prepare()
    assert [schema_revision(tmp_path / name) for name in ("mlflow.db", f"mlflow.db.{older}")] == [
        utils._get_latest_schema_revision(),
        older,
    ]


def test_a_newer_database_is_refused(empty_database: Path, tmp_path: Path) -> None:
    """Going back to an older MLflow says so and does not touch the database."""
    database = tmp_path / "mlflow.db"
    shutil.copyfile(empty_database, database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00df00df00d'")
        connection.commit()
    with pytest.raises(RegistryError, match="was made by a newer MLflow"):
        Registry(f"sqlite:///{database}", tmp_path / "files", PLANT).prepare()
    assert schema_revision(database) == "f00df00df00d"


_RACER = """
import logging, sys
from pathlib import Path
logging.basicConfig(level=logging.INFO)  # as Prefect does: so that output of MLflow and Alembic would be visible
from wheeltapper.registry import Registry
home = Path(sys.argv[1])
registry = Registry(f"sqlite:///{home / 'mlflow.db'}", home / "mlartifacts", "pump_station")
registry.prepare()
run = registry.parent_run("key", "training", params={"seed": 42})
registry.log(run, metrics={sys.argv[2]: 1.0})
print(run)
"""


@pytest.mark.slow
def test_processes_race_to_a_fresh_database_in_silence(tmp_path: Path) -> None:
    """Three processes start at once on nothing: one database, one run, and not a word from MLflow."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(tmp_path), f"racer_{number}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=tmp_path,
            text=True,
        )
        for number in range(3)
    ]
    ends = [racer.communicate(timeout=120) for racer in racers]
    assert [(racer.returncode, output[1]) for racer, output in zip(racers, ends, strict=True)] == [(0, "")] * 3
    (run,) = {output[0].strip() for output in ends}
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlartifacts", PLANT)
    assert sorted(registry.client.call("get_run", run).data.metrics) == ["racer_0", "racer_1", "racer_2"]


def test_importing_the_door_does_not_import_mlflow() -> None:
    """`import wheeltapper.registry` stays light."""
    code = "import sys, wheeltapper.registry; sys.exit('mlflow' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.slow
def test_a_database_is_made_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that makes MLflow's tables is stopped half-way: the next one finds nothing, and makes them all."""
    from mlflow.store.db import utils

    uri = f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}"

    def stop(_engine: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_database, "kept", lambda _package: tmp_path / "kept.db")
    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr(utils, "_upgrade_db", stop)
        connect(uri)
    assert list((tmp_path / "home").iterdir()) == []
    assert [experiment.name for experiment in connect(uri).search_experiments()] == ["Default"]
    assert (tmp_path / "kept.db").is_file()
