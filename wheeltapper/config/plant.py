"""The plant on one page: which assets, from which source, with which pipeline settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from wheeltapper.config.cleaning import Cleaning
from wheeltapper.config.fitting import (
    require_conditioning,
    require_fault_kinds,
    require_rules_that_fire,
    require_units,
)
from wheeltapper.config.machines import AssetType
from wheeltapper.config.parts import Parts, PartsByFraction
from wheeltapper.config.plug_ins import PlugIn
from wheeltapper.config.search import Search, require_candidates
from wheeltapper.config.values import NAME, Duration, Model, format_duration
from wheeltapper.errors import ConfigError
from wheeltapper.plugins import PlugIns

AssetTypes = Callable[[str, PlugIns], AssetType]
"""Looks an asset type up by its name among plug-ins; `ConfigError` where there is none."""


class Windows(Model):
    """How readings are cut into windows: by count, or by time where readings come irregularly."""

    rows: int = Field(5, ge=2, description="readings in a window")
    length: Duration | None = Field(
        None, description="instead of rows: how long a window lasts; it holds the readings of that time, however many"
    )
    every: int = Field(1, ge=1, description="readings between the ends of two windows (steps, where time counts)")
    max_gap: Duration | None = Field(
        None, description="a longer pause ends a stretch of readings; by default three steps between readings"
    )

    @model_validator(mode="after")
    def _counts_or_lasts(self) -> Self:
        # A plan that was written out names the default, too.
        if (
            self.length is not None
            and "rows" in self.model_fields_set
            and self.rows != Windows.model_fields["rows"].default
        ):
            raise ValueError(f"name rows or length, not both; got {self.rows} rows and {format_duration(self.length)}")
        return self

    def usual_rows(self, step: timedelta) -> int:
        """Return how many readings a window holds where none is late."""
        return self.rows if self.length is None else max(2, round(self.length / step))

    def lasting(self, step: timedelta) -> timedelta:
        """Return how long a window lasts where no reading is late."""
        return self.usual_rows(step) * step


class Alarms(Model):
    """How anomalous windows become one alarm."""

    open_after: int = Field(3, ge=1, description="anomalous windows in a row that open an alarm")
    close_after: int = Field(6, ge=1, description="normal windows in a row that close it")
    close_below: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of the threshold below which a window counts as normal for closing: with 0.8 an alarm that "
        "hovers about its threshold stays one alarm",
    )


class KindCosts(Model):
    """The cost of a fault of one kind that is missed."""

    missed_fault: float = Field(ge=0, description="an unplanned stop from a fault of this kind")
    downtime_hours: float | None = Field(
        None, ge=0, description="how long that stop lasts; reported beside the cost, which it is part of"
    )


class Costs(Model):
    """The costs of mistakes and successes, per event (never per row)."""

    currency: str = "EUR"
    missed_fault: float = Field(10_000, ge=0, description="an unplanned stop: the fault ran to its end unseen")
    found_fault: float = Field(2_000, ge=0, description="a planned repair: the fault was found")
    false_alarm: float = Field(500, ge=0, description="somebody walks to the machine for nothing")
    delay_hour: float = Field(100, ge=0, description="one hour between a fault's start and its alarm")
    alarm_hour: float = Field(50, ge=0, description="one hour of an alarm that is on for nothing")
    by_kind: dict[str, KindCosts] = Field(
        default_factory=dict, description="fault kind → what it costs when missed, where that is known better"
    )

    @model_validator(mode="after")
    def _finding_pays(self) -> Self:
        if self.found_fault >= self.missed_fault:
            raise ValueError("found_fault must cost less than missed_fault, or nothing is worth finding")
        for kind, costs in self.by_kind.items():
            if self.found_fault >= costs.missed_fault:
                raise ValueError(
                    f"by_kind: {kind}: found_fault ({self.found_fault:g}) must cost less than missed_fault "
                    f"({costs.missed_fault:g}), or {kind} is not worth finding. Correct one of them"
                )
        return self

    def missed(self, kind: str) -> float:
        """Return the cost of a missed fault of this kind."""
        costs = self.by_kind.get(kind)
        return self.missed_fault if costs is None else costs.missed_fault


FEATURES = (
    PlugIn(name="latest"),
    PlugIn(
        name="long_rolling",
        options={"over": [], "rows": [3, 10, 30, 60], "what": ["mean"], "whole": False, "same_regime": True},
    ),
    PlugIn(name="restlessness"),
    PlugIn(name="ratios"),
)
"""The features of a plant that names none: the readings, their means over four looks back within the operating state,
how restless they are over two, and the quotients and products that the asset type names. A mean over many readings
shows a small shift that single readings hide, and restlessness shows a sensor that is stuck or noisy at its usual mean;
benchmarks/quality.py measures what they are worth."""

CANDIDATES = tuple(PlugIn(name=name) for name in ("mahalanobis", "pca_residual", "one_class"))
"""The candidates of a plant that names none."""


class Selection(Model):
    """Which features are kept of those that are computed: the ones that tell windows inside known faults from others.

    They are chosen on the train part; where no fault is known there, all are kept. It is worth it with hundreds of
    features.
    """

    fdr: float = Field(0.05, gt=0, lt=1, description="share of the kept features that may be there by chance")


def plug_ins_of(folder: Path | None, plugins: Path | None) -> PlugIns:
    """Return the plug-ins of a plant in ``folder`` that names the folder ``plugins``, or none."""
    return PlugIns(None if plugins is None else ((folder or Path()) / plugins).resolve())


class Plant(Model):
    """One plant: which assets, from which source, with which pipeline settings."""

    name: str = Field(pattern=NAME, description="the file's name")
    folder: Path = Field(description="where the plant's file lies; relative paths start here", exclude=True)
    description: str = ""
    plugins: Path | None = Field(
        None,
        exclude=True,
        description="folder of plug-ins of your own, with sub-folders such as detectors and feature_sets",
    )
    asset_type: AssetType
    source: PlugIn
    live: tuple[PlugIn, ...] = Field(
        (),
        description="live sources that `wheeltapper serve` takes readings from, such as an MQTT broker",
    )
    cleaning: Cleaning = Cleaning()
    windows: Windows = Windows()
    features: tuple[PlugIn, ...] = Field(FEATURES, min_length=1, description="feature sets with their options")
    select: Selection | None = Field(None, description="keep features that have to do with known faults; else all")
    normalise: Literal["robust", "standard"] = Field("robust", description="how each regime is scaled")
    parts: Parts = PartsByFraction()
    models: Literal["per_asset", "pooled"] = Field(
        "pooled", description="one model for each asset, or one for the asset type (scaled per asset either way)"
    )
    objectives: tuple[PlugIn, ...] = Field(
        (PlugIn(name="detect"),), min_length=1, description="questions that are asked of the machines, with options"
    )
    candidates: tuple[PlugIn, ...] = Field(
        CANDIDATES, min_length=1, description="detectors to try; baselines always join in"
    )
    search: Search | None = Field(None, description="options of candidates that are tried; else they stay as written")
    alarm_budget: float = Field(1.0, gt=0, description="false alarms that you accept per asset and week")
    alarms: Alarms = Alarms()
    costs: Costs = Costs()
    lead: Duration = Field(
        timedelta(0),
        ge=timedelta(0),
        description="how long before a fault's recorded start an alarm may open, stay on, and still be about it; for "
        "labels whose start is a convention. Rows in that span are not learnt as normal",
    )
    ends_in_failure: tuple[str, ...] = Field(
        (),
        description="kinds of fault whose end is a failure, beside those of which the asset type says so; lead times "
        "are measured to it",
    )
    seed: int = Field(
        42,
        ge=0,
        le=2**32 - 1,
        description="of all random numbers: the same plant, data and seed give the same figures; scikit-learn takes "
        "none above 2³² − 1",
    )

    @field_validator("asset_type", mode="before")
    @classmethod
    def _look_up(cls, value: Any, info: ValidationInfo) -> Any:
        """Replace the name of an asset type by the type; the validation context holds the function for it."""
        if not isinstance(value, str):
            return value
        asset_types: AssetTypes | None = (info.context or {}).get("asset_types")
        if asset_types is None:
            raise ValueError(f"expected an asset type with step and sensors, got the name '{value}'")
        try:
            return asset_types(value, plug_ins_of(info.data.get("folder"), info.data.get("plugins")))
        except ConfigError as error:
            raise ValueError(f"{error} Or describe your own type here: step and sensors.") from error

    @model_validator(mode="after")
    def _reads_what_it_can(self) -> Self:
        require_units(self.cleaning.units, self.asset_type)
        require_rules_that_fire(self.cleaning.regimes, self.asset_type)
        require_conditioning(self.cleaning, self.asset_type)
        return self

    @model_validator(mode="after")
    def _prices_its_own_faults(self) -> Self:
        require_fault_kinds(self.costs.by_kind, self.asset_type, "costs.by_kind")
        return self

    @model_validator(mode="after")
    def _knows_what_fails(self) -> Self:
        # A type that describes no faults may meet any kind in its source; that is checked when it is judged.
        if self.asset_type.faults:
            require_fault_kinds(self.ends_in_failure, self.asset_type, "ends_in_failure")
        return self

    @model_validator(mode="after")
    def _fills_windows(self) -> Self:
        whose = "the asset type's step" if self.cleaning.resample is None else "cleaning.resample"
        if self.max_gap < self.step:
            raise ValueError(
                f"windows.max_gap must be at least {whose} of {format_duration(self.step)}, "
                f"or no window is ever full; got {format_duration(self.max_gap)}"
            )
        length = self.windows.length
        if self.cleaning.resample is not None and length is not None and length <= self.step:
            raise ValueError(
                f"windows.length must be longer than {whose} of {format_duration(self.step)}, "
                f"or no window holds two values; got {format_duration(length)}"
            )
        return self

    @model_validator(mode="after")
    def _tries_each_once(self) -> Self:
        for place, candidate in enumerate(self.candidates):
            if candidate in self.candidates[:place]:
                raise ValueError(f"candidates name {candidate.name} twice with the same options; name it once")
        return self

    @model_validator(mode="after")
    def _asks_each_once(self) -> Self:
        names = [objective.name for objective in self.objectives]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise ValueError(f"objectives name {name} twice; name it once")
        return self

    @model_validator(mode="after")
    def _searches_what_it_tries(self) -> Self:
        require_candidates(self.search, [candidate.name for candidate in self.candidates])
        return self

    @property
    def plug_ins(self) -> PlugIns:
        """Where detectors, feature sets and sources are looked up that the plant names."""
        return plug_ins_of(self.folder, self.plugins)

    @property
    def failing_kinds(self) -> frozenset[str]:
        """Kinds of fault that end in a failure."""
        of_type = (kind for kind, fault in self.asset_type.faults.items() if fault.ends_in_failure)
        return frozenset((*of_type, *self.ends_in_failure))

    @property
    def step(self) -> timedelta:
        """Usual time between two readings as windows see them: the grid's step where there is one."""
        return self.cleaning.resample or self.asset_type.step

    @property
    def title(self) -> str:
        """Its name and, where there is one, its description."""
        return f"{self.name}: {self.description}" if self.description else self.name

    @property
    def max_gap(self) -> timedelta:
        """The longest pause inside a window."""
        return 3 * self.step if self.windows.max_gap is None else self.windows.max_gap

    @property
    def window_spacing(self) -> timedelta:
        """Usual time between the ends of two windows."""
        return self.windows.every * self.step

    @property
    def window_reach(self) -> timedelta:
        """How far back the values of a window reach: its own length and that of its smoothing.

        A band of this width around a fault is kept out of learning.
        """
        smoothed = max((smooth.rows - 1 for smooth in self.cleaning.smooth.values()), default=0)
        return self.windows.lasting(self.step) + smoothed * self.step

    @property
    def period(self) -> Literal["day", "month"]:
        """How the plant's tables are cut into files: a day of fast readings, a month of slow ones."""
        return "day" if self.asset_type.step <= timedelta(minutes=1) else "month"
