"""Columns: which sensors a feature is made of, and what it shows.

Every feature set describes its columns with a `Feature`, and the feature plan carries the descriptions. The
normaliser, detectors, gates, explanations and diagnoses read them. Nothing is read from a column's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from wheeltapper.errors import ConfigError
from wheeltapper.spelling import near_miss

Shows = Literal["latest", "level", "spread", "restlessness", "rate", "sequence", "statistic", "relation", "phase"]

MEANINGS: dict[Shows, str] = {
    "latest": "the newest reading of one sensor, in its unit",
    "level": "the mean of one sensor's readings, in its unit; every reading counts the same",
    "spread": "the standard deviation of one sensor's readings, in its unit; exactly 0 while all readings are equal",
    "restlessness": "how much one sensor changes between two readings, as `wheeltapper.features.restless` computes it",
    "rate": "the change of one sensor since the reading before, per unit of time",
    "sequence": "one of the last readings of one sensor; `place` is its position, 0 for the oldest",
    "statistic": "anything else that is computed from one sensor; an explanation uses its `words`",
    "relation": "how two or more sensors behave together",
    "phase": "the time of day or week; it has no sensor, is not scaled, and no explanation names it",
}
"""Value of `Feature.shows` → its meaning."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature rows.

    Examples
    --------
    >>> Feature("pressure__per__flow", ("pressure", "flow"), "relation").sensors
    ('pressure', 'flow')

    Raises
    ------
    ConfigError
        If ``shows`` is not a key of `MEANINGS`, or does not fit the number of sensors.
    """

    name: str
    """The column's name in the features table."""
    sensors: tuple[str, ...]
    """Every sensor that the values are computed from. The first is the one that is measured against the others."""
    shows: Shows
    """The meaning of the values: a key of `MEANINGS`."""
    over: int | timedelta | None = None
    """How far the values look back, as a number of readings or as a time; None where that is the window."""
    place: int | None = None
    """Position in a sequence, 0 for the oldest reading; None for everything else."""
    words: str = ""
    """Its name in an explanation, after the sensor's, such as ``lag 3``; empty for the column's name."""

    def __post_init__(self) -> None:
        """Refuse a description that its readers could not use."""
        if self.shows not in MEANINGS:
            raise ConfigError(
                f"column '{self.name}' shows '{self.shows}'; expected one of {', '.join(MEANINGS)}."
                f"{near_miss(str(self.shows), list(MEANINGS))}"
            )
        least, most = {"phase": (0, 0), "relation": (2, None)}.get(self.shows, (1, 1))
        count = len(set(self.sensors))
        if count < least or (most is not None and count > most):
            expected = {"phase": "no sensor", "relation": "two or more sensors"}.get(self.shows, "one sensor")
            raise ConfigError(
                f"column '{self.name}' shows '{self.shows}', which needs {expected}; got {list(self.sensors)}. "
                "List the sensors that it is computed from, or say what else it shows."
            )


def describe(names: Iterable[str], features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Return the description of each column, in the order of ``names``.

    A column without a description is taken for the newest reading of a sensor of its name. That is what a plain table
    of sensor values holds.

    Examples
    --------
    >>> describe(["flow"], [])
    (Feature(name='flow', sensors=('flow',), shows='latest', over=None, place=None, words=''),)
    """
    by_name = {feature.name: feature for feature in features}
    return tuple(by_name.get(name) or Feature(name, (name,), "latest") for name in names)


def that_show(features: Iterable[Feature], shows: Shows, sensor: str | None = None) -> list[Feature]:
    """List the features that show something, of one sensor or of all, in their order."""
    return [feature for feature in features if feature.shows == shows and (sensor is None or sensor in feature.sensors)]


def level_of(sensor: str, features: Sequence[Feature]) -> Feature | None:
    """Return the feature that holds a sensor's level: its newest reading, else its mean over the window."""
    means = [feature for feature in that_show(features, "level", sensor) if feature.over is None]
    return next(iter(that_show(features, "latest", sensor) + means), None)


def restlessness_of(sensor: str, features: Iterable[Feature]) -> list[Feature]:
    """List the features that show how restless a sensor is, those over the fewest readings first."""
    return sorted(that_show(features, "restlessness", sensor), key=readings_back)


def readings_back(feature: Feature) -> int:
    """Return how many readings a feature looks back at; 0 where that is its window, or not given in readings."""
    return feature.over if isinstance(feature.over, int) else 0
