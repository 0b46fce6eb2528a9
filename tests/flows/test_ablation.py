"""What each part is worth, measured by one command."""

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
    found = json.loads(ended.out)
    assert list(found["studies"]) == ["scaling", "features", "sampling"]
    assert [line["variant"] for line in found["studies"]["features"]] == [
        "readings alone",
        "+ rolling",
        "+ rates",
        "+ ratios",
    ]
    for study, lines in found["studies"].items():
        for line in lines:
            own = [one for one in found["trials"] if (one["study"], one["variant"]) == (study, line["variant"])]
            assert [one["seed"] for one in own] == [7, 8]
            values = [one["vus_pr"] for one in own]
            assert line["vus_pr"] == pytest.approx([fmean(values), stdev(values)])
            assert line["found"] == sum(one["found"] for one in own)
    assert len({one["vus_pr"] for one in found["trials"]}) > 10, "every variant gives another figure"
    assert set(home.versions().values()) == {None}


def test_sampling_keeps_the_window_as_long(simulated: Any) -> None:
    """Windows of five minutes: 30 readings every 10 s, five every minute, and never fewer than two.

    Reference row 001-34.
    """
    plant = plants.load(str(simulated))
    found = {one.name: one.plant.windows.rows for one in variants(plant, "sampling")}
    assert found == {"every 10s": 30, "every 30s": 10, "every 1min": 5, "every 2min": 2, "every 5min": 2}


def test_what_was_not_simulated_cannot_be_sampled_faster(line_yaml: Any) -> None:
    """The message says what to leave out."""
    with pytest.raises(ConfigError, match=r"is not simulated.*Leave sampling out"):
        variants(plants.load(str(line_yaml)), "sampling")


def test_seeds_tell_luck_from_merit_for_every_candidate(home: Any) -> None:
    """Nothing but the seed changes: every baseline and candidate has mean and deviation of its own trials."""
    ended = home.run("ablate", "--study", "seeds", "--seeds", "2", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    lines = {line["variant"]: line for line in found["studies"]["seeds"]}
    assert [name for name, line in lines.items() if not line["is_baseline"]] == ["isolation_forest", "pca_residual"]
    assert {"always_normal", "always_anomalous", "k_sigma", "random_score"} <= set(lines)
    for name, line in lines.items():
        own = [one for one in found["trials"] if one["variant"] == name]
        assert [one["seed"] for one in own] == [7, 8]
        assert line["vus_pr"] == pytest.approx(
            [fmean(one["vus_pr"] for one in own), stdev(one["vus_pr"] for one in own)]
        )
        costs = [one["cost_per_asset_week"] for one in own]
        assert line["cost_per_asset_week"] == pytest.approx([fmean(costs), stdev(costs)])
    by_seed = {seed: [one for one in found["trials"] if one["seed"] == seed] for seed in (7, 8)}
    wins = [
        _cost(some, "pca_residual") < min(one["cost_per_asset_week"] for one in some if one["is_baseline"])
        for some in by_seed.values()
    ]
    assert lines["pca_residual"]["beats_baselines"] == sum(wins)
    assert lines["k_sigma"]["beats_baselines"] is None
    assert set(home.versions().values()) == {None}, "nothing is stored or promoted"


def _cost(trials: list[dict[str, Any]], name: str) -> float:
    (cost,) = [one["cost_per_asset_week"] for one in trials if one["variant"] == name]
    return float(cost)


def test_seeds_are_those_of_every_candidate(simulated: Any) -> None:
    """A single detector has no place in it; and `all` compares parts of the pipeline, not detectors."""
    plant = plants.load(str(simulated))
    with pytest.raises(ConfigError, match=r"every baseline and candidate.*leave --detector out"):
        plan_trials(plant, "seeds", 3, "lof")
    planned = plan_trials(plant, "seeds", 3, "")
    assert [(one.study, one.seed) for one in planned] == [("seeds", 7), ("seeds", 8), ("seeds", 9)]
    assert "seeds" not in {one.study for one in plan_trials(plant, "all", 2, "")}
