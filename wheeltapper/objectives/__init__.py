"""Objectives: the questions that a plant asks, one a file."""

from __future__ import annotations

from wheeltapper.config import Plant, PlugIn
from wheeltapper.errors import ConfigError
from wheeltapper.plugins import INSTALLED, OBJECTIVES, PlugIns
from wheeltapper.spelling import near_miss
from wheeltapper.training.objective import Objective


def build(wanted: PlugIn, plug_ins: PlugIns = INSTALLED) -> Objective:
    """Make an objective by its file's name.

    Raises
    ------
    ConfigError
        If there is no such objective, or it refuses its options.
    """
    kind = plug_ins.load(OBJECTIVES, wanted.name, Objective)  # type: ignore[type-abstract]
    try:
        objective = kind(**wanted.options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"objective {wanted.name}: {error}") from error
    objective.name = wanted.name
    objective.code = plug_ins.digest(OBJECTIVES, wanted.name)
    return objective


def of(plant: Plant) -> tuple[Objective, ...]:
    """Return the objectives of a plant, in the order of its YAML."""
    return tuple(build(wanted, plant.plug_ins) for wanted in plant.objectives)


def named(plant: Plant, name: str) -> Objective:
    """Return one objective of a plant.

    Raises
    ------
    ConfigError
        If the plant does not ask it; the message names the near miss.
    """
    by_name = {wanted.name: wanted for wanted in plant.objectives}
    if name not in by_name:
        names = list(by_name)
        raise ConfigError(f"{plant.name} has no objective named '{name}'; found {names}.{near_miss(name, names)}")
    return build(by_name[name], plant.plug_ins)
