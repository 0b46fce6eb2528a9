"""Objectives: the questions that a plant asks, one a file; what all of them promise is in `training.objective`."""

from __future__ import annotations

from wheeltapper import plugins
from wheeltapper.config import Plant, PlugIn
from wheeltapper.errors import ConfigError
from wheeltapper.training.objective import Objective


def build(wanted: PlugIn) -> Objective:
    """Make an objective by its file's name.

    Raises
    ------
    ConfigError
        If there is no such objective, or it refuses its options.
    """
    kind = plugins.load_class("objectives", wanted.name, Objective)  # type: ignore[type-abstract]
    try:
        objective = kind(**wanted.options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"objective {wanted.name}: {error}") from error
    objective.name = wanted.name
    return objective


def of(plant: Plant) -> tuple[Objective, ...]:
    """Return the objectives of a plant, in the order of its YAML."""
    return tuple(build(wanted) for wanted in plant.objectives)


def named(plant: Plant, name: str) -> Objective:
    """Return one objective of a plant.

    Raises
    ------
    ConfigError
        If the plant does not ask it; the message names the near miss.
    """
    known = {wanted.name: wanted for wanted in plant.objectives}
    if name not in known:
        raise ConfigError(
            f"{plant.name} has no objective named '{name}'; found {list(known)}.{plugins.near_miss(name, list(known))}"
        )
    return build(known[name])
