"""Rules: a few sentences of a person who knows the machine, each with what it counts for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows
from wheeltapper.errors import DataError
from wheeltapper.features.columns import Feature, describe, that_show
from wheeltapper.spelling import near_miss

_KEYS = ("sensor", "below", "above", "weight")


class Rules(ArrayDetector):
    """Add up the weights of the rules that a row breaks, each the more the further it is broken.

    A broken rule counts ``weight × (1 + distance)``, with the distance from its limit in shares of the way from the
    sensor's usual (median) value to that limit; one that is kept counts nothing. With rules given, any broken rule is
    an alarm: the threshold is the smallest weight, and the alarm budget is not asked. Without rules, the range of each
    sensor in training stands in for them and the threshold comes from the alarm budget.

    `limits` is the same knowledge as a baseline: the asset type's alarm limits, the worst sensor decides. Here several
    breaches add up, features such as ``flow__rate`` can have rules, and the weights are the plant's own.

    It does not notice faults without a rule, nor any fault within the limits.

    Parameters
    ----------
    rules : list of mappings, optional
        Each with ``sensor`` (or any feature's name), ``below`` and/or ``above`` in the feature's own unit: the rule is
        broken below the one or above the other. ``weight`` is 1 unless given.
    """

    in_units: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "reference_004": {
            "rules": [
                {"sensor": "temperature", "below": 5.0, "above": 45.0, "weight": 0.4},
                {"sensor": "humidity", "below": 20.0, "above": 60.0, "weight": 0.3},
                {"sensor": "sound", "below": 40.0, "above": 70.0, "weight": 0.3},
            ]
        }
    }
    other_values: ClassVar[dict[str, Any]] = {"rules": [{"sensor": "flow", "above": 1.0}]}
    columns_: Names
    place_: NDArray[np.int64]
    limit_: Floats
    side_: Floats
    room_: Floats
    weight_: Floats

    def __init__(self, rules: Sequence[Mapping[str, Any]] | None = None) -> None:
        _check(rules)
        self.rules = rules
        if rules:
            self.own_threshold = min(float(rule.get("weight", 1.0)) for rule in rules)

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn the usual value of every feature that has a rule, and the ranges where no rules are given.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            In the features' own units.

        Raises
        ------
        DataError
            If a rule names a feature that is not there.
        """
        columns, values = learn_rows(rows)
        names = columns.tolist()
        limits = [
            (_place(str(rule["sensor"]), names), float(rule[end]), side, float(rule.get("weight", 1.0)))
            for rule in self.rules or _ranges(describe(names, self.features), values)
            for end, side in (("below", -1.0), ("above", 1.0))
            if rule.get(end) is not None
        ]
        self.columns_ = columns
        place, self.limit_, self.side_, self.weight_ = np.array(limits, dtype=np.float64).T
        self.place_ = place.astype(np.int64)
        usual = np.median(values, axis=0)[self.place_]
        # A machine that usually runs at or beyond its limit has no room left: the smallest step counts.
        self.room_ = np.maximum(self.side_ * (self.limit_ - usual), np.maximum(0.01 * np.abs(usual), 1e-9))
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the weight of all broken rules of each row, shape (n_windows,), unitless; 0 when all are kept."""
        total: Floats = self._broken(values).sum(axis=1)
        return total

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return what the rules of each feature add; every row adds up to its score.

        Raises
        ------
        NotFittedError, DataError
        """
        values = read_rows(self, rows)
        parts = np.zeros_like(values)
        np.add.at(parts.T, self.place_, self._broken(values).T)
        return as_frame(parts, self, rows)

    def _broken(self, values: Floats) -> Floats:
        """Return what each rule's lower or upper limit adds, shape (n_rows, n_limits)."""
        beyond = self.side_ * (values.take(self.place_, axis=1) - self.limit_)
        return np.where(beyond > 0, self.weight_ * (1.0 + beyond / self.room_), 0.0)


def _check(rules: object) -> None:
    """Refuse anything but a list of rules that say something."""
    if rules is None:
        return
    if not isinstance(rules, Sequence) or isinstance(rules, str) or not rules:
        raise ValueError(
            "option 'rules' must be a list such as [{sensor: temperature, below: 5, above: 45, weight: 0.4}], "
            f"got {rules!r}"
        )
    for rule in rules:
        is_rule = isinstance(rule, Mapping) and set(rule) <= set(_KEYS) and isinstance(rule.get("sensor"), str)
        if not is_rule or not {"below", "above"} & set(rule):
            raise ValueError(
                f"each of option 'rules' needs sensor and below or above, and may have weight, got {rule!r}"
            )
        numbers = {key: value for key, value in rule.items() if key != "sensor"}
        if not all(_is_number(value) for value in numbers.values()) or numbers.get("weight", 1.0) <= 0:
            raise ValueError(f"option 'rules': limits must be numbers and weights above 0, got {rule!r}")
        if numbers.get("below", -math.inf) > numbers.get("above", math.inf):
            raise ValueError(f"option 'rules': nothing can be kept of {rule!r}; 'below' must not exceed 'above'")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _place(sensor: str, names: list[str]) -> int:
    if sensor not in names:
        raise DataError(
            f"a rule is about '{sensor}', but there is no such feature (there are: {', '.join(names[:12])}"
            f"{', …' if len(names) > 12 else ''}).{near_miss(sensor, names)} Correct the rule, or add the "
            "feature set that has it."
        )
    return names.index(sensor)


def _ranges(features: Sequence[Feature], values: Floats) -> list[dict[str, Any]]:
    """Return the range of each sensor in training as a rule; of every feature where no latest value is among them."""
    latest = that_show(features, "latest") or features
    low, high = values.min(axis=0), values.max(axis=0)
    return [
        {"sensor": feature.name, "below": low[place], "above": high[place]}
        for place, feature in enumerate(features)
        if feature in latest
    ]
