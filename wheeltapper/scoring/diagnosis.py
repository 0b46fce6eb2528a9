"""What an alarm looks like: one of the machine's faults, a sensor that lies, or nothing that is known.

No label is learnt from. Each sensor leaves two marks during an alarm: by how many usual deviations its level moved, and
how many times as restless as usual it was. Each explanation says which marks it would leave:

* a fault of the asset type moves the sensors that its ``effects`` list, together, by up to half more than they say;
* a lying sensor moves alone, and its partners show what they always do;
* nothing moves nothing.

The explanation that misses the marks least is named, if it misses them by no more than chance would and if nothing
else comes close. Where none does, none is named: a wrong name at night costs more than an honest "unknown".

Does not see what leaves no mark: a clock that is late, a fault that has only begun. And of a machine with fewer than
three sensors it never says that one moved alone: there is no company to be missed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import AssetType, FaultKind
from wheeltapper.config.sensor_faults import KINDS, RIVAL_UNITS, is_sensor_kind
from wheeltapper.errors import DataError
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.features.restless import as_spread, of_sensor, rows_of
from wheeltapper.scoring.bundle import Bundle

Floats = NDArray[np.float64]

LEVEL = 1.0
"""Usual deviations by which the level of a healthy sensor moves for a while all the same."""
ROUGHLY = 0.2
"""Share of itself by which a mark may differ from what an effect says: two machines never suffer quite alike."""
RESTLESS = 0.35
"""The same for restlessness, as a logarithm: a third more or less is chance."""
WORST = 1.5
"""Severity up to which a fault is believed: half more than fully developed."""
SHOWN = 4.0
"""By how much an explanation must miss less than "nothing" does."""
PER_PARAMETER = 2.0
"""What each number that an explanation is free to choose costs it (Akaike's)."""
AMBIGUOUS = 1.0
"""An explanation that misses by this much more than the best could as well be true."""
MISSED = 3.0
"""Misfit for each sensor up to which an explanation fits at all."""
NOT_ALONE = 9.0
"""Misfit of one other sensor (three times what chance does) from which on nobody moved alone."""
COMPANY = 3
"""Sensors that a machine must have before one of them can be said to move alone."""
STILL = 0.6
"""Share of windows without any movement from which a sensor is called stuck: some were not yet, or are no longer."""
CAPPED = 0.5
"""Share of readings that are exactly the highest one from which a sensor is called clipped; half of it will do where
the sensor moved alone as well."""
NEVER_STILL = 3.0
"""Usual deviations that must lie between a sensor's restlessness and none, or stillness is no mark of it."""
FEW = 8
"""Windows below which repetition proves nothing."""
FLAT = "flat"
"""The kind of flag that a sensor gets which repeats itself."""
_LIKE_NOISE = 0.4
"""Share of their spread below which most changes are not made by noise; of Gaussian noise the median is 0.67 of it."""
_STILL = 0.02
"""Restlessness of a sensor that does not move: a logarithm needs more than 0."""


@dataclass(frozen=True)
class Diagnosis:
    """What an alarm looks like. All is empty where nothing can be said."""

    kind: str | None = None
    """A fault of the asset type, or ``stuck:pressure``; None if none fits, or several do."""
    part: Literal["machine", "sensor"] | None = None
    """What is broken, as far as it can be told; it may be known where the kind is not."""
    sensor: str | None = None
    """The one that lies, if it is a sensor."""
    first_check: str = ""


@dataclass(frozen=True)
class Marks:
    """What each sensor showed during an alarm; arrays of shape (n_sensors,)."""

    sensors: tuple[str, ...]
    level: Floats
    """Usual deviations between what it showed (median) and what is normal; signed."""
    restless: Floats
    """Spread within a window (or what changes over some readings stand for), as a multiple of the usual one; 1 where no
    feature holds it."""
    normal: Floats
    """What is normal for the regime, in the sensor's unit."""
    scale: Floats
    """One usual deviation, in the sensor's unit."""
    spread: Floats
    """The usual one, in the sensor's unit; NaN where no feature holds it."""
    values: Floats
    """The sensors' values, window by window, in their units, shape (n_windows, n_sensors)."""
    capped: NDArray[np.bool_]
    """Whether it showed one highest value again and again, below the end of its range."""
    still: NDArray[np.bool_]
    """Whether it showed exactly the same value again and again, away from the ends of its range."""


MOST_WINDOWS = 500
"""Windows of an alarm that are looked at, spread evenly: one that burns for weeks shows no more in all of them."""


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
        What raised the alarms.
    features : DataFrame
        Rows of the features table that hold the alarms' windows.
    alarms : DataFrame with columns asset_id, opened_at, last_at
    open_after : int
        Anomalous windows in a row that opened them.
    flags : DataFrame, optional
        Rows of the table of flags: which sensors repeated themselves, and when. Features need not show it.

    Returns
    -------
    list of Diagnosis
        One for each alarm, in their order.
    """
    features = bundle.rows_of_plan(features)
    by_asset = {
        asset: rows.sort_values("window_end") for asset, rows in features[features["usable"]].groupby("asset_id")
    }
    flat = flags[flags["kind"] == FLAT] if flags is not None else None
    told = []
    for alarm in alarms.itertuples():
        rows = bundle.complete(_windows_of(by_asset, alarm, open_after))
        stuck = frozenset() if flat is None else _stuck_in(flat, alarm)
        told.append(diagnose(bundle.asset_type, bundle.normaliser, rows, stuck))
    return told


def _stuck_in(flat: pd.DataFrame, alarm: Any) -> frozenset[str]:
    """Return the sensors that are flagged as stuck for most of an alarm."""
    own = flat[
        (flat["asset_id"] == alarm.asset_id) & (flat["end"] >= alarm.opened_at) & (flat["start"] <= alarm.last_at)
    ]
    if own.empty:
        return frozenset()
    inside = own["end"].clip(upper=alarm.last_at) - own["start"].clip(lower=alarm.opened_at)
    lasted = inside.groupby(own["sensor"]).sum()
    return frozenset(lasted.index[lasted >= STILL * (alarm.last_at - alarm.opened_at)].astype(str))


def with_names(alarms: pd.DataFrame, diagnoses: Sequence[Diagnosis]) -> pd.DataFrame:
    """Return the alarms with what they say they are in columns kind, broken_part, broken_sensor; empty if unknown."""
    return alarms.assign(
        kind=pd.array([one.kind or "" for one in diagnoses], dtype="str"),
        broken_part=pd.array([one.part or "" for one in diagnoses], dtype="str"),
        broken_sensor=pd.array([one.sensor or "" for one in diagnoses], dtype="str"),
    )


def parts_of_kinds(asset_type: AssetType, kinds: Iterable[str]) -> dict[str, str]:
    """Return what each kind breaks, machine or sensor; kinds that no alarm could name are left out."""
    known = {kind: str(asset_type.faults[kind].part) for kind in kinds if kind in asset_type.faults}
    return known | {kind: "sensor" for kind in kinds if is_sensor_kind(kind, asset_type)}


def _windows_of(by_asset: Mapping[Any, pd.DataFrame], alarm: Any, open_after: int) -> pd.DataFrame:
    rows = by_asset[alarm.asset_id]
    first = int(rows["window_end"].searchsorted(alarm.opened_at, "left"))
    stop = int(rows["window_end"].searchsorted(alarm.last_at, "right"))
    inside = rows.iloc[max(first - open_after + 1, 0) : stop]
    return inside.iloc[:: -(-len(inside) // MOST_WINDOWS)] if len(inside) > MOST_WINDOWS else inside


def diagnose(
    asset_type: AssetType, normaliser: RegimeNormaliser, rows: pd.DataFrame, stuck: Collection[str] = ()
) -> Diagnosis:
    """Say what an alarm looks like.

    Parameters
    ----------
    asset_type : AssetType
        Its faults, their effects, and its sensors.
    normaliser : RegimeNormaliser
        What is normal for each asset and regime.
    rows : DataFrame
        Feature rows of the alarm's windows (of one asset, in time order).
    stuck : collection of str
        Sensors whose readings are known to repeat themselves all the while.

    Raises
    ------
    DataError
        If there is no row.
    """
    marks = read_marks(asset_type, normaliser, rows)
    if marks is None:
        return Diagnosis()
    marks = replace(marks, still=marks.still | np.isin(marks.sensors, list(stuck)))
    machine = {kind: _misfit_of(fault, marks) for kind, fault in asset_type.faults.items() if fault.effects}
    alone = _misfits_alone(marks)
    nothing = float(_misfit(marks, np.zeros(len(marks.level)), np.ones(len(marks.level))))
    # No machine makes a sensor repeat itself: this needs no comparison.
    if 0 < (marks.still | marks.capped).sum() < len(marks.sensors):
        return _of_sensor(asset_type, marks, int(np.argmax(marks.still | marks.capped)))
    return _decide(asset_type, marks, machine, alone, nothing)


def read_marks(asset_type: AssetType, normaliser: RegimeNormaliser, rows: pd.DataFrame) -> Marks | None:
    """Read off what each measured sensor showed; one whose level no feature holds is left out. None if that is all.

    Raises
    ------
    DataError
        If there is no row.
    """
    if rows.empty:
        raise DataError("an alarm needs at least one window to be diagnosed, got none.")
    columns = list(normaliser.columns)
    level = {
        name: next((column for column in (name, f"{name}__rolling_mean") if column in columns), None)
        for name in asset_type.measured
    }
    known = {name: column for name, column in level.items() if column is not None}
    if not known:
        return None
    at = [columns.index(column) for column in known.values()]
    centre, scale = _usual(normaliser, rows)
    spreads = [_spread_of(name, columns, centre, scale) for name in known]
    values = rows[list(known.values())].to_numpy(np.float64)
    usual, seen, flat = _spreads(rows, spreads, centre, columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        restless = np.where(usual > 0, seen / usual, 1.0)
    ends = [(asset_type.sensors[name].low, asset_type.sensors[name].high) for name in known]
    at_end = np.column_stack(
        [np.isin(values[:, i], [end for end in pair if end is not None]) for i, pair in enumerate(ends)]
    )
    counts = np.array([asset_type.sensors[name].counter for name in known])
    return Marks(
        sensors=tuple(known),
        level=np.median((values - centre[:, at]) / scale[:, at], axis=0),
        restless=np.where(np.isfinite(restless), np.maximum(restless, _STILL), 1.0),
        normal=np.median(centre[:, at], axis=0),
        scale=np.median(scale[:, at], axis=0),
        spread=usual,
        values=values,
        capped=(usual > 0)
        & ~counts
        & np.array([_share_at_top(own, end) >= CAPPED for own, end in zip(values.T, ends, strict=True)]),
        still=(usual > 0) & ~counts & ((flat & ~at_end).mean(axis=0) >= STILL),
    )


def _spread_of(sensor: str, columns: list[str], centre: Floats, scale: Floats) -> str | None:
    """Return the feature that says how restless a sensor is: in its windows, else over the fewest readings that tell.

    A coarse sensor shows the same value for some readings all the time: over so few, stillness says nothing of it. None
    if no feature says anything.
    """
    of_window = f"{sensor}__rolling_std"
    if of_window in columns:
        return of_window
    for name in of_sensor(sensor, columns):
        place = columns.index(name)
        if np.median(centre[:, place]) >= NEVER_STILL * np.median(scale[:, place]):
            return name
    return None


def _usual(normaliser: RegimeNormaliser, rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return what is normal, and one usual deviation, of each feature in each row; shape (n_windows, n_features)."""
    regimes, names = pd.factorize(rows["regime"])
    found = [normaliser.centre_and_scale(str(rows["asset_id"].iloc[0]), str(name)) for name in names]
    return np.stack([one for one, _ in found])[regimes], np.stack([one for _, one in found])[regimes]


def _spreads(
    rows: pd.DataFrame, spreads: Sequence[str | None], centre: Floats, columns: Sequence[str]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return each sensor's usual spread and the one seen (NaN without such a feature), and the windows without any."""
    usual, seen = np.full(len(spreads), np.nan), np.full(len(spreads), np.nan)
    flat = np.zeros((len(rows), len(spreads)), dtype=bool)
    for place, column in enumerate(spreads):
        if column is not None:
            own = rows[column].to_numpy(np.float64)
            both = np.array([np.median(centre[:, columns.index(column)]), np.median(own)])
            usual[place], seen[place] = both if rows_of(column) is None else as_spread(both)
            flat[:, place] = own == 0
    return usual, seen, flat


def _misfit(marks: Marks, level: Floats, restless: Floats) -> Floats:
    """Return by how much an explanation misses the marks: a sum of squares, each in units of what chance does.

    Shapes: ``level`` and ``restless`` (…, n_sensors); the result (…).
    """
    return np.asarray(_misfit_by_sensor(marks, level, restless).sum(axis=-1))


def _misfit_by_sensor(marks: Marks, level: Floats, restless: Floats) -> Floats:
    """Return the same for each sensor, shape (…, n_sensors).

    A large mark is allowed to be missed by a share of it, the same for every explanation, so that one wild sensor does
    not outweigh all others.
    """
    away = (marks.level - level) / np.hypot(LEVEL, ROUGHLY * marks.level)
    noisy = (np.log(marks.restless) - np.log(restless)) / np.hypot(RESTLESS, ROUGHLY * np.log(marks.restless))
    return np.asarray(away**2 + noisy**2)


def _misfit_of(fault: FaultKind, marks: Marks) -> float:
    """Return the least misfit of a fault at any severity."""
    factor = np.array([fault.effects[one].factor if one in fault.effects else 1.0 for one in marks.sensors])
    shift = np.array([fault.effects[one].shift if one in fault.effects else 0.0 for one in marks.sensors])
    noise = np.array([fault.effects[one].noise if one in fault.effects else 0.0 for one in marks.sensors])
    severity = np.linspace(0.05, WORST, 30)[:, None]
    grown = np.maximum(1 + (factor - 1) * severity, 0.0)
    level = (marks.normal * (grown - 1) + shift * severity) / marks.scale
    shaken = np.where(marks.spread > 0, noise * severity / np.where(marks.spread > 0, marks.spread, 1.0), 0.0)
    restless = np.maximum(np.hypot(grown, shaken), _STILL)
    return float(_misfit(marks, level, restless).min()) + PER_PARAMETER


def _misfits_alone(marks: Marks) -> Floats:
    """Return for each sensor what is missed if it alone went its own way, level and restlessness free to choose.

    Infinite where another one is far off as well: then it is not alone, however many sensors show what they always do.
    """
    count = len(marks.sensors)
    own = np.eye(count, dtype=bool)
    level = np.where(own, marks.level, 0.0)
    restless = np.where(own, marks.restless, 1.0)
    missed = _misfit_by_sensor(marks, level, restless)
    return np.where(missed.max(axis=-1) > NOT_ALONE, np.inf, missed.sum(axis=-1) + 2 * PER_PARAMETER)


def _decide(
    asset_type: AssetType, marks: Marks, machine: Mapping[str, float], alone: Floats, nothing: float
) -> Diagnosis:
    """Name the explanation that misses least, if it fits and no other comes close."""
    lonely = int(np.argmin(alone))
    can_be_alone = len(marks.sensors) >= COMPANY
    rivals = dict(machine)
    if can_be_alone:
        rivals[""] = float(alone[lonely])
    best = min(rivals, key=lambda one: rivals[one], default=None)
    fits = best is not None and rivals[best] <= MISSED * len(marks.sensors) and nothing - rivals[best] >= SHOWN
    if best is None or not fits:
        return _several(marks, alone, nothing) if can_be_alone else Diagnosis()
    close = [one for one in rivals if rivals[one] <= rivals[best] + AMBIGUOUS]
    if best == "" and close == [""]:
        return _of_sensor(asset_type, marks, lonely)
    parts = {"sensor" if one == "" else asset_type.faults[one].part for one in close}
    part = next(iter(parts)) if len(parts) == 1 else None
    if len(close) > 1 or best == "":
        return Diagnosis(part=part)
    return Diagnosis(best, part, None, asset_type.faults[best].first_check)


def _several(marks: Marks, alone: Floats, nothing: float) -> Diagnosis:
    """Say that it is the machine where several sensors moved together, more than any single one can account for."""
    moved = (np.abs(marks.level) >= 3 * LEVEL).sum()
    least = float(alone.min())
    if moved >= 2 and (np.isinf(least) or nothing >= least > MISSED * len(marks.sensors)):
        return Diagnosis(part="machine")
    return Diagnosis()


def _of_sensor(asset_type: AssetType, marks: Marks, place: int) -> Diagnosis:
    """Name what a lying sensor suffers, by the shape of what it showed."""
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
        # Of noise most changes are about as large as its spread says; of spikes few are, and make the spread.
        seen = float(np.sqrt(2.0) * marks.spread[place] * marks.restless[place])
        usual = float(np.median(np.abs(np.diff(values)))) if len(values) > 1 else 0.0  # one window is one spike
        return "spike" if usual < _LIKE_NOISE * seen else "noise"
    return "drift" if abs(marks.level[place]) >= 2 * LEVEL else None


def _share_at_top(values: Floats, ends: tuple[float | None, float | None]) -> float:
    """Return which share of the values is exactly the highest one.

    0 if there are too few to say, if it is an end of the sensor's range, or if other values repeat themselves as well:
    the sensor is then a coarse one.
    """
    top = values.max()
    others = values[values != top]
    if len(values) < FEW or top in ends or len(np.unique(others)) < len(others):
        return 0.0
    return 1 - len(others) / len(values)


def _is_other_unit(unit: str, marks: Marks, place: int, limits: tuple[float | None, float | None]) -> bool:
    """Tell whether the values are the normal ones in another unit, as far as the sensor's range can show them."""
    if unit not in RIVAL_UNITS:
        return False
    factor, offset, _ = RIVAL_UNITS[unit]
    low, high = (limits[0] if limits[0] is not None else -np.inf), (limits[1] if limits[1] is not None else np.inf)
    normal, scale = float(marks.normal[place]), float(marks.scale[place])
    expected = float(np.clip(normal * factor + offset, low, high))
    shown = normal + float(marks.level[place]) * scale
    return abs(shown - expected) <= 0.1 * abs(expected - normal) and abs(expected - normal) > 3 * scale
