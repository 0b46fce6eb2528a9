"""Categories: a text column such as a product's name, which becomes one sensor of 0 and 1 for each of its values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from wheeltapper.config.values import NAME

Categories = Mapping[str, tuple[str, ...]]


def category_sensor(category: str, value: str) -> str:
    """Name the sensor that is 1 while a category has a value: ``L`` of ``product`` is ``product_is_L``.

    Characters that a sensor's name cannot hold become one underscore.
    """
    return f"{category}_is_" + re.sub("[^A-Za-z0-9]+", "_", value).strip("_")


def sensor_names(categories: Categories) -> dict[str, str]:
    """Return each sensor that stands for a category's value, with what it means in words.

    Raises
    ------
    ValueError
        If a category has no values, or two values, or none that a sensor could be named by.
    """
    means: dict[str, str] = {}
    for category, values in categories.items():
        if not values:
            raise ValueError(f"category {category} has no values. List them, such as {category}: [L, M, H]")
        for value in values:
            sensor = category_sensor(category, value)
            if sensor.endswith("_is_"):
                raise ValueError(
                    f"category {category}: '{value}' has no letter a to z and no digit to name a sensor by. Rename it "
                    "in the source"
                )
            if sensor in means:
                raise ValueError(f"category {category}: '{value}' would be a second sensor '{sensor}'. Rename one")
            means[sensor] = f"1 while {category} is {value}, else 0"
    return means


def require_free_names(categories: Iterable[str], taken: Collection[str]) -> None:
    """Refuse a category whose name cannot be a column's, or is that of something else.

    Raises
    ------
    ValueError
    """
    for category in categories:
        if not re.match(NAME, category) or "__" in category or category.endswith("_") or category in taken:
            raise ValueError(
                f"'{category}' cannot be a category's name: use letters, digits and single underscores, and none of "
                f"{sorted(taken)}"
            )


def as_words(categories: Any) -> Any:
    """Take ``[1, 2, 3]`` for the words 1, 2 and 3.

    Raises
    ------
    ValueError
        For ``[yes, no]``, which YAML has turned into flags: how they were written is lost.
    """
    if not isinstance(categories, dict):
        return categories
    return {category: _as_words(str(category), values) for category, values in categories.items()}


def _as_words(category: str, values: Any) -> Any:
    if not isinstance(values, list | tuple):
        return values
    for value in values:
        if isinstance(value, bool):
            raise ValueError(f"{category}: YAML reads yes, no, on and off as flags. Write them in quotes")
    return tuple(str(value) if isinstance(value, int) else value for value in values)
