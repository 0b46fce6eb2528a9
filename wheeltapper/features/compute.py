"""Computing: from readings to feature rows, as a feature plan describes it.

`compute` does it for tables, `rows_of` for arrays. There is no other way from readings to features.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.features import windows as cutting
from wheeltapper.features.conditioning import Conditioned, Track, condition
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.sets import Block, Floats, Places, Stretch

Micros = NDArray[np.int64]
Texts = NDArray[Any]

NO_VALUE = "no value for "
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


def compute(plan: FeaturePlan, readings: pd.DataFrame) -> pd.DataFrame:
    """Turn readings into feature rows, each asset on its own.

    Parameters
    ----------
    plan : FeaturePlan
    readings : DataFrame
        Rows of `tables.READINGS` in any order: asset_id, timestamp (UTC), regime and the plan's sensors; other columns
        are not looked at.

    Returns
    -------
    DataFrame
        Rows of `tables.FEATURES` with the plan's columns (float64), by asset and window end; NaN where a feature has no
        value. A window that may not be used has ``usable`` False and ``why_not``. One that may has a value of every
        `FeaturePlan.promised` feature; the others may be NaN in it.

    Raises
    ------
    DataError
        If a column is missing, an asset, time or regime is empty, a value is no number, or an asset has two readings at
        one time.
    """
    _require_columns(plan, readings)
    codes, assets = pd.factorize(readings["asset_id"], sort=True)
    micros = tables.microseconds(readings["timestamp"])
    order = np.lexsort((micros, codes))
    starts = np.searchsorted(codes[order], np.arange(len(assets) + 1))
    parts = [
        _compute_asset(plan, str(asset), readings.iloc[order[starts[i] : starts[i + 1]]])
        for i, asset in enumerate(assets)
    ]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else empty(plan)


def compute_asset(plan: FeaturePlan, readings: pd.DataFrame) -> pd.DataFrame:
    """Turn one asset's readings into feature rows; like `compute`, but refuses a second asset."""
    _require_columns(plan, readings)
    assets = readings["asset_id"].unique()
    if len(assets) > 1:
        raise DataError(f"expected the readings of one asset, got {sorted(assets)}; use compute for several.")
    return compute(plan, readings)


def empty(plan: FeaturePlan) -> pd.DataFrame:
    """Return the features table of a plan without rows."""
    features = pd.DataFrame(np.empty((0, len(plan.columns))), columns=list(plan.columns))
    return pd.concat([tables.FEATURES.empty(), features], axis=1)


def select(plan: FeaturePlan, rows: pd.DataFrame) -> pd.DataFrame:
    """Return from rows of a wider plan those that this plan would compute from the same readings.

    Parameters
    ----------
    plan : FeaturePlan
    rows : DataFrame
        Rows of `tables.FEATURES` that follow a plan which this one `FeaturePlan.is_part_of`. The caller has checked
        that: rows hold the hash of their plan only.

    Returns
    -------
    DataFrame
        The same windows with this plan's columns and hash. A window that only lacked a feature which this plan does not
        have is usable.

    Raises
    ------
    DataError
        If a column of this plan is not among the rows' columns.
    """
    missing = [column for column in plan.columns if column not in rows]
    if missing:
        raise DataError(
            f"feature rows of another plan lack {len(missing)} of the {len(plan.columns)} features of plan "
            f"{plan.hash}, first {missing[0]}. Compute them from the readings."
        )
    why_not = rows["why_not"].to_numpy(dtype=object, copy=True)
    blank = np.flatnonzero(rows["why_not"].str.startswith(NO_VALUE).to_numpy(dtype=bool))
    reasons = np.full(len(blank), "", dtype=object)
    _mark_no_value(plan, rows[list(plan.columns)].iloc[blank].to_numpy(dtype=np.float64), reasons)
    why_not[blank] = reasons
    return rows[[*empty(plan).columns]].assign(
        usable=why_not == "",
        why_not=pd.Series(why_not, index=rows.index, dtype="str"),
        plan=pd.Series(plan.hash, index=rows.index, dtype="str"),
    )


def rows_of(plan: FeaturePlan, track: Track, since: int | None = None) -> WindowRows:
    """Return the windows of one asset's readings with their features; arrays in, arrays out.

    `compute` calls it for tables. Callers that keep the last readings themselves (serving, streams) call it with those:
    readings that begin `FeaturePlan.needed_before` a window's end are enough.

    Parameters
    ----------
    plan : FeaturePlan
    track : Track
        Readings as they were measured, in time order.
    since : int, optional
        Only windows that end then or later, in microseconds since the epoch; by default all.

    Raises
    ------
    DataError
        If the readings are out of order, or a sensor of the plan is not among them.
    """
    require_sensors(plan, track.sensors)
    sensors = {name: np.asarray(track.sensors[name], dtype=np.float64) for name in plan.sensors}
    conditioned = condition(Track(track.micros, sensors, track.regimes), plan.conditioning, plan.counters, plan.max_gap)
    stretches = [(part, *_windows_in(plan, conditioned, part, since)) for part in conditioned.parts]
    first, last = (_joined([part.start + places[end] for part, *places in stretches]) for end in (0, 1))
    values = _values_at(plan, conditioned, stretches, track.regimes)
    begin, end = conditioned.begin[first], conditioned.end[last]
    why_not = cutting.why_not(conditioned.sensors | conditioned.levels, track.regimes, first, last, (begin, end))
    _mark_no_value(plan, values, why_not)
    return WindowRows(
        ends=conditioned.micros[last],
        starts=track.micros[begin],
        regimes=cutting.window_regimes(track.regimes, begin, end),
        why_not=why_not,
        values=values,
    )


def require_sensors(plan: FeaturePlan, sensors: Collection[str]) -> None:
    """Refuse readings that lack a sensor of the plan."""
    for name in plan.sensors:
        if name not in sensors:
            raise DataError(
                f"the feature plan of {plan.asset_type.name} needs sensor '{name}'; the readings have {list(sensors)}."
            )


def _windows_in(plan: FeaturePlan, conditioned: Conditioned, part: slice, since: int | None) -> tuple[Places, Places]:
    """Cut the windows of one stretch; those that begin before the first smoothed value are not full."""
    first, last = cutting.cut_windows(conditioned.micros, part, plan.windows, plan.step)
    is_full = conditioned.begin[part.start + first] >= 0
    if since is not None:
        is_full &= conditioned.micros[part.start + last] >= since
    return first[is_full], last[is_full]


def _values_at(
    plan: FeaturePlan, conditioned: Conditioned, stretches: list[tuple[slice, Places, Places]], regimes: Texts
) -> Floats:
    """Return the features of all windows, stretch by stretch, in the order of the columns; NaN where not finite."""
    values = np.empty((sum(len(last) for _, _, last in stretches), len(plan.columns)))
    n_done = 0
    for part, first, last in stretches:
        if len(last):
            stretch = Stretch(
                seconds=conditioned.micros[part] / 1e6,
                sensors={name: series[part] for name, series in conditioned.sensors.items()},
                first=first,
                last=last,
                regimes=regimes[conditioned.end[part]],
            )
            block, rows = Block.of(stretch, plan.sensors), values[n_done : n_done + len(last)]
            plan.recipe.compute(block, first, last, partial(_itself, stretch), rows)
            n_done += len(last)
    return values


def _itself(stretch: Stretch) -> Stretch:
    return stretch


def _compute_asset(plan: FeaturePlan, asset: str, readings: pd.DataFrame) -> pd.DataFrame:
    """Compute one asset's rows from its readings in time order."""
    times = readings["timestamp"].astype(tables.DTYPES["time"]).reset_index(drop=True)  # type: ignore[call-overload]
    micros = tables.microseconds(times)
    _refuse_repeats(asset, times, micros)
    sensors = {name: _numbers(asset, readings[name]) for name in plan.sensors}
    rows = rows_of(plan, Track(micros, sensors, readings["regime"].to_numpy(dtype=object)))
    fixed = pd.DataFrame(
        {
            "asset_id": pd.Series([asset] * len(rows.ends), dtype="str"),
            "window_end": _times(rows.ends),
            "window_start": _times(rows.starts),
            "regime": pd.Series(rows.regimes, dtype="str"),
            "usable": rows.why_not == "",
            "why_not": pd.Series(rows.why_not, dtype="str"),
            "plan": pd.Series([plan.hash] * len(rows.ends), dtype="str"),
        }
    )
    return pd.concat([fixed, pd.DataFrame(rows.values, columns=list(plan.columns))], axis=1)


def _mark_no_value(plan: FeaturePlan, values: Floats, why_not: Texts) -> None:
    """Give windows their reason where a promised feature has no value although no reading is missing (in place)."""
    places = plan.promised_places
    blank = np.isnan(values if len(places) == len(plan.columns) else values[:, places])
    for row in np.flatnonzero(blank.any(axis=1) & (why_not == "")):
        why_not[row] = f"{NO_VALUE}{plan.columns[places[int(np.argmax(blank[row]))]]}"


def _require_columns(plan: FeaturePlan, readings: pd.DataFrame) -> None:
    """Check that the readings have what the plan looks at."""
    for name in ("asset_id", "timestamp", "regime", *plan.sensors):
        if name not in readings:
            raise DataError(
                f"the feature plan of {plan.asset_type.name} needs column '{name}'; the readings have "
                f"{[str(column) for column in readings.columns]}. Add it to the source, or remove it from the plant."
            )
    for name in ("asset_id", "timestamp", "regime"):
        if readings[name].isna().any():
            raise DataError(f"readings: column {name} may not be empty; it is in {readings[name].isna().sum()} rows")
    if not isinstance(readings["timestamp"].dtype, pd.DatetimeTZDtype):
        raise DataError(
            f"readings: column timestamp must be timestamps with a time zone, got {readings['timestamp'].dtype}. "
            "Say in which zone the source writes its times."
        )


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


def _refuse_repeats(asset: str, times: pd.Series[Any], micros: Micros) -> None:
    """Refuse two readings of one asset at one time: nothing shows which is right."""
    repeats = np.flatnonzero(np.diff(micros) == 0)
    if len(repeats):
        raise DataError(
            f"{asset} has {len(repeats)} repeated timestamps, first {times.iloc[repeats[0]]}. "
            "Clean the readings first: one reading per asset and time."
        )
