"""A search on the real way through: runs in MLflow, a kill in the middle, and the best options trained with."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import SIMULATED, Home, Nursery
from wheeltapper.scoring import bundle as bundles

pytestmark = pytest.mark.slow  # real servers and processes

SEARCHED = SIMULATED.replace("n_estimators: 20", "n_estimators: 1") + (
    "search: {folds: 2, over: {isolation_forest: {n_estimators: [20, 40]}}}\n"
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> tuple[Home, list[dict[str, Any]]]:
    """Train with a search that is killed once in its second trial; return the home, and the trials at that moment."""
    path = tmp_path_factory.mktemp("conf") / "searched.yaml"
    path.write_text(SEARCHED)
    home = Home.furnished(tmp_path_factory.mktemp("searched"), path, nursery)
    for step in ("ingest", "featurize"):
        assert home.run(step).code == 0
    killed = home.run("train", WHEELTAPPER_FAULT="search.before_finish:2:kill")
    assert killed.code == -signal.SIGKILL, killed
    before = trials(home)
    ended = home.run("run")
    assert (ended.code, ended.err) == (0, "")
    return home, before


def trials(home: Home) -> list[dict[str, Any]]:
    """Return the runs below the forest's run, with the time at which each was last touched."""
    registry = home.registry
    (parent,) = registry.runs.matching("tags.`wheeltapper.role` = 'parent'")
    (forest,) = [
        candidate for candidate in registry.candidates(parent.info.run_id) if candidate["name"] == "isolation_forest"
    ]
    return [
        trial | {"end": registry.client.call("get_run", trial["run_id"]).info.end_time} for trial in below(home, forest)
    ]


def below(home: Home, candidate: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = home.registry.candidates(candidate["run_id"])
    return rows


def forest(home: Home) -> dict[str, Any]:
    registry = home.registry
    (row,) = [
        candidate
        for candidate in registry.candidates(registry.last_run("searched")["run_id"])
        if candidate["name"] == "isolation_forest"
    ]
    return dict(row)


def test_every_trial_is_a_run_below_its_candidate(searched: tuple[Home, Any]) -> None:
    """The options as written and two others: three runs with their options and figures, all finished."""
    finished_trials = trials(searched[0])
    assert [(trial["name"], trial["status"]) for trial in finished_trials] == [
        ("n_estimators=1", "FINISHED"),
        ("n_estimators=20", "FINISHED"),
        ("n_estimators=40", "FINISHED"),
    ]
    for trial in finished_trials:
        assert trial["params"]["option.n_estimators"] == trial["name"].removeprefix("n_estimators=")
        judged_by = trial["tags"]["judged_by"]
        assert {f"{judged_by}.mean", "seconds"} <= set(trial["metrics"])


def test_a_finished_trial_is_not_repeated(searched: tuple[Home, list[dict[str, Any]]]) -> None:
    """The first had ended before the kill and ended only once; the second is taken up in the same run."""
    home, before = searched
    after = {trial["run_id"]: trial for trial in trials(home)}
    assert sorted(trial["status"] for trial in before) == ["FINISHED", "RUNNING"]
    (finished,) = [trial for trial in before if trial["status"] == "FINISHED"]
    assert finished["name"] == "n_estimators=1"  # as written, so it comes first
    assert after[finished["run_id"]]["end"] == finished["end"]
    assert after[finished["run_id"]]["metrics"] == finished["metrics"]
    assert {trial["run_id"] for trial in before} < set(after)


def test_the_best_options_are_trained_with(searched: tuple[Home, Any]) -> None:
    """The chosen options have the highest mean, the bundle's detector has them, and the label stays as it was."""
    home, _ = searched
    result = home.registry.document(forest(home)["run_id"], "result.json")
    means = {trial["options"]["n_estimators"]: trial["mean"] for trial in result["search"]["trials"]}
    chosen = result["search"]["chosen"]
    assert means[chosen["n_estimators"]] == max(means.values()) > means[1]  # one tree, as written, is too few
    bundle = bundles.read(home.registry.bundle_folder(result["model_uri"]), expected=result["bundle"])
    assert bundle.detectors["*"].options["n_estimators"] == chosen["n_estimators"]
    assert bundle.provenance["search"] == {"judged_by": result["search"]["judged_by"], "trials": 3, "left": 0}
    assert result["label"] == "isolation_forest"
    assert forest(home)["params"]["option.n_estimators"] == str(chosen["n_estimators"])


def test_the_table_is_kept_and_shown(searched: tuple[Home, Any]) -> None:
    """The same table is a document of the candidate, part of its result, and stands in the report."""
    home, _ = searched
    run_id = forest(home)["run_id"]
    table = home.registry.document(run_id, "search.json")
    assert table == home.registry.document(run_id, "result.json")["search"]
    assert home.leaderboard()["searches"] == {"isolation_forest": json.loads(json.dumps(table))}
    page = (home.folder / "reports" / "searched" / "report.html").read_text(encoding="utf-8")
    assert "Searched options" in page and "n_estimators=40" in page


def test_a_plant_without_a_search_has_none(undisturbed: Home) -> None:
    """No run below a candidate, no word of it in what is kept."""
    registry = undisturbed.registry
    candidates = registry.candidates(registry.last_run(undisturbed.plant.stem)["run_id"])
    assert not [row for candidate in candidates for row in below(undisturbed, candidate)]
    assert all("search" not in registry.document(candidate["run_id"], "result.json") for candidate in candidates)
    assert undisturbed.leaderboard()["searches"] == {}


FAULTLESS = """\
description: One machine without a fault, on the record for a day.
asset_type: pump
source:
  simulator: {assets: 1, start: 2026-01-05, duration: 1d, step: 2min, anomaly_rate: 0}
windows: {rows: 5, every: 1, max_gap: 6min}
features: [latest]
candidates: [pca_residual]
search: {folds: 20, minutes: 0.00001, over: {pca_residual: {variance: [0.5, 0.9]}}}
"""


@pytest.mark.long
def test_a_short_train_part_is_refused_and_fewer_folds_will_do(tmp_path: Path, nursery: Nursery) -> None:
    """The message says what is too short and what to do, and no run stays open; two folds are then judged.

    The minutes are used up by the first trial: the options as written are trained with, and the others are named.
    """
    path = tmp_path / "faultless.yaml"
    path.write_text(FAULTLESS)
    home = Home.furnished(tmp_path / "home", path, nursery)
    refused = home.run("run")
    assert refused.code == 1, refused
    assert "the train part is too short for 20 folds" in refused.err and "Lower search.folds" in refused.err
    assert {status for _, status in home.models()["runs"]} <= {"FINISHED", "FAILED"}
    path.write_text(FAULTLESS.replace("folds: 20", "folds: 2"))
    trained = home.run("train")
    assert "trial 1 of 3, defaults: faults found " in trained.out, trained
    assert "2 trials were not started" in trained.out
    registry = home.registry
    rows = registry.candidates(registry.last_run("faultless")["run_id"])
    (row,) = [row for row in rows if row["name"] == "pca_residual"]
    table = registry.document(row["run_id"], "search.json")
    assert (table["judged_by"], table["chosen"], len(table["trials"])) == ("hearing", {}, 1)
    assert table["left"] == [{"variance": 0.5}, {"variance": 0.9}]
