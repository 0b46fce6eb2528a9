"""Without a known fault a better candidate replaces the champion: it finds more of the same injected faults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.flows.conftest import SIMULATED, Home, Nursery

pytestmark = pytest.mark.slow  # real servers and processes

BETTER = SIMULATED.replace("features: [latest]", "features: [latest, rolling]").replace(
    "candidates: [isolation_forest: {n_estimators: 20}, pca_residual]", "candidates: [mahalanobis]"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Home:
    """Return a home after a training on readings alone, and one of a candidate that sees more."""
    path = tmp_path_factory.mktemp("conf") / "unjudged.yaml"
    unjudged = Home.furnished(tmp_path_factory.mktemp("unjudged"), path, nursery)
    for text in (SIMULATED, BETTER):
        path.write_text(text)
        for step in ("ingest", "featurize", "train"):
            ended = unjudged.run(step)
            assert (ended.code, ended.err) == (0, ""), ended.out
    return unjudged


def judged(home: Home) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the last verdict, and its gates by name."""
    leaderboard = json.loads(home.run("leaderboard", "--json").out)
    return leaderboard["verdict"], {gate["name"]: gate for gate in leaderboard["gates"]}


def test_whoever_hears_more_of_the_same_faults_is_promoted(home: Home) -> None:
    """The old champion is asked with its own features, which are part of the new ones."""
    verdict, gates = judged(home)
    assert verdict == "promote"
    duel = gates["beats_champion"]
    assert duel["passed"] and duel["figure"] > duel["limit"] + 0.1
    assert "the live champion" in duel["reason"]
    assert gates["surely_beats_champion"]["figure"] == 1


@pytest.mark.long
def test_a_champion_that_was_asked_about_other_faults_stays(home: Home) -> None:
    """Windows of three hours are other episodes in another time: the two cannot be compared, so nothing changes."""
    home.plant.write_text(BETTER.replace("rows: 5", "rows: 90"))
    for step in ("featurize", "train"):
        ended = home.run(step)
        assert (ended.code, ended.err) == (0, ""), ended.out
    verdict, gates = judged(home)
    assert verdict == "keep"
    assert gates["beats_champion"]["passed"] is None
    assert "their windows differ" in gates["beats_champion"]["reason"]
