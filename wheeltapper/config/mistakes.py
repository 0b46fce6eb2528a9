"""Pydantic's errors in plain words, for the person who wrote the YAML: one line a mistake."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from wheeltapper.spelling import near_miss

Location = tuple[int | str, ...]


def describe(error: ValidationError, where: str, model: type[BaseModel]) -> str:
    """Describe the mistakes in a plant's file: where, what was expected, what was written, the near miss of a key."""
    problems = error.errors()
    misspelt = _misspelt(problems, model)
    lines = []
    for problem in problems:
        # A key that is missing because it was misspelt is one mistake, not two.
        if problem["type"] != "missing" or problem["loc"] not in misspelt:
            place = ".".join(_place(model, problem["loc"]))
            lines.append(": ".join(part for part in (where, place, _in_words(problem, model)) if part))
    return "\n".join(lines)


def _misspelt(problems: list[ErrorDetails], model: type[BaseModel]) -> set[Location]:
    """Return where unknown keys were probably meant to be."""
    meant: set[Location] = set()
    for problem in problems:
        if problem["type"] == "extra_forbidden":
            *before, key = problem["loc"]
            meant |= {(*before, match) for match in get_close_matches(str(key), _known_keys(model, tuple(before)), n=1)}
    return meant


def _in_words(problem: ErrorDetails, model: type[BaseModel]) -> str:
    """Describe one mistake: the expected value and the written one."""
    say = _PHRASES.get(problem["type"])
    if say is not None:
        return say(problem, model)
    message = problem["msg"].removeprefix("Input ").replace("should be", "must be", 1)
    return f"{message}, got {problem['input']!r}"


def _unknown_key(problem: ErrorDetails, model: type[BaseModel]) -> str:
    key, allowed = str(problem["loc"][-1]), _known_keys(model, problem["loc"][:-1])
    return f"unknown key '{key}'.{near_miss(key, allowed)}" + (f" Known here: {', '.join(allowed)}." * bool(allowed))


def _unknown_rule(problem: ErrorDetails, model: type[BaseModel]) -> str:
    allowed, tag = list(_rules(model, problem["loc"])), problem.get("ctx", {}).get("tag")
    if tag is None:
        return f"by is missing; it must be one of {', '.join(allowed)}"
    return f"by must be one of {', '.join(allowed)}, got '{tag}'.{near_miss(str(tag), allowed)}"


def _unknown_word(problem: ErrorDetails, _: type[BaseModel]) -> str:
    expected, value = str(problem.get("ctx", {}).get("expected")), problem["input"]
    hint = near_miss(str(value), re.findall(r"'(\w+)'", expected))
    return f"must be {expected}, got {value!r}.{hint}"


_PHRASES: dict[str, Callable[[ErrorDetails, type[BaseModel]], str]] = {
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_rule,
    "union_tag_not_found": _unknown_rule,
    "literal_error": _unknown_word,
    "missing": lambda *_: "is missing",
    "value_error": lambda problem, _: problem["msg"].removeprefix("Value error, "),
} | {
    kind: lambda problem, _: f"expected a mapping (key: value), got {problem['input']!r}"
    for kind in ("model_type", "model_attributes_type", "dict_type", "dataclass_type")
} | {
    kind: lambda problem, _: f"expected a list such as [a, b], got {problem['input']!r}"
    for kind in ("tuple_type", "list_type")
}  # fmt: skip


def _place(model: type[BaseModel], location: Location) -> list[str]:
    """Return the place of a mistake as it stands in the file: without the tags that pydantic adds."""
    shown = [part for place, part in enumerate(location) if not (place and part in _rules(model, location[:place]))]
    return [str(part) for part in shown if part != "[key]"]


def _rules(model: type[BaseModel], location: Location) -> tuple[str, ...]:
    """Return the values of ``by`` that are allowed at a location; none where there is no such choice."""
    field = model.model_fields.get(str(location[0])) if len(location) == 1 else None
    return () if field is None else tuple(tag for rule in _models_in(field.annotation) for tag in _tags(rule))


def _known_keys(model: type[BaseModel], location: Location) -> list[str]:
    """Follow an error's location through the models and list the keys that are allowed there."""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        inner = _models_in(field.annotation)
        if not inner:
            return []
        tag = str(location[-1])
        model = next((rule for rule in inner if tag in _tags(rule)), inner[0])
    # Nobody writes name and folder: a plant is named by its file, an asset type by its plant.
    return [field.alias or name for name, field in model.model_fields.items() if name not in ("name", "folder")]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Find the pydantic models inside an annotation such as ``dict[str, Sensor]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the values of ``by`` that choose this model in a union."""
    field = model.model_fields.get("by")
    return () if field is None else tuple(field.annotation.__args__)  # type: ignore[union-attr]
