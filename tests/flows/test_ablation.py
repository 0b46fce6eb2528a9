"""The value of each part of the pipeline, measured by one command."""

from __future__ import annotations

import json
from statistics import fmean, stdev
from typing import Any

import pytest

from wheeltapper import plants
from wheeltapper.errors import ConfigError
from wheeltapper.training.ablation import plan_trials, variants

pytestmark = pytest.mark.slow  # real servers and processes


def test_scaling_and_features_are_measured_by_one_command(home: Any) -> None:
    """Scaling and feature sets, two seeds: every mean and deviation is that of its own trials, nothing is stored.

    Reference rows 001-32 and 001-33.
    """
    ended = home.run("ablate", "--seeds", "2", "--detector", "pca_residual", "--json")
    assert ended.code == 0, ended.err
    study_results = json.loads(ended.out)
    assert list(study_results["studies"]) == ["scaling", "features", "sampling"]
    assert [line["variant"] for line in study_results["studies"]["features"]] == [
        "readings alone",
        "+ rolling",
        "+ rates",
        "+ ratios",
    ]
    for study, lines in study_results["studies"].items():
        for line in lines:
            own_trials = [
                trial
                for trial in study_results["trials"]
                if (trial["study"], trial["variant"]) == (study, line["variant"])
            ]
            assert [trial["seed"] for trial in own_trials] == [7, 8]
            values = [trial["vus_pr"] for trial in own_trials]
            assert line["vus_pr"] == pytest.approx([fmean(values), stdev(values)])
            assert line["found"] == sum(trial["found"] for trial in own_trials)
    assert len({trial["vus_pr"] for trial in study_results["trials"]}) > 10, "every variant gives another figure"
    assert set(home.versions().values()) == {None}


def test_sampling_keeps_the_window_as_long(simulated: Any) -> None:
    """Windows of five minutes: 30 readings every 10 s, five every minute, and never fewer than two.

    Reference row 001-34.
    """
    plant = plants.load(str(simulated))
    rows_by_variant = {variant.name: variant.plant.windows.rows for variant in variants(plant, "sampling")}
    assert rows_by_variant == {"every 10s": 30, "every 30s": 10, "every 1min": 5, "every 2min": 2, "every 5min": 2}


def test_what_was_not_simulated_cannot_be_sampled_faster(line_yaml: Any) -> None:
    """The message says what to leave out."""
    with pytest.raises(ConfigError, match=r"is not simulated.*Leave sampling out"):
        variants(plants.load(str(line_yaml)), "sampling")


def test_seeds_tell_luck_from_merit_for_every_candidate(home: Any) -> None:
    """Nothing but the seed changes: every baseline and candidate has mean and deviation of its own trials."""
    ended = home.run("ablate", "--study", "seeds", "--seeds", "2", "--json")
    assert ended.code == 0, ended.err
    study_results = json.loads(ended.out)
    lines = {line["variant"]: line for line in study_results["studies"]["seeds"]}
    assert [name for name, line in lines.items() if not line["is_baseline"]] == ["isolation_forest", "pca_residual"]
    assert {"always_normal", "always_anomalous", "k_sigma", "random_score"} <= set(lines)
    for name, line in lines.items():
        own_trials = [trial for trial in study_results["trials"] if trial["variant"] == name]
        assert [trial["seed"] for trial in own_trials] == [7, 8]
        assert line["vus_pr"] == pytest.approx(
            [fmean(trial["vus_pr"] for trial in own_trials), stdev(trial["vus_pr"] for trial in own_trials)]
        )
        costs = [trial["cost_per_asset_week"] for trial in own_trials]
        assert line["cost_per_asset_week"] == pytest.approx([fmean(costs), stdev(costs)])
    by_seed = {seed: [trial for trial in study_results["trials"] if trial["seed"] == seed] for seed in (7, 8)}
    wins = [
        _cost(some, "pca_residual") < min(trial["cost_per_asset_week"] for trial in some if trial["is_baseline"])
        for some in by_seed.values()
    ]
    assert lines["pca_residual"]["beats_baselines"] == sum(wins)
    assert lines["k_sigma"]["beats_baselines"] is None
    assert set(home.versions().values()) == {None}, "nothing is stored or promoted"


def _cost(trials: list[dict[str, Any]], name: str) -> float:
    (cost,) = [trial["cost_per_asset_week"] for trial in trials if trial["variant"] == name]
    return float(cost)


def test_seeds_are_those_of_every_candidate(simulated: Any) -> None:
    """A single detector has no place in it; and `all` compares parts of the pipeline, not detectors."""
    plant = plants.load(str(simulated))
    with pytest.raises(ConfigError, match=r"every baseline and candidate.*leave --detector out"):
        plan_trials(plant, "seeds", 3, "lof")
    planned = plan_trials(plant, "seeds", 3, "")
    assert [(trial.study, trial.seed) for trial in planned] == [("seeds", 7), ("seeds", 8), ("seeds", 9)]
    assert "seeds" not in {trial.study for trial in plan_trials(plant, "all", 2, "")}
