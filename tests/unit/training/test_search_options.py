"""What a search tries: the options as written first, then a grid in its order, or some of it drawn by the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wheeltapper import config
from wheeltapper.config import Plant, PlugIn
from wheeltapper.errors import ConfigError
from wheeltapper.training import search_options

PLANT = """
asset_type: {step: 1min, sensors: {load: {unit: A, low: 0, high: 80}}}
source: {csv_folder: {path: data, time_column: time}}
candidates: [isolation_forest: {max_samples: 64}, lof]
"""


def plant(search: str, seed: int = 42) -> Plant:
    text = f"{PLANT}seed: {seed}\n" + (f"search: {search}\n" if search else "")
    return config.parse(text, name="mill", folder=Path(), where="mill.yaml")


def tried(search: str, seed: int = 42) -> list[dict[str, Any]]:
    """Return the options of the first candidate's trials."""
    one = plant(search, seed)
    return [trial.options for trial in search_options.of(one, one.candidates[0])]


def test_the_options_as_written_come_first() -> None:
    """Trees are tried one after the other, on top of the samples that the plant names."""
    assert tried("{over: {isolation_forest: {n_estimators: [300, 200]}}}") == [
        {"max_samples": 64},
        {"max_samples": 64, "n_estimators": 300},
        {"max_samples": 64, "n_estimators": 200},
    ]


def test_a_grid_is_every_combination_in_order() -> None:
    """Two options of two values: four trials after the one as written, the last option changing fastest."""
    found = tried("{over: {isolation_forest: {n_estimators: [20, 30], max_samples: [8, 16]}}}")
    assert [(one.get("n_estimators"), one["max_samples"]) for one in found] == [
        (None, 64),
        (20, 8),
        (20, 16),
        (30, 8),
        (30, 16),
    ]


def test_the_same_detector_is_tried_once() -> None:
    """100 trees are the default anyway, and the preset means the same again: neither is another trial."""
    assert tried("{over: {isolation_forest: {n_estimators: [100, 200]}}}") == [
        {"max_samples": 64},
        {"max_samples": 64, "n_estimators": 200},
    ]
    assert tried("{over: {isolation_forest: {preset: [reference_001, reference_003]}}}") == [
        {"max_samples": 64},
        {"max_samples": 64, "preset": "reference_003"},
    ]


RANDOM = "{how: random, trials: 5, over: {isolation_forest: {n_estimators: [10, 20, 30, 40], max_samples: [4, 8, 16]}}}"


def test_a_random_search_is_drawn_by_the_seed() -> None:
    """Five trials of twelve, none twice, the same every time; another seed draws others."""
    found = tried(RANDOM)
    assert found[0] == {"max_samples": 64}
    assert len(found) == 5 == len({str(one) for one in found})
    assert tried(RANDOM) == found
    assert tried(RANDOM, seed=43) != found


def test_a_random_search_of_a_small_space_tries_all_of_it() -> None:
    """Twenty trials are allowed, there are two combinations besides the one as written."""
    found = tried("{how: random, over: {isolation_forest: {n_estimators: [20, 30]}}}")
    assert "n_estimators" not in found[0]
    assert {one.get("n_estimators") for one in found} == {None, 20, 30}


def test_other_candidates_stay_as_they_are() -> None:
    """A candidate that the search does not name has one trial: itself. So has every one without a search."""
    one = plant("{over: {isolation_forest: {n_estimators: [20]}}}")
    assert search_options.of(one, one.candidates[1]) == (PlugIn(name="lof"),)
    assert tried("") == [{"max_samples": 64}]


def test_an_endless_grid_is_refused() -> None:
    """Two thousand combinations are a mistake; the message says how many there are and what to write."""
    values = list(range(2, 2002))
    with pytest.raises(ConfigError, match=r"isolation_forest has 2,000 combinations, at most 1,000.*how: random"):
        tried(f"{{over: {{isolation_forest: {{n_estimators: {values}}}}}}}")
