"""What is true of a kind of machine: its sensors, regimes and faults."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from wheeltapper import _folder
from wheeltapper.config.values import NAME, Duration, Model, format_duration

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

    @property
    def unit_of_features(self) -> str:
        """The unit that its features are in: of a counter, what it counts in an hour."""
        return f"{self.unit}/h" if self.counter else self.unit

    def limits(self) -> str:
        """Say the limits as a person would: ``0 to 12 bar``."""
        low = "-∞" if self.low is None else f"{self.low:g}"
        high = "∞" if self.high is None else f"{self.high:g}"
        return f"{low} to {high} {self.unit}"


class Effect(Model):
    """What a fully developed fault does to one sensor: ``value * factor + shift``."""

    factor: float = Field(1.0, gt=0, description="multiplies the normal value")
    shift: float = Field(0.0, description="is added to it, in the sensor's unit")
    noise: float = Field(0.0, ge=0, description="extra standard deviation, in the sensor's unit")


class FaultKind(Model):
    """One way in which a machine of this type (or one of its sensors) goes wrong."""

    description: str
    first_check: str = Field("", description="the first thing to look at when this is suspected")
    part: Literal["machine", "sensor"] = Field("machine", description="what is broken")
    effects: dict[str, Effect] = Field(default_factory=dict, description="sensor → effect at full severity")


class AssetType(Model):
    """What is true of every machine of a kind."""

    name: str = Field(pattern=NAME)
    description: str = ""
    step: Duration = Field(description="usual time between two readings")
    sensors: dict[str, Sensor] = Field(min_length=1)
    regimes: tuple[str, ...] = Field(
        REGIMES, description="operating states; a source without a regime column is all 'normal'"
    )
    ratios: tuple[tuple[str, str], ...] = Field((), description="pairs of sensors whose quotient means something")
    products: tuple[tuple[str, str], ...] = Field((), description="pairs of sensors whose product means something")
    faults: dict[str, FaultKind] = Field(default_factory=dict)

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
                    f"{_folder.near_miss(name, list(self.sensors))}"
                )
        return self
