"""Search: which options of a detector are tried against each other before the candidate is trained."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from wheeltapper.config.values import Model
from wheeltapper.spelling import near_miss

TRIALS = 20
"""Trials of a random search where the plant names no number."""


class Search(Model):
    """A search over options: how and for how long; each candidate that ``over`` names has a search of its own.

    The options that the plant's ``candidates`` name are always the first trial: a search confirms them, or finds better
    ones.
    """

    how: Literal["grid", "random"] = Field(
        "grid", description="grid: every combination in the order written; random: some of them, drawn by the seed"
    )
    minutes: float = Field(
        5,
        gt=0,
        description="for each candidate: once preparation and its trials have taken so long, no further one is begun, "
        "and one that has begun stops after the fold that it is at; the first always comes to its end",
    )
    trials: int | None = Field(
        None, ge=1, description=f"of a random search, the options as written among them; by default {TRIALS}"
    )
    folds: int = Field(
        3, ge=2, le=20, description="how often a trial is fitted on what came before, and judged on what came after"
    )
    over: dict[str, dict[str, tuple[Any, ...]]] = Field(
        min_length=1, description="candidate → option → the values that are tried"
    )

    @model_validator(mode="after")
    def _bounds_what_is_drawn(self) -> Self:
        if self.how == "grid" and self.trials is not None:
            raise ValueError(
                f"a grid tries every combination; trials ({self.trials}) is for how: random. Remove it, or change how"
            )
        return self

    @model_validator(mode="after")
    def _names_values_to_try(self) -> Self:
        for detector, options in self.over.items():
            if not options:
                raise ValueError(
                    f"over: {detector} names no option to search over, such as n_neighbors: [10, 20]. "
                    "Add one, or leave it out"
                )
            for option, values in options.items():
                _require_different(f"over: {detector}: {option}", values)
        return self

    @property
    def most_drawn(self) -> int:
        """Trials of a random search."""
        return TRIALS if self.trials is None else self.trials


def _require_different(where: str, values: tuple[Any, ...]) -> None:
    if not values:
        raise ValueError(f"{where} has no value to try; write a list such as [10, 20, 40]")
    for place, value in enumerate(values):
        # True equals 1 in Python, and is another option.
        if any(type(other) is type(value) and other == value for other in values[:place]):
            raise ValueError(f"{where} names {value!r} twice; name it once")


def require_candidates(search: Search | None, candidates: Collection[str]) -> None:
    """Refuse a search over a detector that is no candidate of the plant: it would have no effect.

    Raises
    ------
    ValueError
        Naming the detector and its near miss among the candidates.
    """
    allowed = list(dict.fromkeys(candidates))
    for name in search.over if search else ():
        if name not in allowed:
            raise ValueError(
                f"search.over: '{name}' is none of the candidates ({', '.join(allowed)})."
                f"{near_miss(name, allowed)} Add it to candidates, or leave it out"
            )
