"""Promises about readings, built from the asset type's sensor table: a new sensor needs no new code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from expectations import _sensor_figures as figures
from expectations._run import Promise, exists, has_rows, is_float, is_given, is_time, run, some
from wheeltapper.checks import Findings
from wheeltapper.config import AssetType, Plant, Sensor, format_duration
from wheeltapper.readings.order import KEY, seconds_behind

FEW_VALUES = 0.95
"""Share of an asset's readings that should have a value; below it the sensor is noted as often silent."""
FEW_CHANGES = 0.01
"""Share that should differ from the reading before; below it the sensor is noted as mostly stuck."""
MANY_AT_EDGE = figures.CLIPPED
"""Share that may be exactly the sensor's largest or smallest value; from there on it is noted as clipped."""
FAR_OFF = 5.0
"""Factor between two parts of a delivery from which on another unit is suspected: a unit's prefix is a factor of ten
or more, and a machine's work may change by less. (°C shown as °F is a factor of two to four, and is not found.)"""

_SENSORS = "sensors"
"""The table of `_sensor_figures`: one row for each sensor of each asset."""
_PAUSE = "seconds_since_previous"
_BEHIND = "seconds_behind_newest"
_LARGEST = sys.float_info.max


def check(rows: pd.DataFrame, plant: Plant, docs: Path | None) -> Findings:
    """Check cleaned readings against the sensors, limits and regimes of their plant.

    Parameters
    ----------
    rows : DataFrame
        ``Parsed.rows`` of `wheeltapper.readings.clean`: row, asset_id, timestamp, regime and the sensors, in the order
        of their arrival.
    plant : Plant
        Its asset type names sensors, units and limits.
    docs : Path or None
        Folder for the Data Docs of this run.

    Returns
    -------
    Findings
        Not ``ok`` if there are no rows or a column is missing or of the wrong type; ``rejected`` has the rows outside
        their limits or of an unknown regime; ``notes`` has a line for each kind of observation (repeated readings,
        readings out of order, another unit, a counter that was set back, a stuck, silent or clipped sensor, pauses),
        naming the worst assets.
    """
    frame = rows.reset_index(drop=True)
    beside = {}
    if "asset_id" in frame and isinstance(frame.dtypes.get("timestamp"), pd.DatetimeTZDtype):
        frame = _in_time(frame)
        beside = {_SENSORS: figures.of_sensors(frame, plant.asset_type)}
    return run(frame, promises(plant), suite="readings", title=plant.name, docs=docs, beside=beside)


def _in_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by asset and time, with how far behind they arrived and how long after the one before they lie."""
    assets, _ = pd.factorize(frame["asset_id"].fillna(""), sort=True)
    times = frame["timestamp"]
    arrived = pd.DataFrame({"asset_id": assets, "timestamp": times})
    behind = seconds_behind(arrived[times.notna()]).reindex(frame.index)
    frame = frame.assign(**{"row": frame.get("row", frame.index.to_series()), _BEHIND: behind})
    order = np.lexsort((times.dt.tz_convert(None).to_numpy(), assets))  # stable; rows without a time come last
    if (order[1:] < order[:-1]).any():  # a copy of a year of readings takes longer than the rest of all this
        frame = frame.take(order).reset_index(drop=True)
    pause = frame["timestamp"].groupby(assets[order], sort=False).diff().dt.total_seconds()
    return frame.assign(**{_PAUSE: pause})


def promises(plant: Plant) -> tuple[Promise, ...]:
    """Write the suite for a plant."""
    asset_type = plant.asset_type
    return (
        has_rows("reading"),
        exists("asset_id", "the machine"),
        exists("timestamp", "when it was measured"),
        exists("regime", "operating state"),
        is_time("timestamp"),
        *(promise for name, sensor in asset_type.sensors.items() for promise in _has_numbers(name, sensor)),
        is_given("asset_id", "an asset", "warning"),
        is_given("timestamp", "a timestamp", "warning"),
        _has_known_regime(asset_type),
        *(_within_limits(name, sensor) for name, sensor in asset_type.sensors.items()),
        # Notes have this order: the most harmful first.
        _is_unique(),
        _arrives_in_order(),
        _keeps_its_scale(),
        _counts_up(),
        _is_alive(),
        _has_values(),
        _has_room(),
        _goes_on(plant),
    )


def _has_numbers(name: str, sensor: Sensor) -> tuple[Promise, Promise]:
    return exists(name, _means(sensor)), is_float(name)


def _means(sensor: Sensor) -> str:
    unit = "a pure number" if sensor.unit == "1" else f"in {sensor.unit}"
    return f"{sensor.description}, {unit}" if sensor.description else unit


def _has_known_regime(asset_type: AssetType) -> Promise:
    listed = ", ".join(asset_type.regimes)
    return Promise(
        "regime_known",
        f"The operating state is one of {listed}.",
        "warning",
        "ExpectColumnValuesToBeInSet",
        {"column": "regime", "value_set": list(asset_type.regimes)},
        explain=lambda rows: [f"regime '{regime}' is none of {listed}" for regime in rows["regime"]],
        hint="Map other names in the source (regimes), or add them to the asset type's regimes.",
    )


def _is_unique() -> Promise:
    def summarise(rows: pd.DataFrame) -> str:
        repeated = rows[rows.duplicated(KEY, keep="last")]
        return (
            f"{len(repeated):,} readings are of an instant for which another one arrived later: "
            f"{_most_often(repeated)}. The last one stays; a value that it replaces is kept as a correction."
        )

    return Promise(
        "key_unique",
        "An asset has one reading at an instant.",
        "info",
        "ExpectCompoundColumnsToBeUnique",
        {"column_list": KEY},
        explain=lambda rows: [
            f"{asset} has several readings at {time.isoformat()}"
            for asset, time in zip(rows["asset_id"], rows["timestamp"], strict=True)
        ],
        summarise=summarise,
        hint="Files overlap, a value was corrected, or a clock was set back.",
    )


def _arrives_in_order() -> Promise:
    def summarise(rows: pd.DataFrame) -> str:
        furthest = _format_pause(rows[_BEHIND].max())
        return (
            f"{len(rows):,} readings arrived after a later one of their asset, up to {furthest} behind: "
            f"{_most_often(rows)}. They are sorted in."
        )

    return Promise(
        "in_order",
        "Each asset's readings arrive in the order of their time.",
        "info",
        "ExpectColumnValuesToBeBetween",
        {"column": _BEHIND, "max_value": 0},
        explain=lambda rows: [f"arrived {_format_pause(behind)} behind" for behind in rows[_BEHIND]],
        summarise=summarise,
        hint="Late data, files that overlap, or a clock that was set back.",
    )


def _most_often(rows: pd.DataFrame) -> str:
    """Name the assets with the most rows: ``pump-1 (40), pump-2 (3)``."""
    counts = rows["asset_id"].fillna("").value_counts()
    return some([*(f"{asset} ({count:,})" for asset, count in counts.head(3).items()), *counts.index[3:]])


def _within_limits(name: str, sensor: Sensor) -> Promise:
    is_free = sensor.low is None and sensor.high is None
    unit = "" if sensor.unit == "1" else f" {sensor.unit}"
    limits = sensor.limits().removesuffix(f" {sensor.unit}") + unit
    return Promise(
        f"{name}_is_finite" if is_free else f"{name}_within_limits",
        f"{name} is a finite number{unit and f' ({unit.strip()})'}." if is_free else f"{name} lies within {limits}.",
        "warning",
        "ExpectColumnValuesToBeBetween",
        # The largest float stands for an open side: without it infinity would keep the promise.
        {
            "column": name,
            "min_value": -_LARGEST if sensor.low is None else sensor.low,
            "max_value": _LARGEST if sensor.high is None else sensor.high,
        },
        explain=_outside(name, unit, "not a finite number" if is_free else f"outside {limits}"),
        hint="Wrong unit or scale, a broken wire, or limits that are too narrow in the asset type.",
    )


def _outside(name: str, unit: str, what: str) -> Callable[[pd.DataFrame], Iterable[str]]:
    return lambda rows: [f"{name} {value:.10g}{unit} is {what}" for value in rows[name]]


def _about_sensors(
    name: str,
    says: str,
    column: str,
    limits: dict[str, float],
    describe: Callable[[pd.DataFrame], Iterable[str]],
    *,
    summary: str,
    hint: str,
) -> Promise:
    """Promise something of each sensor of each asset; the note names the worst, each described by ``describe``."""

    def summarise(rows: pd.DataFrame) -> str:
        worst_first = rows.sort_values(column, ascending="min_value" in limits, kind="stable")
        worst = zip(worst_first.index[:3], describe(worst_first.head(3)), strict=True)
        named = [f"{sensor} ({description})" for sensor, description in worst]
        return summary.format(some([*named, *worst_first.index[3:]])) + f" {hint}"

    arguments = {"column": column, **limits}
    return Promise(
        name,
        says,
        "info",
        "ExpectColumnValuesToBeBetween",
        arguments,
        explain=describe,
        summarise=summarise,
        hint=hint,
        table=_SENSORS,
    )


def _keeps_its_scale() -> Promise:
    return _about_sensors(
        "sensor_keeps_its_scale",
        f"Neither level nor spread of a sensor changes by a factor of {FAR_OFF:g} for good.",
        figures.JUMP,
        {"max_value": FAR_OFF},
        lambda rows: rows["jump"],
        summary="On another scale: {}.",
        hint="Ask whether a unit or a measuring range was changed, or the machine's work.",
    )


def _counts_up() -> Promise:
    return _about_sensors(
        "counter_counts_up",
        "A counter counts only upwards.",
        figures.SET_BACK,
        {"max_value": 0},
        lambda rows: "at " + rows["falls"],
        summary="Counters that were set back: {}.",
        hint="A meter was exchanged, reset or ran over; what it counted across that instant is not known.",
    )


def _is_alive() -> Promise:
    return _about_sensors(
        "sensor_moves",
        f"At least {FEW_CHANGES:.0%} of a sensor's readings differ from the one before, while the machine runs.",
        figures.CHANGES,
        {"min_value": FEW_CHANGES},
        lambda rows: [f"{share:.1%} of {count:,} readings differ" for share, count in _pairs(rows, figures.CHANGES)],
        summary="Mostly stuck: {}.",
        hint="A frozen or very coarse sensor; a switch or a set point may rightly stand still.",
    )


def _has_values() -> Promise:
    return _about_sensors(
        "sensor_has_values",
        f"At least {FEW_VALUES:.0%} of an asset's readings have a value of each sensor.",
        figures.GIVEN,
        {"min_value": FEW_VALUES},
        lambda rows: [f"{1 - share:.0%} of {count:,} readings without" for share, count in _pairs(rows, figures.GIVEN)],
        summary="Often silent: {}.",
        hint="Check cable, radio link and logger; windows without a value cannot be scored.",
    )


def _has_room() -> Promise:
    return _about_sensors(
        "sensor_has_room",
        f"Less than {MANY_AT_EDGE:.0%} of a sensor's readings are exactly its largest or smallest value.",
        figures.AT_EDGE,
        {"max_value": MANY_AT_EDGE},
        lambda rows: rows["edge"],
        summary="Clipped: {}.",
        hint="The measuring range of sensor or logger ends there, or the machine rests there.",
    )


def _pairs(rows: pd.DataFrame, column: str) -> Iterable[tuple[float, int]]:
    return zip(rows[column], rows["readings"], strict=True)


def _goes_on(plant: Plant) -> Promise:
    longest = format_duration(plant.max_gap)

    def summarise(rows: pd.DataFrame) -> str:
        rows = rows.sort_values(_PAUSE, ascending=False, kind="stable")
        counts = rows.groupby("asset_id", sort=False)[_PAUSE].agg(["size", "max"])
        named = [
            f"{asset} ({count:,} times, the longest {_format_pause(seconds)})"
            for asset, count, seconds in counts.head(3).itertuples()
        ]
        return f"Pauses longer than {longest}: {some([*named, *counts.index[3:]])}. No window reaches across them."

    return Promise(
        "pauses_are_short",
        f"No pause between two readings of an asset is longer than {longest} (the plant's max_gap).",
        "info",
        "ExpectColumnValuesToBeBetween",
        {"column": _PAUSE, "max_value": plant.max_gap.total_seconds()},
        explain=lambda rows: [
            f"comes {_format_pause(pause)} after the asset's previous reading" for pause in rows[_PAUSE]
        ],
        summarise=summarise,
        hint="The logger or its link was away; if the plant reads more slowly than that, raise windows.max_gap.",
    )


def _format_pause(seconds: float) -> str:
    """Write a pause with its two largest units: ``4 h 10 min``."""
    remaining, parts = round(seconds), []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, remaining = divmod(remaining, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or f"{seconds:.3g} s"
