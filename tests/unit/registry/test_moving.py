"""A home that was moved or copied, with MLflow's database in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wheeltapper import manifest
from wheeltapper.errors import RegistryError
from wheeltapper.registry import Registry

PLANT, OBJECTIVE = "line", "detect"


def registry(home: Path, experiment: str = PLANT) -> Registry:
    """Open what lies in a home."""
    return Registry(f"sqlite:///{home / 'mlflow.db'}", home / "mlartifacts", experiment)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one registered model, and a run with a document."""
    home = tmp_path_factory.mktemp("made") / "home"
    home.mkdir()
    written = registry(home)
    run = written.candidate_run(written.parent_run("key", "training"), "key:lof", "lof")
    written.log(run, documents={"result.json": {"found": 3}})
    bundle = manifest.write(home.parent / "bundle", {"bundle.json": b"{}"})
    model = written.log_bundle(run, home.parent / "bundle", ["a"], ["numpy"])
    written.register(PLANT, OBJECTIVE, model, run, bundle)
    return home


@pytest.fixture
def moved(made: Path, tmp_path: Path) -> Path:
    """The same home in another place, copied as it is."""
    return Path(shutil.copytree(made, tmp_path / "moved"))


def in_use(home: Path) -> tuple[Path, str]:
    """Return where the registered model is read, and where the next run's files will go."""
    opened = registry(home)
    (version,) = opened.versions(PLANT, OBJECTIVE)
    next_run = opened.client.call("get_run", opened.parent_run("next", "training"))
    return opened.download(version), next_run.info.artifact_uri


def test_a_moved_home_reads_and_writes_its_own_files(moved: Path) -> None:
    """Model, documents and new runs are where the database is now, even while the old place is there, too."""
    model, next_run = in_use(moved)
    (row,) = registry(moved).candidates(registry(moved).parent_run("key", "training"))
    assert registry(moved).document(row["run_id"], "result.json") == {"found": 3}
    assert model.is_relative_to(moved / "mlartifacts")
    assert manifest.verify(model)
    assert registry(moved).bundle_folder(row["model_uri"]) == model
    assert next_run.startswith((moved / "mlartifacts").as_uri())


def test_it_is_enough_to_open_any_experiment(moved: Path) -> None:
    """`store verify` looks at all plants at once, through an experiment of MLflow's own."""
    (version,) = registry(moved, "Default").versions(PLANT, OBJECTIVE)
    assert version.source.startswith((moved / "mlartifacts").as_uri())


def test_a_home_that_is_moved_twice_works(made: Path, moved: Path, tmp_path: Path) -> None:
    """Moved twice: the last place counts."""
    in_use(moved)
    back = moved.rename(tmp_path / "moved-again")
    model, next_run = in_use(back)
    assert model.is_relative_to(back)
    assert next_run.startswith(back.as_uri())


def test_a_database_without_its_files_is_refused(moved: Path) -> None:
    """Only the database was copied: the message says where the files were and what to do."""
    shutil.rmtree(moved / "mlartifacts")
    with pytest.raises(RegistryError, match=r"moved without its files: they were in file:.*Move or copy all of"):
        registry(moved).prepare()


def test_what_lies_elsewhere_on_purpose_stays_there(made: Path, moved: Path) -> None:
    """Files in a folder of another name were put there by somebody: nothing is rewritten."""
    before = registry(made).versions(PLANT, OBJECTIVE)[0].source
    elsewhere = Registry(f"sqlite:///{moved / 'mlflow.db'}", moved / "others", PLANT)
    assert elsewhere.versions(PLANT, OBJECTIVE)[0].source == before
