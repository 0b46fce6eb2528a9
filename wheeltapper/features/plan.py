"""The feature plan: which features are computed from which windows, described before anything is computed.

It is validated when it is written, has a hash, and travels with the model as JSON. `wheeltapper.features.compute` turns
readings into feature rows by it: in training, on schedule, over HTTP and in a stream.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import timedelta
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from wheeltapper import tables
from wheeltapper.config import REGIMES, AssetType, Conditioning, Model, Plant, PlugIn, Windows, describe
from wheeltapper.config.fitting import require_conditioning
from wheeltapper.errors import ConfigError
from wheeltapper.features import windows as cutting
from wheeltapper.features.columns import Feature
from wheeltapper.features.conditioning import look_back
from wheeltapper.features.recipe import Recipe
from wheeltapper.features.sets import FeatureSet, Places, Reach
from wheeltapper.plugins import FEATURE_SETS, INSTALLED, PlugIns
from wheeltapper.spelling import near_miss

_EDITION = 1
"""Part of every plan's hash: to be raised when a feature set computes something else under the same name."""

_LATER: dict[str, dict[str, Any]] = {
    "asset_type": {"categories": {}, "twin": {}},
    "windows": {"length": None},
}
_LATER_OF_SENSORS: dict[str, Any] = {"alarm_effect": None, "alarm_direction": "both"}
"""Fields that a later release added, with the value that changes nothing. With that value they are no part of the hash,
so a release that adds a field leaves stored feature rows valid."""


def build_set(name: str, options: dict[str, Any] | None = None, plug_ins: PlugIns = INSTALLED) -> FeatureSet:
    """Make a feature set by its file's name.

    Raises
    ------
    ConfigError
        If there is no such set, it has no such option, or it refuses an option's value; with the near miss.
    """
    kind = plug_ins.load(FEATURE_SETS, name, FeatureSet)  # type: ignore[type-abstract]
    try:
        return kind.model_validate(options or {})
    except ValidationError as error:
        valid = f" Its options: {', '.join(kind.model_fields) or 'none'}."
        raise ConfigError(describe(error, f"feature set {name}", kind) + valid) from error


class FeaturePlan(Model):
    """Which features are computed from which windows of which sensors.

    Frozen; ``model_dump_json`` writes it and ``model_validate_json`` reads it back. The descriptions of the columns
    (`features`) are not written: the sets describe their columns again when the plan is read.
    """

    plug_ins: PlugIns = Field(INSTALLED, exclude=True, description="where feature sets are looked up")
    asset_type: AssetType = Field(description="name, step, sensors with units and limits, ratios, products; no more")
    sets: tuple[PlugIn, ...] = Field(min_length=1, description="feature sets with all their options")
    conditioning: Conditioning = Field(Conditioning(), description="how readings are prepared before windows are cut")
    windows: Windows = Windows()
    columns: tuple[str, ...] = Field((), description="features in order; left out: all that the sets offer")
    code: dict[str, str] = Field(
        {},
        exclude_if=lambda code: not code,
        description="set → digest of its code, of the sets that are not Wheeltapper's own",
    )

    @classmethod
    def of(cls, plant: Plant) -> Self:
        """Write the plan of a plant.

        Raises
        ------
        ConfigError
            If a feature set or option is unknown, or two sets give the same column.
        """
        return cls(
            plug_ins=plant.plug_ins,
            asset_type=plant.asset_type,
            sets=plant.features,
            conditioning=Conditioning(**{name: getattr(plant.cleaning, name) for name in Conditioning.model_fields}),
            windows=plant.windows.model_copy(update={"max_gap": plant.max_gap}),
        )

    @field_validator("asset_type")
    @classmethod
    def _keep_what_counts(cls, asset_type: AssetType) -> AssetType:
        """Drop what changes no feature (texts, faults, regimes), so that rewording a text changes no hash."""
        sensors = {name: sensor.model_copy(update={"description": ""}) for name, sensor in asset_type.sensors.items()}
        return asset_type.model_copy(update={"description": "", "faults": {}, "regimes": REGIMES, "sensors": sensors})

    @field_validator("sets")
    @classmethod
    def _fill_in_options(cls, sets: tuple[PlugIn, ...], info: ValidationInfo) -> tuple[PlugIn, ...]:
        """Write the defaults out: a later version with other defaults must still compute this plan as it was."""
        plug_ins = info.data["plug_ins"]
        return tuple(
            PlugIn(name=chosen.name, options=build_set(chosen.name, chosen.options, plug_ins).model_dump())
            for chosen in sets
        )

    @model_validator(mode="after")
    def _is_computed_by_its_code(self) -> Self:
        digests = {chosen.name: self.plug_ins.digest(FEATURE_SETS, chosen.name) for chosen in self.sets}
        for name, digest in self.code.items():
            if name in digests:
                self.plug_ins.require(FEATURE_SETS, name, digest)
        object.__setattr__(self, "code", {name: digest for name, digest in digests.items() if digest})
        return self

    @model_validator(mode="after")
    def _conditions_its_sensors(self) -> Self:
        require_conditioning(self.conditioning, self.asset_type)
        return self

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        offered = list(self._offered)
        if not offered:
            raise ConfigError(f"feature sets {[plug_in.name for plug_in in self.sets]} give no column; add 'latest'.")
        if not self.columns:
            object.__setattr__(self, "columns", tuple(offered))
        for column in self.columns:
            if column not in self._offered:
                raise ConfigError(
                    f"no feature named '{column}'; the plan's sets give {offered}.{near_miss(column, offered)}"
                )
        if len(set(self.columns)) < len(self.columns):
            raise ConfigError(f"every feature may be named once; got {list(self.columns)}")
        return self

    @cached_property
    def _offered(self) -> dict[str, tuple[str, Feature]]:
        """Every column that the sets offer, in order → the set that gives it, and its description.

        Raises
        ------
        ConfigError
            If two sets give the same column, one would overwrite a column of the table, or a description is none.
        """
        offered: dict[str, tuple[str, Feature]] = {}
        for plug_in, feature_set in zip(self.sets, self._built, strict=True):
            for feature in feature_set.columns(self.asset_type):
                _require_description(plug_in.name, feature, self.asset_type)
                if feature.name in offered or feature.name in tables.FEATURES.names():
                    owner = offered[feature.name][0] if feature.name in offered else "the features table itself"
                    raise ConfigError(
                        f"feature set {plug_in.name} gives column '{feature.name}', which {owner} has already. "
                        "Name each set and each pair of sensors once."
                    )
                offered[feature.name] = plug_in.name, feature
        return offered

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The description of each column, in their order."""
        return tuple(self._offered[column][1] for column in self.columns)

    @cached_property
    def _built(self) -> tuple[FeatureSet, ...]:
        return tuple(build_set(chosen.name, chosen.options, self.plug_ins) for chosen in self.sets)

    @cached_property
    def narrowed_sets(self) -> tuple[FeatureSet, ...]:
        """The sets, each restricted to the plan's columns: a shrunk plan computes less."""
        return tuple(feature_set.only(self.columns) for feature_set in self._built)

    @cached_property
    def recipe(self) -> Recipe:
        """How its columns are computed; prepared once, because serving needs it for every reading."""
        return Recipe.of(self.narrowed_sets, self.conditioned_asset_type, self.columns)

    @cached_property
    def promised(self) -> tuple[str, ...]:
        """The columns that have a value in every usable window; the others may lack one, and are filled by training."""
        complete = {
            plug_in.name
            for plug_in, feature_set in zip(self.sets, self._built, strict=True)
            if feature_set.always_has_value
        }
        return tuple(column for column in self.columns if self._offered[column][0] in complete)

    @cached_property
    def promised_places(self) -> Places:
        """The positions of the promised columns."""
        promised = set(self.promised)
        return np.flatnonzero([column in promised for column in self.columns])

    @property
    def needs(self) -> tuple[str, ...]:
        """Packages that computing it takes beside numpy, pandas and scipy, by the names that pip knows them by."""
        return tuple(dict.fromkeys(package for feature_set in self._built for package in feature_set.needs))

    @property
    def sensors(self) -> tuple[str, ...]:
        """The sensors that readings must have."""
        return tuple(self.asset_type.sensors)

    @property
    def counters(self) -> list[str]:
        """The sensors that count: their features are computed from what they counted in an hour."""
        return [name for name, sensor in self.asset_type.sensors.items() if sensor.counter]

    @property
    def step(self) -> timedelta:
        """Usual time between two readings as windows see them: the grid's step where there is one."""
        return self.conditioning.resample or self.asset_type.step

    @cached_property
    def conditioned_asset_type(self) -> AssetType:
        """The asset type with the step that feature sets see."""
        return self.asset_type.model_copy(update={"step": self.step})

    @property
    def max_gap(self) -> timedelta:
        """The longest pause inside a window."""
        return self.windows.max_gap or 3 * self.step

    @cached_property
    def readings_needed(self) -> int:
        """How many readings one window's features are computed from, where none is late.

        One more than the window or the furthest set has, where a sensor counts; more where values are smoothed or
        filled in, and on a grid all readings of its cells and the one that completes the last.
        """
        furthest = max([self.windows.usual_rows(self.step), *(reach.readings for reach in self._reaches)])
        in_time = max(reach.time for reach in self._reaches) // self.step
        conditioned = max(furthest, in_time) + self._readings_before + -(-self._oldest_fill // self.step)
        if self.conditioning.resample is None:
            return conditioned
        return -(-conditioned * self.step // self.asset_type.step) + 1

    @cached_property
    def needed_before(self) -> timedelta:
        """How far before a window's end readings are needed, at the most.

        A counter's first step begins at the reading before the window. A window that lasts a time is full if its
        stretch began early enough, which an earlier reading shows, so one longest gap is added. A smoothed value is
        made from earlier ones, a filled-in one from a value as old as allowed, a cell of the grid from a whole step.

        Features computed from readings that start this much earlier (inclusive) are the same, bit for bit, as those
        computed from all readings.
        """
        in_readings = max(
            [0 if self.windows.length else self.windows.rows, *(reach.readings for reach in self._reaches)]
        )
        in_time = max([self.windows.length or timedelta(0), *(reach.time for reach in self._reaches)])
        by_count = (in_readings - 1) * self.max_gap if in_readings else timedelta(0)
        by_time = in_time + self.max_gap if in_time else timedelta(0)
        conditioned = max(by_count, by_time) + self._readings_before * self.max_gap
        return conditioned + self._oldest_fill + (self.conditioning.resample or timedelta(0))

    @property
    def needed_after(self) -> timedelta:
        """How far after a window's end readings are needed: on a grid, a later reading must show that a cell is over.

        Windows that end before an instant are final once all readings until this much later are there.
        """
        return timedelta(0) if self.conditioning.resample is None else self.max_gap

    @property
    def _readings_before(self) -> int:
        """How many readings before a window its values are made from: one where a sensor counts, more if smoothed."""
        return int(bool(self.counters)) + self._smoothed

    @property
    def _smoothed(self) -> int:
        """How many readings before a window its smoothed values are made from."""
        return look_back(self.conditioning.smooth)

    @property
    def _oldest_fill(self) -> timedelta:
        """How old a value may be that is filled in for a missing one."""
        return max(self.conditioning.fill.values(), default=timedelta(0))

    @cached_property
    def _reaches(self) -> tuple[Reach, ...]:
        return tuple(feature_set.reach(self.conditioned_asset_type) for feature_set in self._built)

    def reaching(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return feature rows whose ``window_start`` is where the furthest set begins to look.

        Faults and the readings of another part must be compared with a row from there on.
        """
        furthest = max(
            [(reach.readings - 1) * self.step for reach in self._reaches] + [reach.time for reach in self._reaches]
        )
        if furthest > timedelta(0):  # those values are made from earlier readings in their turn
            furthest += self._smoothed * self.step + self._oldest_fill + (self.conditioning.resample or timedelta(0))
        begin = rows["window_end"] - max(furthest, timedelta(0))
        return rows.assign(window_start=rows["window_start"].where(rows["window_start"] <= begin, begin))

    @cached_property
    def hash(self) -> str:
        """Name of the plan: 16 hexadecimal digits of SHA-256 over everything that decides a feature's value.

        The order in which sensors, options or columns were written does not count.
        """
        content = self.model_dump(mode="json")
        if self.conditioning == Conditioning():
            del content["conditioning"]  # a plan that conditions nothing has the hash that it had before conditioning
        for part, fields in _LATER.items():
            _drop_unused(content[part], fields)
        for sensor in content["asset_type"]["sensors"].values():
            _drop_unused(sensor, _LATER_OF_SENSORS)
        for set_content, feature_set in zip(content["sets"], self._built, strict=True):
            _drop_unused(set_content["options"], feature_set.later)
        content["windows"]["max_gap"] = cutting.ticks(self.max_gap)
        content["asset_type"]["step"] = cutting.ticks(self.asset_type.step)
        content["columns"] = sorted(self.columns)
        text = json.dumps({"edition": _EDITION, **content}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def shrink(self, columns: Iterable[str]) -> Self:
        """Keep the features that a model uses, and the sets that give them; the values stay the same.

        All sensors stay: a window that lacks one is unusable before and after.

        Raises
        ------
        ConfigError
            If a column is not in the plan, or none is left.
        """
        kept_columns = set(columns)
        for column in sorted(kept_columns):
            if column not in self.columns:
                raise ConfigError(
                    f"the plan has no feature '{column}' to keep; it has {list(self.columns)}."
                    f"{near_miss(column, list(self.columns))}"
                )
        if not kept_columns:
            raise ConfigError("a plan must keep at least one feature; got none to keep.")
        used_sets = {self._offered[column][0] for column in kept_columns}
        return type(self)(
            plug_ins=self.plug_ins,
            asset_type=self.asset_type,
            sets=tuple(plug_in for plug_in in self.sets if plug_in.name in used_sets),
            conditioning=self.conditioning,
            windows=self.windows,
            columns=tuple(column for column in self.columns if column in kept_columns),
        )

    def is_part_of(self, wider: FeaturePlan) -> bool:
        """Tell whether this is the other plan, or what `shrink` leaves of it: then its rows need not be computed again.

        The hashes are compared, so whatever decides a value is the same in both.
        """
        return set(self.columns) <= set(wider.columns) and wider.shrink(self.columns).hash == self.hash


def _require_description(owner: str, feature: object, asset_type: AssetType) -> None:
    """Refuse a column that is not described, or names a sensor that the asset type does not have."""
    if not isinstance(feature, Feature):
        raise ConfigError(
            f"columns() of feature set {owner} must return a wheeltapper.features.columns.Feature for each column; got "
            f"{feature!r}. Write Feature(name, sensors, shows)."
        )
    for sensor in feature.sensors:
        if sensor not in asset_type.sensors:
            raise ConfigError(
                f"feature set {owner} says that column '{feature.name}' is made of sensor '{sensor}', which "
                f"{asset_type.name} does not have (it has: {', '.join(asset_type.sensors)})."
                f"{near_miss(sensor, list(asset_type.sensors))}"
            )


def _drop_unused(content: dict[str, Any], added_fields: dict[str, Any]) -> None:
    """Remove from a plan's content, in place, the fields that a later release added and that are not used."""
    for name, unused in added_fields.items():
        if name in content and content[name] == unused:
            del content[name]
