"""A home of the previous release opens with this one: same answers, same model, same scores.

The home lies in ``tests/data``; ``make_old_home.py`` beside it says how it was made.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.flows.conftest import Home, Nursery
from wheeltapper import tables

pytestmark = pytest.mark.slow  # real processes

ARCHIVE = Path(__file__).parents[1] / "data" / "old_home.tar.xz"
PRINTED = ("leaderboard", "alarms", "ledger")


@pytest.fixture(scope="module")
def old(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Unpack the home in another place than where it was made; for tests that change nothing in it."""
    place = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    return Home(place / "home", place / "line.yaml", nursery)


@pytest.fixture
def copied(old: Home, tmp_path: Path) -> Home:
    """Copy the home for a test that goes on with it."""
    place = Path(shutil.copytree(old.folder.parent, tmp_path / "place"))
    return Home(place / "home", place / "line.yaml", old.nursery)


def answer(home: Home, command: str) -> Any:
    """Return the JSON that a command prints."""
    ended = home.run(command, "--json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def printed_fields(answer: Any, printed: Any) -> Any:
    """Leave out of an answer what the old release did not print: a new release may say more, and nothing else."""
    if isinstance(answer, dict) and isinstance(printed, dict):
        return {name: printed_fields(answer[name], value) for name, value in printed.items() if name in answer}
    if isinstance(answer, list) and isinstance(printed, list) and len(answer) == len(printed):
        return [printed_fields(*pair) for pair in zip(answer, printed, strict=True)]
    return answer


def live(home: Home) -> dict[str, Any]:
    """Return which bundle is live, and the versions that there are."""
    models = home.models()
    return {"live": models["live"], "versions": models["versions"]}


@pytest.mark.parametrize("command", PRINTED)
def test_an_old_home_answers_as_it_did(old: Home, command: str) -> None:
    """Leaderboard, alarms with what a person said of them, and ledger: every figure that the old release printed."""
    printed = json.loads((old.plant.parent / "printed" / f"{command}.json").read_text(encoding="utf-8"))
    assert printed_fields(answer(old, command), printed) == printed


def test_an_old_home_is_whole(old: Home) -> None:
    """Every file of every table and model is as it was written, and the ledger's chain is unbroken."""
    ended = old.nursery.run(old.folder, "store", "verify", "--json")
    assert (ended.code, json.loads(ended.out), ended.err) == (0, [], "")
    assert answer(old, "ledger")["breaks"] == []
    assert {entry["verdict"] for entry in answer(old, "ledger")["entries"]} >= {"promote", "confirm", "dismiss"}


def test_an_old_model_scores_as_it_did(copied: Home) -> None:
    """Where the scores of an old home are lost, its champion finds the same ones again."""
    before = copied.store.read(tables.SCORES)
    shutil.rmtree(copied.folder / "store" / "line" / "scores")
    ended = copied.run("score")
    assert (ended.code, ended.err) == (0, "")
    after = copied.store.read(tables.SCORES)
    # Exactly, on the machine that wrote them; another processor may round the last of 16 digits otherwise.
    pd.testing.assert_frame_equal(after, before, check_exact=False, rtol=1e-12, atol=0)


def test_an_old_home_goes_on_with_its_champion(copied: Home) -> None:
    """Training again on the same readings leaves the same model live; nothing is scored twice."""
    before, contents = live(copied), copied.contents()
    for command in ("train", "score"):
        ended = copied.run(command)
        assert (ended.code, ended.err) == (0, "")
    assert live(copied) == before
    assert copied.damage() == []
    assert {name: copied.contents()[name] for name in ("scores", "alarms")} == {
        name: contents[name] for name in ("scores", "alarms")
    }
