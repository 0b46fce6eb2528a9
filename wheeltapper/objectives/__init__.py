"""Objectives: the questions that a plant asks, one in each file."""

from __future__ import annotations

from wheeltapper.config import Plant, PlugIn
from wheeltapper.errors import ConfigError
from wheeltapper.plugins import INSTALLED, OBJECTIVES, PlugIns
from wheeltapper.spelling import near_miss
from wheeltapper.training.objective import Objective


def build(plug_in: PlugIn, plug_ins: PlugIns = INSTALLED) -> Objective:
    """Make an objective by its file's name.

    Raises
    ------
    ConfigError
        If there is no such objective, or it refuses its options.
    """
    kind = plug_ins.load(OBJECTIVES, plug_in.name, Objective)  # type: ignore[type-abstract]
    try:
        objective = kind(**plug_in.options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"objective {plug_in.name}: {error}") from error
    objective.name = plug_in.name
    objective.code = plug_ins.digest(OBJECTIVES, plug_in.name)
    return objective


def of(plant: Plant) -> tuple[Objective, ...]:
    """Return the objectives of a plant, in the order of its YAML."""
    return tuple(build(plug_in, plant.plug_ins) for plug_in in plant.objectives)


def named(plant: Plant, name: str) -> Objective:
    """Return one objective of a plant.

    Raises
    ------
    ConfigError
        If the plant has no such objective; the message names the near miss.
    """
    by_name = {plug_in.name: plug_in for plug_in in plant.objectives}
    if name not in by_name:
        names = list(by_name)
        raise ConfigError(f"{plant.name} has no objective named '{name}'; found {names}.{near_miss(name, names)}")
    return build(by_name[name], plant.plug_ins)
