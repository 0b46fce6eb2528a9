"""How readings are cleaned: units, regimes, gaps, smoothing, resampling, and what is flagged. Nothing looks ahead."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wheeltapper.config.values import Duration, Model


class RegimeRule(Model):
    """Tells a regime from a sensor where the source names none: ``{regime: off, sensor: current, below: 5}``."""

    regime: str = Field(description="one of the asset type's regimes")
    sensor: str = Field(description="the sensor that tells")
    below: float | None = Field(
        None, description="the machine is in this regime while the sensor shows less, in its unit"
    )
    above: float | None = Field(
        None, description="the machine is in this regime while the sensor shows more, in its unit"
    )


class Smooth(Model):
    """A causal smoother: each value becomes the mean or median of itself and the readings before it."""

    by: Literal["mean", "median"] = Field(
        "median", description="median keeps edges and drops spikes; mean keeps neither"
    )
    rows: int = Field(5, ge=2, description="readings that are smoothed over, the latest included")


class Cleaning(Model):
    """What is done to readings on their way into tables and windows; by default nothing.

    Units and regimes are settled when a row is read: the table of readings is in the asset type's units. Gaps,
    resampling and smoothing belong to the feature plan: the table keeps what was measured, and the model that learnt
    from smoothed values is served smoothed values.
    """

    units: dict[str, str] = Field(default_factory=dict, description="sensor → the unit that the source delivers it in")
    regimes: tuple[RegimeRule, ...] = Field(
        (), description="rules for rows whose source names no regime; the first that fits wins, else normal"
    )
    fill: dict[str, Duration] = Field(
        default_factory=dict,
        description="sensor → how long its last value stands in for a missing one; else it is missing",
    )
    resample: Duration | None = Field(None, description="put irregular readings on a grid of this step, by their means")
    smooth: dict[str, Smooth] = Field(default_factory=dict, description="sensor → smoother")
    flags: tuple[Literal["iqr", "hampel"], ...] = Field(
        ("hampel",), description="which unusual values are flagged; a flagged value stays where it is"
    )
