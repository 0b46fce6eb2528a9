"""The live model is what the ledger says, read from where it was found last: MLflow is asked once."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.mill import Mill
from wheeltapper.config import Settings
from wheeltapper.decisions import ledger
from wheeltapper.errors import BundleError, RegistryError
from wheeltapper.registry import Registry
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.live_model import challenger_bundle, live_bundle
from wheeltapper.workspace import OBJECTIVE, Workspace

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, the_mill: Mill) -> tuple[Path, list[str]]:
    """A home whose registry has two bundles, and their hashes; making it takes seconds, copying it does not."""
    home = tmp_path_factory.mktemp("home")
    registry = Registry(f"sqlite:///{home / 'mlflow.db'}", home / "mlartifacts", the_mill.plant.name)
    registry.prepare()
    parent = registry.parent_run("training", "training")
    hashes = []
    for number in (1, 2):
        bundle = the_mill.fit(provenance={"seed": number, "learned_until": {}})
        name = bundle.write(home / f"bundle-{number}")
        run = registry.candidate_run(parent, f"candidate-{number}", bundle.detector_name)
        uri = registry.log_bundle(run, home / f"bundle-{number}", list(bundle.columns), ["numpy"])
        assert registry.register(the_mill.plant.name, OBJECTIVE, uri, run, name) == number
        hashes.append(name)
    return home, hashes


@pytest.fixture
def space(registered: tuple[Path, list[str]], tmp_path: Path, the_mill: Mill) -> Workspace:
    """The plant in a home of its own, in which nothing was decided yet."""
    shutil.copytree(registered[0], tmp_path / "home")
    return Workspace(the_mill.plant, Settings(home=tmp_path / "home"))


def again(space: Workspace, home: Path | None = None) -> Workspace:
    """Open the plant as another process does."""
    return Workspace(space.plant, Settings(home=home or space.settings.home))


def decide(space: Workspace, verdict: Any, bundle: str, hour: int = 0) -> None:
    """Write a verdict into the ledger."""
    ledger.append(
        space.store,
        now=NOON + timedelta(hours=hour),
        actor="pipeline",
        objective=OBJECTIVE,
        verdict=verdict,
        bundle=bundle,
        version="1",
        run=f"run {hour}",
        data={},
        gates=[],
        reason="by the gates",
    )


def name(bundle: bundles.Bundle | None) -> str | None:
    return None if bundle is None else bundles.fingerprint(bundle)


def test_the_registry_is_asked_once(space: Workspace, registered: tuple[Path, list[str]]) -> None:
    """Without MLflow's database the bundle that was read before is read again."""
    decide(space, "promote", registered[1][0])
    assert name(live_bundle(space)) == registered[1][0]
    (space.settings.home / "mlflow.db").unlink()
    assert name(live_bundle(again(space))) == registered[1][0]


def test_a_bundle_that_was_never_read_needs_the_registry(space: Workspace, registered: tuple[Path, list[str]]) -> None:
    """A ledger whose bundle nobody has is an error that says what to do."""
    decide(space, "promote", "0" * 64)
    with pytest.raises(RegistryError, match="Restore MLflow's database"):
        live_bundle(space)


def test_a_changed_bundle_is_refused(space: Workspace, registered: tuple[Path, list[str]]) -> None:
    """That a bundle was read before does not make it trusted."""
    decide(space, "promote", registered[1][0])
    live_bundle(space)
    for file in (space.settings.home / "mlartifacts").rglob("arrays.npz"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"arrays\.npz was changed"):
        live_bundle(again(space))


def test_a_home_may_be_moved(space: Workspace, registered: tuple[Path, list[str]], tmp_path: Path) -> None:
    """What was found last is looked for in the new home."""
    decide(space, "promote", registered[1][0])
    live_bundle(space)
    moved = tmp_path / "moved"
    space.settings.home.rename(moved)
    (moved / "mlflow.db").unlink()
    assert name(live_bundle(again(space, moved))) == registered[1][0]


def test_the_challenger_is_the_ledgers(space: Workspace, registered: tuple[Path, list[str]]) -> None:
    """A challenger scores until another champion is made, whatever MLflow's alias says."""
    first, second = registered[1]
    assert challenger_bundle(space) is None
    decide(space, "promote", first)
    decide(space, "challenge", second, hour=1)
    assert name(challenger_bundle(space)) == second
    decide(space, "keep", first, hour=2)
    assert name(challenger_bundle(space)) == second
    decide(space, "promote", second, hour=3)
    assert challenger_bundle(space) is None
    assert name(live_bundle(space)) == second
