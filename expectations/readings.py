"""What readings promise: built from the asset type's own sensor table, so that a new sensor needs no new code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from expectations._run import Findings, Promise, exists, has_rows, is_float, is_time, run
from wheeltapper.config import AssetType, Plant, Sensor

FEW_VALUES = 0.95
"""Share of readings that should have a value; below it a sensor is noted as often silent."""
FEW_CHANGES = 0.01
"""Share of readings that should differ from the one before; below it a sensor is noted as mostly stuck."""

_PAUSE = "seconds_since_previous"
_LARGEST = sys.float_info.max


def check(rows: pd.DataFrame, plant: Plant, docs: Path | None) -> Findings:
    """Check cleaned readings against what their plant says of its sensors.

    Parameters
    ----------
    rows : DataFrame
        ``Parsed.rows`` of `wheeltapper.features.cleaning`: row, asset_id, timestamp, regime and the sensors.
    plant : Plant
        Its asset type names sensors, units and limits.
    docs : Path or None
        Folder for the Data Docs of this run.

    Returns
    -------
    Findings
        Not ``ok`` if there are no rows or a column is missing or of the wrong type; ``rejected`` has the rows outside
        their limits, of an unknown regime, repeated or out of order; ``notes`` name sensors that are mostly silent or
        stuck.
    """
    frame = _with_pauses_and_changes(rows, plant.asset_type)
    findings = run(frame, promises(plant), suite="readings", title=plant.name, docs=docs)
    return _keep_the_first(findings, frame)


def promises(plant: Plant) -> tuple[Promise, ...]:
    """Write the suite for a plant."""
    asset_type = plant.asset_type
    return (
        has_rows("reading"),
        exists("asset_id", "the machine"),
        exists("timestamp", "when it was measured"),
        exists("regime", "operating state"),
        is_time("timestamp"),
        *(one for name, sensor in asset_type.sensors.items() for one in (exists(name, _means(sensor)), is_float(name))),
        *(_is_there(column, what) for column, what in (("asset_id", "an asset"), ("timestamp", "a timestamp"))),
        _has_known_regime(asset_type),
        _is_unique(),
        _moves_forward(),
        *(_within_limits(name, sensor) for name, sensor in asset_type.sensors.items()),
        *(one for name in asset_type.sensors for one in (_is_heard(name), _is_alive(name))),
    )


def _with_pauses_and_changes(rows: pd.DataFrame, asset_type: AssetType) -> pd.DataFrame:
    """Add what is promised about neighbours: the pause to an asset's previous reading, and which sensors changed."""
    frame = rows.reset_index(drop=True)
    if "asset_id" not in frame or not isinstance(frame.dtypes.get("timestamp"), pd.DatetimeTZDtype):
        return frame
    assets = frame["asset_id"].fillna("")
    same = assets.groupby(assets, sort=False)
    more = {_PAUSE: frame["timestamp"].groupby(assets, sort=False).diff().dt.total_seconds()}
    is_first = same.cumcount() == 0
    for name in asset_type.sensors:
        if name in frame and pd.api.types.is_float_dtype(frame[name].dtype):
            values = frame[name]
            before = values.groupby(assets, sort=False).shift()
            more[_changes(name)] = (values != before).astype("float64").mask(is_first | values.isna() | before.isna())
    return frame.assign(**more)


def _keep_the_first(findings: Findings, frame: pd.DataFrame) -> Findings:
    """Take the first of repeated readings off the list: GX names all of them, one stays."""
    found = findings.rejected
    if not (found["expectation"] == "key_unique").any():
        return findings
    names = frame["row"] if "row" in frame else frame.index.to_series()
    first = set(names[~frame.duplicated(["asset_id", "timestamp"])])
    spare = (found["expectation"] == "key_unique") & found["row"].isin(first) & ~found["reason"].str.contains("; ")
    return Findings(findings.ok, findings.failures, found[~spare].reset_index(drop=True), findings.notes, findings.docs)


def _means(sensor: Sensor) -> str:
    unit = "a pure number" if sensor.unit == "1" else f"in {sensor.unit}"
    return f"{sensor.description}, {unit}" if sensor.description else unit


def _is_there(column: str, what: str) -> Promise:
    return Promise(
        f"{column}_given",
        f"Every reading has {what}.",
        "warning",
        "ExpectColumnValuesToNotBeNull",
        {"column": column},
        explain=lambda rows: [f"the reading has no {column}"] * len(rows),
    )


def _has_known_regime(asset_type: AssetType) -> Promise:
    known = ", ".join(asset_type.regimes)
    return Promise(
        "regime_known",
        f"The operating state is one of {known}.",
        "warning",
        "ExpectColumnValuesToBeInSet",
        {"column": "regime", "value_set": list(asset_type.regimes)},
        explain=lambda rows: [f"regime '{regime}' is none of {known}" for regime in rows["regime"]],
        hint="Map other names in the source (regimes), or add them to the asset type's regimes.",
    )


def _is_unique() -> Promise:
    return Promise(
        "key_unique",
        "An asset has one reading at an instant.",
        "warning",
        "ExpectCompoundColumnsToBeUnique",
        {"column_list": ["asset_id", "timestamp"]},
        explain=lambda rows: [
            f"{asset} has several readings at {time.isoformat()}"
            for asset, time in zip(rows["asset_id"], rows["timestamp"], strict=True)
        ],
    )


def _moves_forward() -> Promise:
    return Promise(
        "in_order",
        "Each asset's readings follow each other in time (pause in s above 0).",
        "warning",
        "ExpectColumnValuesToBeBetween",
        {"column": _PAUSE, "min_value": 0, "strict_min": True},
        explain=lambda rows: [f"lies {-pause:g} s behind the asset's previous reading" for pause in rows[_PAUSE]],
        hint="A clock was set back, or files overlap.",
    )


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


def _is_heard(name: str) -> Promise:
    return Promise(
        f"{name}_mostly_given",
        f"At least {FEW_VALUES:.0%} of the readings have a value of {name}.",
        "info",
        "ExpectColumnValuesToNotBeNull",
        {"column": name, "mostly": FEW_VALUES},
        explain=lambda rows: [f"no value of {name}"] * len(rows),
    )


def _is_alive(name: str) -> Promise:
    return Promise(
        f"{name}_changes",
        f"At least {FEW_CHANGES:.0%} of the readings of {name} differ from the one before.",
        "info",
        "ExpectColumnMeanToBeBetween",
        {"column": _changes(name), "min_value": FEW_CHANGES},
        hint="A stuck or very coarse sensor; a switch or a set point may rightly stand still.",
    )


def _changes(name: str) -> str:
    return f"{name} (changes)"
