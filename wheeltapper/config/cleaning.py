"""How readings are cleaned: units, regimes, gaps, smoothing, resampling, and what is flagged. Nothing looks ahead."""

from __future__ import annotations

from math import inf
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from wheeltapper.config.values import Duration, Model


class RegimeRule(Model):
    """Sets the regime by a sensor where the source names none: ``{regime: off, sensor: current, below: 5}``.

    With both bounds the machine is in this regime while the sensor shows something between them.
    """

    regime: str = Field(description="one of the asset type's regimes")
    sensor: str = Field(description="the sensor that decides")
    below: float | None = Field(
        None, description="the machine is in this regime while the sensor shows less, in its unit"
    )
    above: float | None = Field(
        None, description="the machine is in this regime while the sensor shows more, in its unit"
    )

    @field_validator("regime", mode="before")
    @classmethod
    def _takes_off_for_a_word(cls, regime: Any) -> Any:
        """Undo YAML's reading of off as false."""
        return "off" if regime is False else regime

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.below is None and self.above is None:
            raise ValueError("a rule needs below, above, or both: the values between them")
        low, high = self.span
        if not low < high:
            raise ValueError(f"above must be less than below, got above {low:g} and below {high:g}: nothing is between")
        return self

    @property
    def span(self) -> tuple[float, float]:
        """The values for which the rule holds, without the bounds themselves."""
        return (-inf if self.above is None else self.above, inf if self.below is None else self.below)

    def sentence(self) -> str:
        """Return the rule in words: ``current below 5 means off``."""
        bounds = [f"above {self.above:g}"] if self.above is not None else []
        bounds += [f"below {self.below:g}"] if self.below is not None else []
        return f"{self.sensor} {' and '.join(bounds)} means {self.regime}"


class Smooth(Model):
    """A causal smoother: each value becomes the mean or median of itself and the readings before it."""

    by: Literal["mean", "median"] = Field(
        "median", description="median keeps edges and drops spikes; mean keeps neither"
    )
    rows: int = Field(5, ge=2, description="readings that are smoothed over, the latest included")


class Conditioning(Model):
    """How the feature plan prepares one asset's readings before it cuts windows: on to a grid, fill, smooth.

    It does so in this order, for each asset separately, never across a gap and never with a later reading. The table of
    readings is not altered.
    """

    fill: dict[str, Duration] = Field(
        default_factory=dict,
        description="sensor → how long its last value stands in for a missing one; else it is missing",
    )
    resample: Duration | None = Field(None, description="put irregular readings on a grid of this step, by their means")
    smooth: dict[str, Smooth] = Field(default_factory=dict, description="sensor → smoother")


class Cleaning(Conditioning):
    """How readings are changed on their way into tables and windows; by default not at all.

    Units and regimes are settled when a row is read: the table of readings is in the asset type's units. Gaps,
    resampling and smoothing belong to the feature plan: the table keeps the measured values, and a model that learnt
    from smoothed values scores smoothed values.
    """

    units: dict[str, str] = Field(default_factory=dict, description="sensor → the unit that the source delivers it in")
    regimes: tuple[RegimeRule, ...] = Field(
        (), description="rules for rows whose source names no regime; the first that fits wins, else normal"
    )
    flags: tuple[Literal["iqr", "hampel"], ...] = Field(
        ("hampel",), description="which unusual values are flagged; a flagged value stays where it is"
    )
