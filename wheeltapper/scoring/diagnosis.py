"""Diagnosis of an alarm: one of the machine's faults, a faulty sensor, or unknown.

No labels are used. Each sensor leaves two marks during an alarm: by how many usual deviations its level moved, and how
many times as restless as usual it was. Each possible cause predicts marks:

* a fault of the asset type moves the sensors that its ``effects`` list, together, by up to half more than listed;
* a faulty sensor moves alone, and the other sensors stay as usual;
* without a cause nothing moves.

The cause with the smallest misfit to the marks is named, if the misfit is no larger than chance and no other cause is
close. Otherwise none is named: a wrong name at night costs more than "unknown".

It does not see causes without marks: a clock that is late, a fault that has only begun. For a machine with fewer than
three sensors it never names a faulty sensor: there are too few others to compare it with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import AssetType, Effect, FaultKind
from wheeltapper.config.sensor_faults import KINDS, RIVAL_UNITS, is_sensor_kind
from wheeltapper.errors import DataError
from wheeltapper.features.columns import Feature, level_of, restlessness_of, that_show
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.features.restless import as_spread
from wheeltapper.scoring.bundle import Bundle

Floats = NDArray[np.float64]

LEVEL = 1.0
"""Usual deviations by which the level of a healthy sensor may move for a while."""
ROUGHLY = 0.2
"""Share of itself by which a mark may differ from the predicted one: no two machines fail exactly alike."""
RESTLESS = 0.35
"""The same for restlessness, as a logarithm: a third more or less may be chance."""
WORST = 1.5
"""Largest severity of a fault that is considered: half more than fully developed."""
SHOWN = 4.0
"""By how much a cause must fit better than "no cause"."""
PER_PARAMETER = 2.0
"""Penalty for each free parameter of a cause (Akaike's)."""
AMBIGUOUS = 1.0
"""A cause whose misfit is larger than the smallest by no more than this may also be true."""
MISSED = 3.0
"""Largest misfit for each sensor at which a cause fits at all."""
NOT_ALONE = 9.0
"""Misfit of another sensor (three times that of chance) from which a sensor did not move alone."""
COMPANY = 3
"""Sensors that a machine needs before a sensor that moves alone is called faulty."""
STILL = 0.6
"""Share of windows without any movement from which a sensor is called stuck: it need not be so from the first window to
the last."""
CAPPED = 0.5
"""Share of readings that are exactly the highest one from which a sensor is called clipped; half of it is enough where
the sensor moved alone as well."""
NEVER_STILL = 3.0
"""Usual deviations that must lie between a sensor's usual restlessness and 0 for stillness to be a mark."""
FEW = 8
"""With fewer windows, repetition is no evidence."""
FLAT = "flat"
"""The kind of flag of a sensor that repeats itself."""
_LIKE_NOISE = 0.4
"""Share of their spread below which most changes are no noise; for Gaussian noise the median change is 0.67 of it."""
_STILL = 0.02
"""Restlessness of a sensor that does not move: its logarithm needs more than 0."""


@dataclass(frozen=True)
class Diagnosis:
    """The suspected cause of an alarm. All fields are empty where it is unknown."""

    kind: str | None = None
    """A fault of the asset type, or ``stuck:pressure``; None if none fits, or several do."""
    part: Literal["machine", "sensor"] | None = None
    """The broken part, if it is known; it may be known where the kind is not."""
    sensor: str | None = None
    """The faulty sensor, if it is a sensor."""
    first_check: str = ""


@dataclass(frozen=True)
class Marks:
    """The behaviour of each sensor during an alarm; arrays of shape (n_sensors,)."""

    sensors: tuple[str, ...]
    level: Floats
    """Usual deviations between its value (median) and the normal one; signed."""
    restless: Floats
    """Spread within a window (or the one that follows from restlessness), as a multiple of the usual one; 1 where no
    feature holds it."""
    normal: Floats
    """Normal value in the regime, in the sensor's unit."""
    scale: Floats
    """One usual deviation, in the sensor's unit."""
    spread: Floats
    """The usual one, in the sensor's unit; NaN where no feature holds it."""
    values: Floats
    """The sensors' values, window by window, in their units, shape (n_windows, n_sensors)."""
    capped: NDArray[np.bool_]
    """True where it repeated one highest value, below the end of its range."""
    still: NDArray[np.bool_]
    """True where it repeated exactly the same value, away from the ends of its range."""


MOST_WINDOWS = 500
"""Windows of an alarm that are used, spread evenly: an alarm of weeks shows no more in all of its windows."""


def name_alarms(
    bundle: Bundle,
    features: pd.DataFrame,
    alarms: pd.DataFrame,
    *,
    open_after: int,
    flags: pd.DataFrame | None = None,
) -> list[Diagnosis]:
    """Diagnose each alarm by all of its windows, those that led to its opening included.

    Parameters
    ----------
    bundle : Bundle
        The bundle that raised the alarms.
    features : DataFrame
        Rows of the features table that hold the alarms' windows.
    alarms : DataFrame with columns asset_id, opened_at, last_at
    open_after : int
        Consecutive anomalous windows that opened them.
    flags : DataFrame, optional
        Rows of the table of flags: which sensors repeated themselves, and when, even if no feature shows it.

    Returns
    -------
    list of Diagnosis
        One for each alarm, in their order.
    """
    features = bundle.rows_of_plan(features)
    by_asset = usable_windows(features)
    flat = flags[flags["kind"] == FLAT] if flags is not None else None
    diagnoses = []
    for alarm in alarms.itertuples():
        rows = bundle.complete(features.iloc[_windows_of(by_asset[alarm.asset_id], alarm, open_after)])
        stuck = frozenset() if flat is None else _stuck_in(flat, alarm)
        diagnoses.append(diagnose(bundle.asset_type, bundle.plan.features, bundle.normaliser, rows, stuck))
    return diagnoses


def _stuck_in(flat: pd.DataFrame, alarm: Any) -> frozenset[str]:
    """Return the sensors that are flagged as stuck for most of an alarm."""
    of_alarm = flat[
        (flat["asset_id"] == alarm.asset_id) & (flat["end"] >= alarm.opened_at) & (flat["start"] <= alarm.last_at)
    ]
    if of_alarm.empty:
        return frozenset()
    inside = of_alarm["end"].clip(upper=alarm.last_at) - of_alarm["start"].clip(lower=alarm.opened_at)
    lasted = inside.groupby(of_alarm["sensor"]).sum()
    return frozenset(lasted.index[lasted >= STILL * (alarm.last_at - alarm.opened_at)].astype(str))


def with_names(alarms: pd.DataFrame, diagnoses: Sequence[Diagnosis]) -> pd.DataFrame:
    """Return the alarms with their diagnoses in columns kind, broken_part and broken_sensor; empty if unknown."""
    return alarms.assign(
        kind=pd.array([diagnosis.kind or "" for diagnosis in diagnoses], dtype="str"),
        broken_part=pd.array([diagnosis.part or "" for diagnosis in diagnoses], dtype="str"),
        broken_sensor=pd.array([diagnosis.sensor or "" for diagnosis in diagnoses], dtype="str"),
    )


def parts_of_kinds(asset_type: AssetType, kinds: Iterable[str]) -> dict[str, str]:
    """Return the part that each kind breaks, machine or sensor; kinds that no diagnosis could name are left out."""
    of_machine = {kind: str(asset_type.faults[kind].part) for kind in kinds if kind in asset_type.faults}
    return of_machine | {kind: "sensor" for kind in kinds if is_sensor_kind(kind, asset_type)}


def usable_windows(features: pd.DataFrame) -> dict[Any, pd.Series[Any]]:
    """Return the ends of each asset's usable windows, in order, with the places of their rows as index.

    The rows themselves are taken only where an alarm asks for them: they have a hundred columns.
    """
    ends = features["window_end"].reset_index(drop=True)[features["usable"].to_numpy(bool)].sort_values(kind="stable")
    return dict(iter(ends.groupby(features["asset_id"].to_numpy()[ends.index])))


def windows_inside(ends: pd.Series[Any], alarm: Any, led_by: int = 0) -> NDArray[np.int64]:
    """Return the places of the rows whose windows end inside an alarm, and of some before them."""
    first = int(ends.searchsorted(alarm.opened_at, "left"))
    stop = int(ends.searchsorted(alarm.last_at, "right"))
    return ends.index[max(first - led_by, 0) : stop].to_numpy(np.int64)


def _windows_of(ends: pd.Series[Any], alarm: Any, open_after: int) -> NDArray[np.int64]:
    """Return the places of an alarm's rows, and of those that led to it."""
    inside = windows_inside(ends, alarm, led_by=open_after - 1)
    return inside[:: -(-len(inside) // MOST_WINDOWS)] if len(inside) > MOST_WINDOWS else inside


def diagnose(
    asset_type: AssetType,
    features: Sequence[Feature],
    normaliser: RegimeNormaliser,
    rows: pd.DataFrame,
    stuck: Collection[str] = (),
) -> Diagnosis:
    """Diagnose an alarm.

    Parameters
    ----------
    asset_type : AssetType
        Its faults, their effects, and its sensors.
    features : sequence of Feature
        Descriptions of the columns of ``rows``.
    normaliser : RegimeNormaliser
        Normal values of each asset and regime.
    rows : DataFrame
        Feature rows of the alarm's windows (of one asset, in time order).
    stuck : collection of str
        Sensors whose readings repeat themselves during the alarm, as flags show.

    Raises
    ------
    DataError
        If there is no row.
    """
    marks = read_marks(asset_type, features, normaliser, rows)
    if marks is None:
        return Diagnosis()
    marks = replace(marks, still=marks.still | np.isin(marks.sensors, list(stuck)))
    machine = {kind: _misfit_of(fault, marks) for kind, fault in asset_type.faults.items() if fault.effects}
    alone = _misfits_alone(marks)
    nothing = float(_misfit(marks, np.zeros(len(marks.level)), np.ones(len(marks.level))))
    # No fault of a machine makes a sensor repeat itself: no comparison is needed.
    if 0 < (marks.still | marks.capped).sum() < len(marks.sensors):
        return _of_sensor(asset_type, marks, int(np.argmax(marks.still | marks.capped)))
    return _decide(asset_type, marks, machine, alone, nothing)


def read_marks(
    asset_type: AssetType, features: Sequence[Feature], normaliser: RegimeNormaliser, rows: pd.DataFrame
) -> Marks | None:
    """Return the marks of each measured sensor whose level a feature holds; None if there is no such sensor.

    Raises
    ------
    DataError
        If there is no row.
    """
    if rows.empty:
        raise DataError("an alarm needs at least one window to be diagnosed, got none.")
    columns = list(normaliser.columns)
    levels = {name: level_of(name, features) for name in asset_type.measured}
    column_of = {name: level.name for name, level in levels.items() if level is not None}
    if not column_of:
        return None
    at = [columns.index(column) for column in column_of.values()]
    centre, scale = _usual(normaliser, rows)
    spreads = [_spread_of(name, features, columns, centre, scale) for name in column_of]
    values = rows[list(column_of.values())].to_numpy(np.float64)
    usual, measured, flat = _spreads(rows, spreads, centre, columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        restless = np.where(usual > 0, measured / usual, 1.0)
    ends = [(asset_type.sensors[name].low, asset_type.sensors[name].high) for name in column_of]
    at_end = np.column_stack(
        [np.isin(values[:, i], [end for end in pair if end is not None]) for i, pair in enumerate(ends)]
    )
    counts = np.array([asset_type.sensors[name].counter for name in column_of])
    return Marks(
        sensors=tuple(column_of),
        level=np.median((values - centre[:, at]) / scale[:, at], axis=0),
        restless=np.where(np.isfinite(restless), np.maximum(restless, _STILL), 1.0),
        normal=np.median(centre[:, at], axis=0),
        scale=np.median(scale[:, at], axis=0),
        spread=usual,
        values=values,
        capped=(usual > 0)
        & ~counts
        & np.array([_share_at_top(series, end) >= CAPPED for series, end in zip(values.T, ends, strict=True)]),
        still=(usual > 0) & ~counts & ((flat & ~at_end).mean(axis=0) >= STILL),
    )


def _spread_of(
    sensor: str, features: Sequence[Feature], columns: list[str], centre: Floats, scale: Floats
) -> Feature | None:
    """Return the feature that shows how restless a sensor is: in its windows, else over the fewest readings.

    A coarse sensor often repeats a value for some readings, so its stillness over so few is no evidence. Look-backs in
    which it is usually almost still are left out. None if no feature is left.
    """
    for spread in that_show(features, "spread", sensor):
        if spread.over is None:
            return spread
    for restlessness in restlessness_of(sensor, features):
        place = columns.index(restlessness.name)
        if np.median(centre[:, place]) >= NEVER_STILL * np.median(scale[:, place]):
            return restlessness
    return None


def _usual(normaliser: RegimeNormaliser, rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the normal value and one usual deviation of each feature in each row; shape (n_windows, n_features)."""
    regimes, names = pd.factorize(rows["regime"])
    asset_id = str(rows["asset_id"].iloc[0])
    centres, scales = zip(*(normaliser.centre_and_scale(asset_id, str(name)) for name in names), strict=True)
    return np.stack(centres)[regimes], np.stack(scales)[regimes]


def _spreads(
    rows: pd.DataFrame, spreads: Sequence[Feature | None], centre: Floats, columns: Sequence[str]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return each sensor's usual and measured spread (NaN without such a feature), and the windows without any."""
    usual, measured = np.full(len(spreads), np.nan), np.full(len(spreads), np.nan)
    flat = np.zeros((len(rows), len(spreads)), dtype=bool)
    for place, feature in enumerate(spreads):
        if feature is not None:
            values = rows[feature.name].to_numpy(np.float64)
            medians = np.array([np.median(centre[:, columns.index(feature.name)]), np.median(values)])
            usual[place], measured[place] = as_spread(medians) if feature.shows == "restlessness" else medians
            flat[:, place] = values == 0
    return usual, measured, flat


def _misfit(marks: Marks, level: Floats, restless: Floats) -> Floats:
    """Return the misfit of a cause to the marks: a sum of squares, each in units of chance.

    Shapes: ``level`` and ``restless`` (…, n_sensors); the result (…).
    """
    return np.asarray(_misfit_by_sensor(marks, level, restless).sum(axis=-1))


def _misfit_by_sensor(marks: Marks, level: Floats, restless: Floats) -> Floats:
    """Return the same for each sensor, shape (…, n_sensors).

    A large mark may be missed by a share of it, the same for every cause, so that one wild sensor does not outweigh all
    others.
    """
    away = (marks.level - level) / np.hypot(LEVEL, ROUGHLY * marks.level)
    noisy = (np.log(marks.restless) - np.log(restless)) / np.hypot(RESTLESS, ROUGHLY * np.log(marks.restless))
    return np.asarray(away**2 + noisy**2)


def _misfit_of(fault: FaultKind, marks: Marks) -> float:
    """Return the least misfit of a fault at any severity."""
    effects = [fault.effects.get(sensor, Effect()) for sensor in marks.sensors]
    factor = np.array([effect.factor for effect in effects])
    shift = np.array([effect.shift for effect in effects])
    noise = np.array([effect.noise for effect in effects])
    severity = np.linspace(0.05, WORST, 30)[:, None]
    grown = np.maximum(1 + (factor - 1) * severity, 0.0)
    level = (marks.normal * (grown - 1) + shift * severity) / marks.scale
    shaken = np.where(marks.spread > 0, noise * severity / np.where(marks.spread > 0, marks.spread, 1.0), 0.0)
    restless = np.maximum(np.hypot(grown, shaken), _STILL)
    return float(_misfit(marks, level, restless).min()) + PER_PARAMETER


def _misfits_alone(marks: Marks) -> Floats:
    """Return for each sensor the misfit if it alone moved, with its level and restlessness as free parameters.

    Infinite where another sensor is far off as well: then it is not alone, however many sensors are as usual.
    """
    count = len(marks.sensors)
    moves = np.eye(count, dtype=bool)
    level = np.where(moves, marks.level, 0.0)
    restless = np.where(moves, marks.restless, 1.0)
    misfit = _misfit_by_sensor(marks, level, restless)
    return np.where(misfit.max(axis=-1) > NOT_ALONE, np.inf, misfit.sum(axis=-1) + 2 * PER_PARAMETER)


def _decide(
    asset_type: AssetType, marks: Marks, machine: Mapping[str, float], alone: Floats, nothing: float
) -> Diagnosis:
    """Name the cause with the smallest misfit, if it fits and no other is close; an empty name is a faulty sensor."""
    lonely = int(np.argmin(alone))
    can_be_alone = len(marks.sensors) >= COMPANY
    rivals = dict(machine)
    if can_be_alone:
        rivals[""] = float(alone[lonely])
    best = min(rivals, key=lambda cause: rivals[cause], default=None)
    fits = best is not None and rivals[best] <= MISSED * len(marks.sensors) and nothing - rivals[best] >= SHOWN
    if best is None or not fits:
        return _several(marks, alone, nothing) if can_be_alone else Diagnosis()
    close = [cause for cause in rivals if rivals[cause] <= rivals[best] + AMBIGUOUS]
    if best == "" and close == [""]:
        return _of_sensor(asset_type, marks, lonely)
    parts = {"sensor" if cause == "" else asset_type.faults[cause].part for cause in close}
    part = next(iter(parts)) if len(parts) == 1 else None
    if len(close) > 1 or best == "":
        return Diagnosis(part=part)
    return Diagnosis(best, part, None, asset_type.faults[best].first_check)


def _several(marks: Marks, alone: Floats, nothing: float) -> Diagnosis:
    """Name the machine where several sensors moved together, by more than one sensor alone explains."""
    moved = (np.abs(marks.level) >= 3 * LEVEL).sum()
    least = float(alone.min())
    if moved >= 2 and (np.isinf(least) or nothing >= least > MISSED * len(marks.sensors)):
        return Diagnosis(part="machine")
    return Diagnosis()


def _of_sensor(asset_type: AssetType, marks: Marks, place: int) -> Diagnosis:
    """Name the fault of a sensor, by the shape of its values."""
    sensor = marks.sensors[place]
    kind = _shape(asset_type, marks, place)
    if kind is None:
        return Diagnosis(part="sensor", sensor=sensor)
    return Diagnosis(f"{kind}:{sensor}", "sensor", sensor, KINDS[kind].first_check)


def _shape(asset_type: AssetType, marks: Marks, place: int) -> str | None:
    """Tell one sensor fault from another; None if it is like none of them."""
    if marks.still[place]:
        return "stuck"
    values = marks.values[:, place]
    sensor = asset_type.sensors[marks.sensors[place]]
    if _share_at_top(values, (sensor.low, sensor.high)) >= CAPPED / 2:
        return "clipped"
    if _is_other_unit(sensor.unit, marks, place, (sensor.low, sensor.high)):
        return "unit_change"
    if marks.restless[place] >= 2:
        # Most changes of noise are about as large as its spread; with spikes few are, and they make the spread.
        spread = float(np.sqrt(2.0) * marks.spread[place] * marks.restless[place])
        usual = float(np.median(np.abs(np.diff(values)))) if len(values) > 1 else 0.0  # one window is one spike
        return "spike" if usual < _LIKE_NOISE * spread else "noise"
    return "drift" if abs(marks.level[place]) >= 2 * LEVEL else None


def _share_at_top(values: Floats, ends: tuple[float | None, float | None]) -> float:
    """Return which share of the values is exactly the highest one.

    0 if there are too few to say, if it is an end of the sensor's range, or if other values repeat themselves as well:
    the sensor is then a coarse one.
    """
    top = values.max()
    other_values = values[values != top]
    if len(values) < FEW or top in ends or len(np.unique(other_values)) < len(other_values):
        return 0.0
    return 1 - len(other_values) / len(values)


def _is_other_unit(unit: str, marks: Marks, place: int, limits: tuple[float | None, float | None]) -> bool:
    """Tell whether the values are the normal ones in another unit, as far as the sensor's range can show them."""
    if unit not in RIVAL_UNITS:
        return False
    factor, offset, _ = RIVAL_UNITS[unit]
    low, high = (limits[0] if limits[0] is not None else -np.inf), (limits[1] if limits[1] is not None else np.inf)
    normal, scale = float(marks.normal[place]), float(marks.scale[place])
    expected = float(np.clip(normal * factor + offset, low, high))
    measured = normal + float(marks.level[place]) * scale
    return abs(measured - expected) <= 0.1 * abs(expected - normal) and abs(expected - normal) > 3 * scale
