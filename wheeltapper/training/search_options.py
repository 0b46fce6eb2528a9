"""Trials: the options that a search tries of one candidate, drawn before anything is fitted."""

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
"""Combinations of a grid: one that is larger is a mistake, or a case for a random search."""


def of(plant: Plant, wanted: PlugIn) -> tuple[PlugIn, ...]:
    """Return what a plant's search tries of one of its candidates; the options as written come first.

    Where the plant searches nothing, or not over this detector, they are the only ones. Two combinations that make the
    same detector are one trial: an option may be written out that is the default anyway.

    Raises
    ------
    ConfigError
        If the detector has no such option, refuses a value, or the grid has more than `MOST` combinations.
    """
    if plant.search is None or wanted.name not in plant.search.over:
        return (wanted,)
    over, most = plant.search.over[wanted.name], plant.search.most_drawn
    found = {key(wanted, plant.plug_ins): wanted}
    for combination in _combinations(wanted.name, plant.search, plant.seed):
        one = PlugIn(name=wanted.name, options=wanted.options | dict(zip(over, combination, strict=True)))
        found.setdefault(key(one, plant.plug_ins), one)
    trials = tuple(found.values())
    return trials[:most] if plant.search.how == "random" else trials


def key(wanted: PlugIn, plug_ins: PlugIns = INSTALLED) -> str:
    """Return what names a detector with all its options, defaults and presets resolved: the same for the same one.

    Raises
    ------
    ConfigError
        If there is no such detector, or it refuses an option.
    """
    options = detectors.build(wanted.name, wanted.options, plug_ins=plug_ins).options
    text = json.dumps([wanted.name, options], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _combinations(name: str, search: Search, seed: int) -> Iterator[tuple[Any, ...]]:
    """Yield one value for each option, over and over: all in the order written, or some, each once, by the seed."""
    values = list(search.over[name].values())
    count = math.prod(len(own) for own in values)
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
    chosen = []
    for own in reversed(values):
        place, at = divmod(place, len(own))
        chosen.append(own[at])
    return tuple(reversed(chosen))
