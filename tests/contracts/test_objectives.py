"""The promises of every objective, of a new file in wheeltapper/objectives or in a plant's folder, too."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.contracts.plug_ins import PLUG_INS, names
from wheeltapper import plants
from wheeltapper.config import Plant, PlugIn
from wheeltapper.errors import ConfigError
from wheeltapper.objectives import build
from wheeltapper.plugins import OBJECTIVES
from wheeltapper.training.objective import Objective

every_objective = pytest.mark.parametrize("name", names(OBJECTIVES))
PUMPS = "asset_type: pump\nsource: {simulator: {start: 2026-01-05, duration: 1d}}\n"


def objective(name: str) -> Objective:
    """Build an objective with the options that its class names as an example."""
    options = PLUG_INS.load(OBJECTIVES, name, Objective).example_options  # type: ignore[type-abstract]
    return build(PlugIn(name=name, options=dict(options)), PLUG_INS)


def pumps(more: str = "") -> Plant:
    return plants.parse(PUMPS + more, name="pumps", folder=Path(), where="pumps.yaml")


@every_objective
def test_it_says_what_it_asks(name: str) -> None:
    """Its docstring, the columns of its answer, and an embargo that is not negative."""
    question = objective(name)
    assert question.name == name
    assert type(question).__doc__
    assert question.answer
    assert all(column.isidentifier() for column in question.answer)
    assert question.embargo >= timedelta(0)


@every_objective
def test_baselines_stand_beside_candidates(name: str) -> None:
    """There is at least one of each, and no two have one name."""
    baselines, candidates = objective(name).baselines(pumps()), objective(name).candidates(pumps())
    assert baselines
    assert candidates
    assert not baselines.keys() & candidates.keys()


@every_objective
def test_the_same_settings_are_the_same_training(name: str) -> None:
    """Its key follows from settings and data, and from nothing else; another seed or other data is another training."""
    first, again = objective(name), objective(name)
    key = first.training_key(pumps(), ["a", "b"])
    assert key == again.training_key(pumps("description: The same pumps."), ["a", "b"])
    assert key != first.training_key(pumps("seed: 1"), ["a", "b"])
    assert key != first.training_key(pumps(), ["a", "c"])


@every_objective
def test_an_unknown_option_is_refused(name: str) -> None:
    """The message names the objective."""
    with pytest.raises(ConfigError, match=f"objective {name}"):
        build(PlugIn(name=name, options={"no_such_option": 1}), PLUG_INS)
