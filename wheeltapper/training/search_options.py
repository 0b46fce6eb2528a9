"""Search options: the combinations that a search tries for one candidate, drawn before any fit."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from wheeltapper import detectors
from wheeltapper.config import Plant, PlugIn, Search
from wheeltapper.errors import ConfigError
from wheeltapper.plugins import INSTALLED, PlugIns

MOST = 1000
"""Most combinations of a grid; a larger one is a mistake, or needs a random search."""


def of(plant: Plant, candidate: PlugIn) -> tuple[PlugIn, ...]:
    """Return the trials of a plant's search for one candidate; the options as written come first.

    Where the plant does not search over this detector, they are the only trial. Two combinations that build the same
    detector are one trial: an option may be given explicitly with its default value.

    Raises
    ------
    ConfigError
        If the detector has no such option, refuses a value, or the grid has more than `MOST` combinations.
    """
    if plant.search is None or candidate.name not in plant.search.over:
        return (candidate,)
    over, limit = plant.search.over[candidate.name], plant.search.most_drawn
    by_key = {key(candidate, plant.plug_ins): candidate}
    for combination in _combinations(candidate.name, plant.search, plant.seed):
        plug_in = PlugIn(name=candidate.name, options=candidate.options | dict(zip(over, combination, strict=True)))
        by_key.setdefault(key(plug_in, plant.plug_ins), plug_in)
    trials = tuple(by_key.values())
    return trials[:limit] if plant.search.how == "random" else trials


def key(detector: PlugIn, plug_ins: PlugIns = INSTALLED) -> str:
    """Return the key of a detector with all its options, defaults and presets resolved.

    Raises
    ------
    ConfigError
        If there is no such detector, or it refuses an option.
    """
    options = detectors.build(detector.name, detector.options, plug_ins=plug_ins).options
    text = json.dumps([detector.name, options], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _combinations(name: str, search: Search, seed: int) -> Iterator[tuple[Any, ...]]:
    """Yield combinations of one value for each option: all in the order written, or some, drawn by the seed."""
    values = list(search.over[name].values())
    count = math.prod(len(choices) for choices in values)
    if search.how == "random":
        for place in Random(seed).sample(range(count), min(count, search.most_drawn)):
            yield _at(values, place)
        return
    if count > MOST:
        raise ConfigError(
            f"the grid of {name} has {count:,} combinations, at most {MOST:,} are tried. Name fewer values, or write "
            "how: random"
        )
    for place in range(count):
        yield _at(values, place)


def _at(values: Sequence[tuple[Any, ...]], place: int) -> tuple[Any, ...]:
    """Return the combination at one place of the grid, in which the last option changes fastest."""
    combination = []
    for choices in reversed(values):
        place, at = divmod(place, len(choices))
        combination.append(choices[at])
    return tuple(reversed(combination))
