"""The feature plan: what is computed from readings, described first and computed later.

It is validated when it is written, travels with the model as JSON, and is the one way from readings to feature rows:
in training, on schedule, over HTTP and in a stream.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from wheeltapper import tables
from wheeltapper.config import REGIMES, AssetType, Conditioning, Model, Plant, PlugIn, Windows, describe
from wheeltapper.config.fitting import require_conditioning
from wheeltapper.errors import ConfigError, DataError
from wheeltapper.features import windows as cutting
from wheeltapper.features.conditioning import Conditioned, Track, condition, look_back
from wheeltapper.features.sets import FeatureSet, Floats, Places, Reach, Stretch
from wheeltapper.plugins import FEATURE_SETS, INSTALLED, PlugIns
from wheeltapper.spelling import near_miss

Micros = NDArray[np.int64]
Texts = NDArray[Any]

_EDITION = 1
"""Part of every plan's hash: to be raised when a feature set computes something else under the same name."""

_LATER: dict[str, dict[str, Any]] = {
    "asset_type": {"categories": {}, "twin": {}},
    "windows": {"length": None},
}
_LATER_OF_SENSORS: dict[str, Any] = {"alarm_effect": None, "alarm_direction": "both"}
"""Fields that came later, as they are where nobody uses them: then they are no part of the hash, and a release that
brings one leaves stored feature rows valid."""

_NO_VALUE = "no value for "
"""How the reason begins of a window in which a promised feature has no value."""


@dataclass(frozen=True)
class WindowRows:
    """The windows of one asset and their features, as arrays."""

    ends: Micros
    """Time of each window's last reading in microseconds since the epoch, shape (n_windows,), rising."""
    starts: Micros
    """Time of the earliest reading that its values are made from."""
    regimes: Texts
    """The common operating state of those readings, or ``transition``."""
    why_not: Texts
    """Why it may not be learnt from or scored; empty where it may."""
    values: Floats
    """Its features in the order of the plan's columns, shape (n_windows, n_columns); NaN where there is no value."""


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
        known = f" Its options: {', '.join(kind.model_fields) or 'none'}."
        raise ConfigError(describe(error, f"feature set {name}", kind) + known) from error


class FeaturePlan(Model):
    """Which features are computed from which windows of which sensors.

    Frozen; ``model_dump_json`` writes it and ``model_validate_json`` reads it back.
    """

    plug_ins: PlugIns = Field(INSTALLED, exclude=True, description="where feature sets are looked up")
    asset_type: AssetType = Field(description="name, step, sensors with units and limits, ratios, products; no more")
    sets: tuple[PlugIn, ...] = Field(min_length=1, description="feature sets with all their options")
    conditioning: Conditioning = Field(Conditioning(), description="what is done to readings before windows are cut")
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
            PlugIn(name=one.name, options=build_set(one.name, one.options, plug_ins).model_dump()) for one in sets
        )

    @model_validator(mode="after")
    def _is_computed_by_its_code(self) -> Self:
        digests = {one.name: self.plug_ins.digest(FEATURE_SETS, one.name) for one in self.sets}
        for name, digest in self.code.items():
            if name in digests:
                self.plug_ins.require(FEATURE_SETS, name, digest)
        object.__setattr__(self, "code", {name: digest for name, digest in digests.items() if digest})
        return self

    @model_validator(mode="after")
    def _conditions_own_sensors(self) -> Self:
        require_conditioning(self.conditioning, self.asset_type)
        return self

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        owners = self._owners()
        if not owners:
            raise ConfigError(f"feature sets {[one.name for one in self.sets]} give no column; add 'latest'.")
        if not self.columns:
            object.__setattr__(self, "columns", tuple(owners))
        for column in self.columns:
            if column not in owners:
                raise ConfigError(
                    f"no feature named '{column}'; the plan's sets give {list(owners)}."
                    f"{near_miss(column, list(owners))}"
                )
        if len(set(self.columns)) < len(self.columns):
            raise ConfigError(f"every feature may be named once; got {list(self.columns)}")
        return self

    def _owners(self) -> dict[str, str]:
        """Return column → the set that gives it, in order.

        Raises
        ------
        ConfigError
            If two sets give the same column, or one would overwrite a column of the table.
        """
        owners: dict[str, str] = {}
        for plug_in, one in zip(self.sets, self._built, strict=True):
            for column in one.columns(self.asset_type):
                if column in owners or column in tables.FEATURES.names():
                    owner = owners.get(column, "the features table itself")
                    raise ConfigError(
                        f"feature set {plug_in.name} gives column '{column}', which {owner} has already. "
                        "Name each set and each pair of sensors once."
                    )
                owners[column] = plug_in.name
        return owners

    @cached_property
    def _built(self) -> tuple[FeatureSet, ...]:
        return tuple(build_set(one.name, one.options, self.plug_ins) for one in self.sets)

    @cached_property
    def _asked(self) -> tuple[FeatureSet, ...]:
        """The sets, each kept to the plan's columns: a shrunk plan computes less."""
        return tuple(one.only(self.columns) for one in self._built)

    @cached_property
    def promised(self) -> tuple[str, ...]:
        """The columns that have a value in every usable window; the others may lack one, and are filled by training."""
        keep = {plug_in.name for plug_in, one in zip(self.sets, self._built, strict=True) if one.always_has_value}
        owners = self._owners()
        return tuple(column for column in self.columns if owners[column] in keep)

    @property
    def needs(self) -> tuple[str, ...]:
        """Packages that computing it takes beside numpy, pandas and scipy, by the names that pip knows them by."""
        return tuple(dict.fromkeys(name for one in self._built for name in one.needs))

    @property
    def sensors(self) -> tuple[str, ...]:
        """The sensors that readings must have."""
        return tuple(self.asset_type.sensors)

    @property
    def step(self) -> timedelta:
        """Usual time between two readings as windows see them: the grid's step where there is one."""
        return self.conditioning.resample or self.asset_type.step

    @property
    def max_gap(self) -> timedelta:
        """The longest pause inside a window."""
        return self.windows.max_gap or 3 * self.step

    @cached_property
    def readings_needed(self) -> int:
        """How many readings one window's features are computed from, where none is late.

        One more than the window or the furthest set has, where a sensor counts; more where values are smoothed or
        stood in for, and on a grid all readings of its cells and the one that completes the last.
        """
        furthest = max([self.windows.usual_rows(self.step), *(one.readings for one in self._reaches)])
        in_time = max(one.time for one in self._reaches) // self.step
        seen = max(furthest, in_time) + self._counts + self._smoothed + -(-self._filled // self.step)
        return seen if self.conditioning.resample is None else -(-seen * self.step // self.asset_type.step) + 1

    @cached_property
    def needed_before(self) -> timedelta:
        """How far before a window's end readings are needed, at the most.

        A counter's first step begins at the reading before the window. Whether a stretch began early enough for a
        window that lasts a time is told by a reading before it, so one longest gap is added. A smoothed value is made
        from earlier ones, one that stands in from one that is as old as allowed, a cell of the grid from a whole step.

        Features computed from readings that start this much earlier (inclusive) are the same, bit for bit, as those
        computed from all readings.
        """
        counted = max([0 if self.windows.length else self.windows.rows, *(one.readings for one in self._reaches)])
        lasting = max([self.windows.length or timedelta(0), *(one.time for one in self._reaches)])
        by_count = (counted - 1) * self.max_gap if counted else timedelta(0)
        by_time = lasting + self.max_gap if lasting else timedelta(0)
        seen = max(by_count, by_time) + (self._counts + self._smoothed) * self.max_gap
        return seen + self._filled + (self.conditioning.resample or timedelta(0))

    @property
    def needed_after(self) -> timedelta:
        """How far after a window's end readings are needed to say it: on a grid, something must show that it is over.

        Windows that end before an instant are known, for good, once all readings until this much later are there.
        """
        return timedelta(0) if self.conditioning.resample is None else self.max_gap

    @property
    def _smoothed(self) -> int:
        """How many readings before a window its smoothed values are made from."""
        return look_back(self.conditioning.smooth)

    @property
    def _filled(self) -> timedelta:
        """How old a value may be that stands in for a missing one."""
        return max(self.conditioning.fill.values(), default=timedelta(0))

    @cached_property
    def _as_seen(self) -> AssetType:
        """The asset type with the step that feature sets see."""
        return self.asset_type.model_copy(update={"step": self.step})

    @property
    def _counts(self) -> int:
        """One reading more is looked at where a sensor counts."""
        return int(bool(self._counters))

    @property
    def _counters(self) -> list[str]:
        return [name for name, sensor in self.asset_type.sensors.items() if sensor.counter]

    @cached_property
    def _reaches(self) -> tuple[Reach, ...]:
        return tuple(one.reach(self._as_seen) for one in self._built)

    @property
    def of_no_sensor(self) -> tuple[str, ...]:
        """The columns that belong to no sensor, such as ``calendar__hour_sin``: nothing to scale, nobody to blame."""
        return tuple(name for name in self.columns if name.split("__")[0] not in self.asset_type.sensors)

    def reaching(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return feature rows whose ``window_start`` is where the furthest set begins to look.

        Whoever asks what a row knows of (faults, the readings of another part) must ask that far back.
        """
        furthest = max([(one.readings - 1) * self.step for one in self._reaches] + [one.time for one in self._reaches])
        if furthest > timedelta(0):  # what it sees there is made from earlier readings in its turn
            furthest += self._smoothed * self.step + self._filled + (self.conditioning.resample or timedelta(0))
        begin = rows["window_end"] - max(furthest, timedelta(0))
        return rows.assign(window_start=rows["window_start"].where(rows["window_start"] <= begin, begin))

    @cached_property
    def hash(self) -> str:
        """Name of the plan: 16 hexadecimal digits of SHA-256 over everything that decides a feature's value.

        The order in which sensors, options or columns were written does not count.
        """
        content = self.model_dump(mode="json")
        if self.conditioning == Conditioning():
            del content["conditioning"]  # a plan that does nothing there is the plan that it was before there was any
        for where, fields in _LATER.items():
            _drop_unused(content[where], fields)
        for sensor in content["asset_type"]["sensors"].values():
            _drop_unused(sensor, _LATER_OF_SENSORS)
        for written, one in zip(content["sets"], self._built, strict=True):
            _drop_unused(written["options"], one.later)
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
        wanted = set(columns)
        for column in sorted(wanted):
            if column not in self.columns:
                raise ConfigError(
                    f"the plan has no feature '{column}' to keep; it has {list(self.columns)}."
                    f"{near_miss(column, list(self.columns))}"
                )
        if not wanted:
            raise ConfigError("a plan must keep at least one feature; got none to keep.")
        owners = self._owners()
        used = {owners[column] for column in wanted}
        return type(self)(
            plug_ins=self.plug_ins,
            asset_type=self.asset_type,
            sets=tuple(one for one in self.sets if one.name in used),
            conditioning=self.conditioning,
            windows=self.windows,
            columns=tuple(column for column in self.columns if column in wanted),
        )

    def is_part_of(self, wider: FeaturePlan) -> bool:
        """Tell whether this is the other plan, or what `shrink` leaves of it: then its rows need not be computed again.

        Asked are the hashes, so whatever decides a value is the same in both.
        """
        return set(self.columns) <= set(wider.columns) and wider.shrink(self.columns).hash == self.hash

    def select(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return from rows of a wider plan those that this plan would compute from the same readings.

        Parameters
        ----------
        rows : DataFrame
            Rows of `tables.FEATURES` that follow a plan which this one `is_part_of`. Whoever calls has asked that:
            rows tell the name of their plan only.

        Returns
        -------
        DataFrame
            The same windows with this plan's columns and hash. A window that only lacked a feature which is not wanted
            here is usable, as it would have been.

        Raises
        ------
        DataError
            If a column of this plan is not among the rows' columns.
        """
        missing = [column for column in self.columns if column not in rows]
        if missing:
            raise DataError(
                f"feature rows of another plan lack {len(missing)} of the {len(self.columns)} features of plan "
                f"{self.hash}, first {missing[0]}. Compute them from the readings."
            )
        why_not = rows["why_not"].to_numpy(dtype=object, copy=True)
        again = np.flatnonzero(rows["why_not"].str.startswith(_NO_VALUE).to_numpy(dtype=bool))
        reasons = np.full(len(again), "", dtype=object)
        self._mark_no_value(rows[list(self.columns)].iloc[again].to_numpy(dtype=np.float64), reasons)
        why_not[again] = reasons
        return rows[[*self.empty().columns]].assign(
            usable=why_not == "",
            why_not=pd.Series(why_not, index=rows.index, dtype="str"),
            plan=pd.Series(self.hash, index=rows.index, dtype="str"),
        )

    def compute(self, readings: pd.DataFrame) -> pd.DataFrame:
        """Turn readings into feature rows, each asset on its own.

        Parameters
        ----------
        readings : DataFrame
            Rows of `tables.READINGS` in any order: asset_id, timestamp (UTC), regime and the plan's sensors; other
            columns are not looked at.

        Returns
        -------
        DataFrame
            Rows of `tables.FEATURES` with the plan's columns (float64), by asset and window end; NaN where a feature
            has no value. A window that may not be used has ``usable`` False and ``why_not``. One that may has a value
            of every `promised` feature; the others may be NaN in it.

        Raises
        ------
        DataError
            If a column is missing, an asset, time or regime is empty, a value is no number, or an asset has two
            readings at one time.
        """
        self._require(readings)
        codes, assets = pd.factorize(readings["asset_id"], sort=True)
        micros = tables.microseconds(readings["timestamp"])
        order = np.lexsort((micros, codes))
        starts = np.searchsorted(codes[order], np.arange(len(assets) + 1))
        parts = [
            self._compute_asset(str(asset), readings.iloc[order[starts[i] : starts[i + 1]]])
            for i, asset in enumerate(assets)
        ]
        parts = [part for part in parts if len(part)]
        return pd.concat(parts, ignore_index=True) if parts else self.empty()

    def compute_asset(self, readings: pd.DataFrame) -> pd.DataFrame:
        """Turn one asset's readings into feature rows; like `compute`, but refuses a second asset."""
        self._require(readings)
        assets = readings["asset_id"].unique()
        if len(assets) > 1:
            raise DataError(f"expected the readings of one asset, got {sorted(assets)}; use compute for several.")
        return self.compute(readings)

    def rows_of(self, track: Track, since: int | None = None) -> WindowRows:
        """Return the windows of one asset's readings with their features; arrays in, arrays out.

        The one way from readings to features: `compute` goes it for tables, and callers that keep the last readings
        themselves (serving, streams) go it with what they keep. Readings that begin `needed_before` a window's end
        are enough.

        Parameters
        ----------
        track : Track
            Readings as they were measured, in time order.
        since : int, optional
            Only windows that end then or later, in microseconds since the epoch; by default all.

        Raises
        ------
        DataError
            If the readings are out of order, or a sensor of the plan is not among them.
        """
        missing = [name for name in self.sensors if name not in track.sensors]
        if missing:
            raise DataError(
                f"the feature plan of {self.asset_type.name} needs sensor '{missing[0]}'; the readings have "
                f"{list(track.sensors)}."
            )
        own = {name: np.asarray(track.sensors[name], dtype=np.float64) for name in self.sensors}
        made = condition(Track(track.micros, own, track.regimes), self.conditioning, self._counters, self.max_gap)
        stretches = [(part, *self._windows_in(made, part, since)) for part in made.parts]
        first, last = (_joined([part.start + places[end] for part, *places in stretches]) for end in (0, 1))
        values = self._values_at(made, stretches, track.regimes)
        begin, end = made.begin[first], made.end[last]
        why_not = cutting.why_not(made.sensors | made.levels, track.regimes, first, last, (begin, end))
        self._mark_no_value(values, why_not)
        return WindowRows(
            ends=made.micros[last],
            starts=track.micros[begin],
            regimes=cutting.window_regimes(track.regimes, begin, end),
            why_not=why_not,
            values=values,
        )

    def _windows_in(self, made: Conditioned, part: slice, since: int | None) -> tuple[Places, Places]:
        """Cut the windows of one stretch; those that begin before the first smoothed value are not full."""
        first, last = cutting.cut_windows(made.micros, part, self.windows, self.step)
        is_wanted = made.begin[part.start + first] >= 0
        if since is not None:
            is_wanted &= made.micros[part.start + last] >= since
        return first[is_wanted], last[is_wanted]

    def _values_at(
        self, made: Conditioned, stretches: list[tuple[slice, Places, Places]], regimes: NDArray[Any]
    ) -> Floats:
        """Compute stretch by stretch."""
        parts = [
            self._values(
                Stretch(
                    seconds=made.micros[part] / 1e6,
                    sensors={name: values[part] for name, values in made.sensors.items()},
                    first=first,
                    last=last,
                    regimes=regimes[made.end[part]],
                )
            )
            for part, first, last in stretches
            if len(last)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(self.columns)))

    def _values(self, stretch: Stretch) -> Floats:
        """Return the features of each window of a stretch, in the order of ``columns``; NaN where not finite."""
        found: dict[str, Floats] = {}
        # Sensors near the largest float overflow; the window is then marked, not warned about.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for one in self._asked:
                found.update(one.compute(stretch, self._as_seen))
        values = np.empty((len(stretch.last), len(self.columns)))
        for place, column in enumerate(self.columns):
            values[:, place] = found[column]
        values[~np.isfinite(values)] = np.nan
        return values

    def empty(self) -> pd.DataFrame:
        """Return the features table of this plan without rows."""
        features = pd.DataFrame(np.empty((0, len(self.columns))), columns=list(self.columns))
        return pd.concat([tables.FEATURES.empty(), features], axis=1)

    def _compute_asset(self, asset: str, readings: pd.DataFrame) -> pd.DataFrame:
        """Compute one asset's rows from its readings in time order."""
        times = readings["timestamp"].astype(tables.DTYPES["time"]).reset_index(drop=True)  # type: ignore[call-overload]
        micros = tables.microseconds(times)
        _refuse_repeats(asset, times, micros)
        sensors = {name: _numbers(asset, readings[name]) for name in self.sensors}
        found = self.rows_of(Track(micros, sensors, readings["regime"].to_numpy(dtype=object)))
        fixed = pd.DataFrame(
            {
                "asset_id": pd.Series([asset] * len(found.ends), dtype="str"),
                "window_end": _times(found.ends),
                "window_start": _times(found.starts),
                "regime": pd.Series(found.regimes, dtype="str"),
                "usable": found.why_not == "",
                "why_not": pd.Series(found.why_not, dtype="str"),
                "plan": pd.Series([self.hash] * len(found.ends), dtype="str"),
            }
        )
        return pd.concat([fixed, pd.DataFrame(found.values, columns=list(self.columns))], axis=1)

    def _mark_no_value(self, values: Floats, why_not: NDArray[Any]) -> None:
        """Give windows their reason where a promised feature has no value although no reading is missing (in place)."""
        places = self._promised_places
        blank = np.isnan(values if len(places) == len(self.columns) else values[:, places])
        for row in np.flatnonzero(blank.any(axis=1) & (why_not == "")):
            why_not[row] = f"{_NO_VALUE}{self.columns[places[int(np.argmax(blank[row]))]]}"

    @cached_property
    def _promised_places(self) -> Places:
        """The positions of the promised columns."""
        promised = set(self.promised)
        return np.flatnonzero([column in promised for column in self.columns])

    def _require(self, readings: pd.DataFrame) -> None:
        """Check that the readings have what the plan looks at."""
        for name in ("asset_id", "timestamp", "regime", *self.sensors):
            if name not in readings:
                raise DataError(
                    f"the feature plan of {self.asset_type.name} needs column '{name}'; the readings have "
                    f"{[str(one) for one in readings.columns]}. Add it to the source, or remove it from the plant."
                )
        for name in ("asset_id", "timestamp", "regime"):
            if readings[name].isna().any():
                raise DataError(
                    f"readings: column {name} may not be empty; it is in {readings[name].isna().sum()} rows"
                )
        if not isinstance(readings["timestamp"].dtype, pd.DatetimeTZDtype):
            raise DataError(
                f"readings: column timestamp must be timestamps with a time zone, got {readings['timestamp'].dtype}. "
                "Say in which zone the source writes its times."
            )


def _drop_unused(written: dict[str, Any], later: dict[str, Any]) -> None:
    """Take fields out that came later and are not used (in place)."""
    for name, unused in later.items():
        if name in written and written[name] == unused:
            del written[name]


def _joined(places: list[Places]) -> Places:
    return np.concatenate(places) if places else np.array([], dtype=np.int64)


def _times(micros: Micros) -> pd.Series[Any]:
    """Return instants as a column of the table."""
    return pd.Series(micros.view("datetime64[us]")).dt.tz_localize("UTC")


def _numbers(asset: str, values: pd.Series[Any]) -> Floats:
    """Return a sensor's values."""
    try:
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"{asset}: sensor {values.name} must be numbers: {error}") from error


def _refuse_repeats(asset: str, times: pd.Series[Any], micros: NDArray[np.int64]) -> None:
    """Refuse two readings of one asset at one time: nobody can say which is right."""
    repeats = np.flatnonzero(np.diff(micros) == 0)
    if len(repeats):
        raise DataError(
            f"{asset} has {len(repeats)} repeated timestamps, first {times.iloc[repeats[0]]}. "
            "Clean the readings first: one reading per asset and time."
        )
