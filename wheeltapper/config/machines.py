"""The description of a kind of machine: its sensors, regimes and faults."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from wheeltapper.config.categories import as_words, require_free_names, sensor_names
from wheeltapper.config.formulas import sources
from wheeltapper.config.values import NAME, Duration, Model, format_duration
from wheeltapper.spelling import near_miss

REGIMES = ("startup", "normal", "high_load", "maintenance", "off")
IDLE_REGIMES = ("maintenance", "off")
"""Regimes in which a machine is not watched: nothing is learnt and no alarm is raised."""

# The fixed columns of the tables of readings and features (a test holds the two together), and of sources.
RESERVED = {
    "asset_id",
    "timestamp",
    "regime",
    "ingested_at",
    "batch_id",
    "window_start",
    "window_end",
    "usable",
    "why_not",
    "plan",
    "row",
    "period",
    "origin",
    "defect",
}


class Sensor(Model):
    """One measured quantity of an asset."""

    unit: str = Field(description="engineering unit, such as bar, mm/s or °C; 1 for a pure number")
    low: float | None = Field(None, description="lowest value that the sensor can show, in its unit")
    high: float | None = Field(None, description="highest value that the sensor can show, in its unit")
    alarm_low: float | None = Field(None, description="below this the plant's own rule raises an alarm, in its unit")
    alarm_high: float | None = Field(None, description="above this the plant's own rule raises an alarm, in its unit")
    alarm_effect: float | None = Field(
        None,
        gt=0,
        description="smallest distance from what is normal for machine and regime that is worth an alarm, in its unit "
        "(of a counter: in its unit an hour)",
    )
    alarm_direction: Literal["up", "down", "both"] = Field(
        "both", description="which way it must lie for alarm_effect: above normal, below it, or either"
    )
    counter: bool = Field(
        False, description="it only counts up, like an energy meter; features look at what it counts in an hour"
    )
    description: str = Field("", description="what it measures, for people")

    @field_validator("unit", mode="before")
    @classmethod
    def _is_a_unit(cls, unit: Any) -> str:
        import pint

        try:
            if unit is None or not str(unit).strip():
                raise ValueError("nothing was written")
            pint.application_registry.parse_units(str(unit))
        except Exception as error:
            raise ValueError(
                f"unit {unit!r} is not known. Write it like bar, mm/s, m³/h, °C, A, %, kWh, or 1 for a pure number"
            ) from error
        return str(unit)

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must be below high, got low {self.low:g} and high {self.high:g}")
        if self.alarm_low is not None and self.alarm_high is not None and not self.alarm_low < self.alarm_high:
            raise ValueError(
                f"alarm_low must be below alarm_high, got alarm_low {self.alarm_low:g} and alarm_high "
                f"{self.alarm_high:g}"
            )
        return self

    @model_validator(mode="after")
    def _has_an_effect_that_can_be(self) -> Self:
        if self.alarm_effect is None:
            if "alarm_direction" in self.model_fields_set and self.alarm_direction != "both":
                raise ValueError(
                    f"alarm_direction is {self.alarm_direction}, but alarm_effect does not say how far. "
                    f"Write alarm_effect: 0.5, in {self.unit_of_features}, or remove alarm_direction"
                )
            return self
        is_bounded = self.low is not None and self.high is not None and not self.counter
        if is_bounded and self.alarm_effect >= (self.high or 0.0) - (self.low or 0.0):
            raise ValueError(
                f"alarm_effect of {self.alarm_effect:g} {self.unit} can never be reached: the sensor shows "
                f"{self.limits()}. Write a smaller one, or correct the limits"
            )
        return self

    @property
    def unit_of_features(self) -> str:
        """The unit of its features; those of a counter are per hour."""
        return f"{self.unit}/h" if self.counter else self.unit

    def limits(self) -> str:
        """Return the limits in words: ``0 to 12 bar``."""
        low = "-∞" if self.low is None else f"{self.low:g}"
        high = "∞" if self.high is None else f"{self.high:g}"
        return f"{low} to {high} {self.unit}"


class Effect(Model):
    """The effect of a fully developed fault on one sensor: ``value * factor + shift``."""

    factor: float = Field(1.0, gt=0, description="multiplies the normal value")
    shift: float = Field(0.0, description="is added to it, in the sensor's unit")
    noise: float = Field(0.0, ge=0, description="extra standard deviation, in the sensor's unit")


class FaultKind(Model):
    """One way in which a machine of this type (or one of its sensors) goes wrong."""

    description: str
    first_check: str = Field("", description="the first thing to look at when this is suspected")
    part: Literal["machine", "sensor"] = Field("machine", description="what is broken")
    tier: Literal["critical", "high", "medium"] = Field(
        "medium", description="how urgent it is at least: look within 15 minutes, 2 hours or 24 hours"
    )
    ends_in_failure: bool = Field(
        False, description="left alone, it ends in a failure: the fault's end is when the machine fails"
    )
    effects: dict[str, Effect] = Field(default_factory=dict, description="sensor → effect at full severity")


class AssetType(Model):
    """Everything that holds for every machine of a kind."""

    name: str = Field(pattern=NAME)
    description: str = ""
    step: Duration = Field(description="usual time between two readings")
    sensors: dict[str, Sensor] = Field(min_length=1)
    categories: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="text column → the values that it may have: product: [L, M, H] becomes the sensors product_is_L, "
        "product_is_M and product_is_H, 0 or 1; an unknown or missing value is 0 in all of them",
    )
    regimes: tuple[str, ...] = Field(
        REGIMES, description="operating states; a source without a regime column is all 'normal'"
    )
    ratios: tuple[tuple[str, str], ...] = Field((), description="pairs of sensors whose quotient means something")
    products: tuple[tuple[str, str], ...] = Field((), description="pairs of sensors whose product means something")
    twin: dict[str, str] = Field(
        default_factory=dict,
        description="sensor → formula of what a healthy machine would show, from other sensors and from quantities "
        "with formulas of their own: {head: 65 - 20 * flow ** 2, pressure: 0.098 * head}",
    )
    faults: dict[str, FaultKind] = Field(default_factory=dict)

    @field_validator("categories", mode="before")
    @classmethod
    def _takes_numbers_for_words(cls, categories: Any) -> Any:
        return as_words(categories)

    @model_validator(mode="after")
    def _turns_categories_into_sensors(self) -> Self:
        """Add a sensor for each value of each category; a type that was written and read back has them already."""
        derived = {
            name: Sensor(unit="1", low=0.0, high=1.0, description=means)
            for name, means in sensor_names(self.categories).items()
        }
        for name, sensor in self.sensors.items():
            if name in derived and sensor.limits() != derived[name].limits():
                raise ValueError(f"sensor '{name}' has the name of a category's value. Rename one of them")
        require_free_names(self.categories, RESERVED | set(self.sensors))
        if derived.keys() >= self.sensors.keys():
            raise ValueError(f"{self.name} has categories, but no sensor that measures anything. Add one to sensors")
        object.__setattr__(self, "sensors", {**self.sensors, **derived})
        return self

    @property
    def derived(self) -> tuple[str, ...]:
        """The sensors that stand for a category's values: they are not measured, and cannot break."""
        return tuple(sensor_names(self.categories))

    @property
    def measured(self) -> tuple[str, ...]:
        """The sensors that measure something."""
        derived = set(self.derived)
        return tuple(name for name in self.sensors if name not in derived)

    @property
    def delivered(self) -> tuple[str, ...]:
        """The columns that a source must deliver: the measured sensors, and each category as text."""
        return (*self.measured, *self.categories)

    @model_validator(mode="after")
    def _has_a_lawful_twin(self) -> Self:
        sources(self.twin, self.sensors)
        return self

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if self.step <= timedelta(0):
            raise ValueError(f"step must be longer than nothing, got {format_duration(self.step)}")
        return self

    @model_validator(mode="after")
    def _names_own_sensors(self) -> Self:
        for name in self.sensors:
            if not re.match(NAME, name) or "__" in name or name in RESERVED:
                raise ValueError(
                    f"'{name}' cannot be a sensor's name: use letters, digits and single underscores, "
                    f"and none of {sorted(RESERVED)}"
                )
        used = [name for pair in self.ratios + self.products for name in pair]
        used += [name for kind in self.faults.values() for name in kind.effects]
        for name in used:
            if name not in self.sensors:
                raise ValueError(
                    f"{self.name} has no sensor '{name}' (it has: {', '.join(self.sensors)})."
                    f"{near_miss(name, list(self.sensors))}"
                )
        return self
