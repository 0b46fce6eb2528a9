"""Why the alarm rang: which sensors stand out, by how much, against what is normal for the regime.

Shares come from the detector's own contributions where it has some. Otherwise each sensor is in turn set to its
typical value and the drop of the score is its share (occlusion).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.config import AssetType, Effect
from wheeltapper.errors import DataError
from wheeltapper.scoring.bundle import POOLED, Bundle, inputs

TOP = 3
"""Sensors that a sentence names."""
_PERCENT_ABOVE = 5.0
"""A change is told in percent only where normal lies this many usual deviations from zero: −4000 % helps nobody."""
_NO_PERCENT = ("°C", "degC", "°F", "degF", "%")
"""Units whose zero is not nothing, or of which a percentage would be mistaken for the unit."""
_SATURATED = 5.0
"""Usual deviations beyond which a sensor is simply far off: one wild sensor must not outweigh all others."""
_LIKE = 0.75
"""Cosine from which a fault kind is named: chosen so that a single sensor gone wild looks like no kind of the pump."""


@dataclass(frozen=True)
class Finding:
    """What one sensor did during an alarm."""

    sensor: str
    unit: str
    share: float
    """Part of the score that it accounts for, 0 to 1."""
    value: float | None
    """Mean of its readings during the alarm, in its unit; None where no feature holds its level."""
    normal: float | None
    """What is typical for this asset and regime, in its unit; None like ``value``."""
    deviations: float
    """How many usual deviations lie between the two; signed. Of its oddest feature where ``value`` is None."""
    change: str
    """The same in words: ``pressure −38 %``."""
    spread: float | None = None
    """One usual deviation, in its unit; None like ``value``."""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain JSON."""
        return asdict(self)


def sensors_of(column: str) -> tuple[str, ...]:
    """Return the sensors that a feature column is computed from; of ``calendar__hour_sin`` no sensor but the set."""
    for joint in ("__per__", "__times__"):
        if joint in column:
            first, second = column.split(joint)
            return first, second.split("__")[0]
    first, *rest = column.split("__")
    return (first, *rest[1:]) if rest[:1] == ["twin"] else (first,)


def shares(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    """Return how much each sensor accounts for each row's score.

    Returns
    -------
    DataFrame of shape (n_windows, n_sensors)
        Shares from 0 to 1 that add up to 1 in each row (0 where the row is perfectly typical).
    """
    z = bundle.inputs(rows)
    by_unit = []
    assets = rows["asset_id"].to_numpy()
    for unit, detector in bundle.detectors.items():
        own = ~np.isin(assets, list(bundle.detectors)) if unit == POOLED else assets == unit
        if own.any():
            parts = detector.contributions(z.loc[own])
            by_unit.append(
                _occlusion(bundle, unit, z.loc[own], rows.loc[own])
                if parts is None
                else _by_sensor(parts, bundle.asset_type)
            )
    total = pd.concat(by_unit).loc[rows.index].clip(lower=0)
    return total.div(total.sum(axis=1).replace(0, 1), axis=0)


def _by_sensor(parts: pd.DataFrame, asset_type: AssetType) -> pd.DataFrame:
    """Add up the contributions of a sensor's features; a feature of two sensors counts half for each.

    What belongs to no sensor (the time of day) is left out: nobody can repair it.
    """
    total = pd.DataFrame(0.0, index=parts.index, columns=list(asset_type.sensors))
    for column in parts.columns:
        sensors = [sensor for sensor in sensors_of(column) if sensor in asset_type.sensors]
        for sensor in sensors:
            total[sensor] += parts[column] / len(sensors)
    return total


def _occlusion(bundle: Bundle, unit: str, z: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Set each sensor's features to what is typical, one sensor at a time, and see how far the score drops."""
    typical = inputs(bundle.detectors[unit], bundle.normaliser, rows.assign(**bundle.normaliser.centre(rows)))
    detector = bundle.detectors[unit]
    whole = detector.score(z)
    drop = {}
    for sensor in bundle.asset_type.sensors:
        own = [column for column in z.columns if sensor in sensors_of(column)]
        drop[sensor] = whole - detector.score(z.assign(**typical[own]))
    return pd.DataFrame(drop, index=z.index)


def explain(bundle: Bundle, rows: pd.DataFrame) -> list[Finding]:
    """Rank the sensors of one alarm.

    Parameters
    ----------
    rows : DataFrame
        Feature rows of the alarm's anomalous windows (of one asset).

    Raises
    ------
    DataError
        If there is no row.
    """
    if rows.empty:
        raise DataError("an alarm needs at least one window to be explained, got none.")
    share = shares(bundle, rows).mean()
    z = bundle.normaliser.transform(rows).mean()
    centre, scale = bundle.normaliser.centre(rows).mean(), bundle.normaliser.scale(rows).mean()
    findings = []
    for name, sensor in bundle.asset_type.sensors.items():
        unit = sensor.unit_of_features
        level = next((column for column in (name, f"{name}__rolling_mean") if column in z), None)
        odd = _oddest(name, z)
        if level is None:
            change = _manner(name, odd, z) if odd else f"{name} unusual"
            deviations = float(z[odd]) if odd else 0.0
            findings.append(Finding(name, unit, float(share[name]), None, None, deviations, change))
            continue
        value, normal, spread = float(rows[level].mean()), float(centre[level]), float(scale[level])
        is_level_usual = abs(z[level]) < 1 and odd is not None and abs(z[odd]) >= 2
        change = _manner(name, odd, z) if is_level_usual and odd else _in_words(name, unit, value, normal, spread)
        findings.append(Finding(name, unit, float(share[name]), value, normal, float(z[level]), change, spread))
    return sorted(findings, key=lambda one: (-round(one.share, 9), one.sensor))


def _oddest(sensor: str, z: pd.Series) -> str | None:
    """Return the feature of a sensor, beside its level, that is farthest from usual; None if it has no other."""
    others = [column for column in z.index if "__" in column and sensor in sensors_of(column)]
    others = [column for column in others if not column.endswith("__rolling_mean")]
    return max(others, key=lambda column: abs(float(z[column])), default=None)


def _manner(sensor: str, column: str, z: pd.Series) -> str:
    """Say what a feature that is no level shows: a stuck sensor has its usual value, and stands out all the same."""
    if column.endswith("__rolling_std"):
        return f"{sensor} unusually {'restless' if z[column] > 0 else 'still'}"
    if other := [name for name in sensors_of(column) if name != sensor]:
        return f"{sensor} out of step with {' and '.join(other)}"
    if column.endswith("__rate"):
        return f"{sensor} changes unusually fast"
    what = column.removeprefix(f"{sensor}__").replace("__", ", ").replace("_", " ")
    return f"{sensor}: {what} unusually {'high' if z[column] > 0 else 'low'}"


def _in_words(sensor: str, unit: str, value: float, normal: float, deviation: float) -> str:
    difference = value - normal
    sign = "+" if difference >= 0 else "−"
    if abs(normal) >= _PERCENT_ABOVE * deviation and unit not in _NO_PERCENT:
        return f"{sensor} {sign}{_number(abs(difference / normal) * 100, 2)} %"
    return f"{sensor} {sign}{_number(abs(difference), 3)} {unit if unit != '1' else ''}".rstrip()


def _number(value: float, digits: int) -> str:
    """Write a number with so many digits, but whole numbers in full: 140, not 1.4e+02."""
    return f"{value:.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def likely_fault(asset_type: AssetType, findings: list[Finding]) -> str | None:
    """Name the fault kind whose effects look most like what the sensors did, if one clearly does.

    The likeness is the cosine between the deviations seen and the effects that the asset type lists, both in usual
    deviations of the sensors and saturated beyond five; below 0.75 nothing is named.
    """
    known = [one for one in findings if one.spread]
    observed = [np.clip(one.deviations, -_SATURATED, _SATURATED) for one in known]
    best, best_likeness = None, _LIKE
    for kind, fault in asset_type.faults.items():
        if fault.part == "machine" and fault.effects:
            expected = [_expected(fault.effects.get(one.sensor), one) for one in known]
            norm = float(np.linalg.norm(expected) * np.linalg.norm(observed))
            likeness = float(np.dot(expected, observed)) / norm if norm else 0.0
            if likeness > best_likeness:
                best, best_likeness = kind, likeness
    return best


def _expected(effect: Effect | None, one: Finding) -> float:
    """Return by how many usual deviations a fully developed fault moves a sensor; saturated."""
    if effect is None or one.normal is None or not one.spread:
        return 0.0
    moved = one.normal * (effect.factor - 1) + effect.shift
    return float(np.clip(moved / one.spread, -_SATURATED, _SATURATED))


def sentence(asset_id: str, alarm: Any, findings: list[Finding], asset_type: AssetType) -> str:
    """Say one alarm as a person would; all times are UTC.

    ``pump-03, 2026-02-03 14:20–15:05, severity 3.1: pressure −38 %, vibration +140 % against its high_load regime.``
    """
    named = [one for one in findings[:TOP] if one.share >= 0.1] or findings[:1]
    text = (
        f"{asset_id}, {_span(alarm.opened_at, alarm.last_at)}, severity {alarm.peak_severity:.1f}: "
        f"{', '.join(one.change for one in named)} against its {alarm.regime} regime."
    )
    kind = likely_fault(asset_type, findings)
    if kind is None:
        return text
    looks = f"{text} Looks like {kind.replace('_', ' ')}"
    first = asset_type.faults[kind].first_check.strip()
    if not first:
        return f"{looks}."
    return f"{looks}: {first}{'' if first[-1] in '.!?' else '.'}"


def _span(opened: pd.Timestamp, last: pd.Timestamp) -> str:
    """Write a span as short as it can be: the day once, seconds only where minutes do not tell."""
    if opened == last:
        return f"{opened:%Y-%m-%d %H:%M}" if opened.second == 0 else f"{opened:%Y-%m-%d %H:%M:%S}"
    if opened.floor("min") == last.floor("min"):
        return f"{opened:%Y-%m-%d %H:%M:%S}–{last:%H:%M:%S}"
    if opened.date() == last.date():
        return f"{opened:%Y-%m-%d %H:%M}–{last:%H:%M}"
    return f"{opened:%Y-%m-%d %H:%M}–{last:%Y-%m-%d %H:%M}"
