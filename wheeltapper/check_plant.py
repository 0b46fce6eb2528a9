"""The check before any work: all plug-ins that a plant names exist and take their options.

Nothing is read and nothing computed: a typing mistake must not show after minutes of work. The command line asks it of
every plant that it is given, and every flow before its first task.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from wheeltapper import config, detectors, objectives, plants, sources
from wheeltapper.config import Plant
from wheeltapper.errors import ConfigError, SourceError
from wheeltapper.features.plan import FeaturePlan, build_set
from wheeltapper.training import search_options


def load(plant: str) -> Plant:
    """Read one plant, a name in ``conf/`` or the path of a YAML file, and check its plug-ins.

    Raises
    ------
    ConfigError
        If there is no such plant, or its YAML says something that is not understood. The message names the
        key, what was expected and the near miss.
    """
    checked = plants.load(plant)
    check_plug_ins(checked, where=str(config.path_of(plant)))
    return checked


def check_plug_ins(plant: Plant, where: str) -> None:
    """Refuse a source, feature set, detector or objective that does not exist, or an option that it does not take.

    Raises
    ------
    ConfigError
        One line a mistake, each begins with ``where``.
    """
    mistakes = list(dict.fromkeys(f"{where}: {line}" for line in _mistakes(plant)))
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _mistakes(plant: Plant) -> list[str]:
    """List what is wrong. What the plug-ins make together is only checked where each of them is right."""
    plug_ins = plant.plug_ins
    mistakes = _refusals("plugins", plug_ins.check)
    if mistakes:
        return mistakes
    mistakes += _refusals("source", lambda: sources.build(plant.source, plug_ins).check(plant))
    for feature_set in plant.features:
        mistakes += _refusals("features", partial(build_set, feature_set.name, feature_set.options, plug_ins))
    if not mistakes:
        mistakes += _refusals("features", partial(FeaturePlan.of, plant))
    for candidate in plant.candidates:
        build = partial(detectors.build, candidate.name, candidate.options, plug_ins=plug_ins)
        mistakes += _refusals("candidates", build)
    for objective in plant.objectives:
        mistakes += _refusals("objectives", partial(objectives.build, objective, plug_ins))
    if not mistakes:
        for candidate in plant.candidates:
            mistakes += _refusals("search.over", partial(search_options.of, plant, candidate))
    return mistakes


def _refusals(key: str, build: Callable[[], object]) -> list[str]:
    """Return the lines of the message with which something cannot be built, each after the key of the YAML."""
    try:
        build()
    except (ConfigError, SourceError) as error:
        return [f"{key}: {line}" for line in str(error).splitlines()]
    return []
