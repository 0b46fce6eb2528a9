"""Why the alarm rang: which sensors stand out, by how much, against what is normal for the regime.

Shares come from the detector's own contributions where it has some. Otherwise each sensor is in turn set to its
typical value and the drop of the score is its share (occlusion).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.config import AssetType
from wheeltapper.scoring.bundle import POOLED, Bundle

TOP = 3
"""Sensors that a sentence names."""
_PERCENT_ABOVE = 5.0
"""A change is told in percent only where normal lies this many usual deviations from zero: −4000 % helps nobody."""


@dataclass(frozen=True)
class Finding:
    """What one sensor did during an alarm."""

    sensor: str
    unit: str
    share: float
    """Part of the score that it accounts for, 0 to 1."""
    value: float
    """Mean of its readings at the peak, in its unit."""
    normal: float
    """What is typical for this asset and regime, in its unit."""
    deviations: float
    """How many usual deviations lie between the two; signed."""
    change: str
    """The same in words: ``pressure −38 %``."""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain JSON."""
        return asdict(self)


def sensors_of(column: str) -> tuple[str, ...]:
    """Return the sensors that a feature column is computed from."""
    for joint in ("__per__", "__times__"):
        if joint in column:
            first, second = column.split(joint)
            return first, second.split("__")[0]
    return (column.split("__", maxsplit=1)[0],)


def shares(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    """Return how much each sensor accounts for each row's score.

    Returns
    -------
    DataFrame of shape (n_windows, n_sensors)
        Shares from 0 to 1 that add up to 1 in each row (0 where the row is perfectly typical).
    """
    z = bundle.normalised(rows)
    by_unit = []
    assets = rows["asset_id"].to_numpy()
    for unit, detector in bundle.detectors.items():
        own = ~np.isin(assets, list(bundle.detectors)) if unit == POOLED else assets == unit
        if own.any():
            parts = detector.contributions(z.loc[own])
            by_unit.append(
                _occlusion(bundle, unit, z.loc[own]) if parts is None else _by_sensor(parts, bundle.asset_type)
            )
    total = pd.concat(by_unit).loc[rows.index].clip(lower=0)
    return total.div(total.sum(axis=1).replace(0, 1), axis=0)


def _by_sensor(parts: pd.DataFrame, asset_type: AssetType) -> pd.DataFrame:
    """Add up the contributions of a sensor's features; a feature of two sensors counts half for each."""
    total = pd.DataFrame(0.0, index=parts.index, columns=list(asset_type.sensors))
    for column in parts.columns:
        sensors = sensors_of(column)
        for sensor in sensors:
            total[sensor] += parts[column] / len(sensors)
    return total


def _occlusion(bundle: Bundle, unit: str, z: pd.DataFrame) -> pd.DataFrame:
    detector = bundle.detectors[unit]
    whole = detector.score(z)
    drop = {}
    for sensor in bundle.asset_type.sensors:
        own = [column for column in z.columns if sensor in sensors_of(column)]
        drop[sensor] = whole - detector.score(z.assign(**dict.fromkeys(own, 0.0)))
    return pd.DataFrame(drop, index=z.index)


def explain(bundle: Bundle, rows: pd.DataFrame) -> list[Finding]:
    """Rank the sensors of one alarm.

    Parameters
    ----------
    rows : DataFrame
        Feature rows of the alarm's anomalous windows (of one asset).
    """
    share = shares(bundle, rows).mean()
    centre, scale = bundle.normaliser.centre(rows), bundle.normaliser.scale(rows)
    findings = []
    for name, sensor in bundle.asset_type.sensors.items():
        if name not in centre:
            continue
        z = (rows[name] - centre[name]) / scale[name]
        at = int(np.argmax(z.abs().to_numpy()))
        value, normal = float(rows[name].mean()), float(centre[name].mean())
        deviations = float(z.mean())
        change = _in_words(name, sensor.unit, value, normal, float(scale[name].iloc[at]))
        findings.append(Finding(name, sensor.unit, float(share[name]), value, normal, deviations, change))
    return sorted(findings, key=lambda one: (-round(one.share, 9), one.sensor))


def _in_words(sensor: str, unit: str, value: float, normal: float, deviation: float) -> str:
    difference = value - normal
    sign = "+" if difference >= 0 else "−"
    if abs(normal) >= _PERCENT_ABOVE * deviation and unit not in ("°C", "%"):
        return f"{sensor} {sign}{abs(difference / normal) * 100:.0f} %"
    return f"{sensor} {sign}{abs(difference):.3g} {unit}"


def likely_fault(asset_type: AssetType, findings: list[Finding]) -> str | None:
    """Name the fault kind whose effects look most like what the sensors did, if one clearly does.

    The likeness is the cosine between the deviations seen and the effects that the asset type lists, both in usual
    deviations of the sensors as far as they are known; below 0.6 nothing is named.
    """
    seen = {one.sensor: one for one in findings}
    best, best_likeness = None, 0.6
    for kind, fault in asset_type.faults.items():
        if fault.part != "machine" or not fault.effects:
            continue
        expected, observed = [], []
        for name, one in seen.items():
            effect = fault.effects.get(name)
            width = abs(one.value - one.normal) / max(abs(one.deviations), 1e-9)
            full = 0.0 if effect is None else one.normal * (effect.factor - 1) + effect.shift
            expected.append(np.clip(full / max(width, 1e-12), -30, 30))
            observed.append(np.clip(one.deviations, -30, 30))
        norm = float(np.linalg.norm(expected) * np.linalg.norm(observed))
        likeness = float(np.dot(expected, observed)) / norm if norm else 0.0
        if likeness > best_likeness:
            best, best_likeness = kind, likeness
    return best


def sentence(asset_id: str, alarm: Any, findings: list[Finding], asset_type: AssetType) -> str:
    """Say one alarm as a person would.

    ``pump-03, 2026-02-03 14:20–15:05, severity 3.1: pressure −38 %, vibration +140 % against its high_load regime.``
    """
    named = [one for one in findings[:TOP] if one.share >= 0.1] or findings[:1]
    opened, last = alarm.opened_at, alarm.last_at
    until = f"{last:%H:%M}" if last.date() == opened.date() else f"{last:%Y-%m-%d %H:%M}"
    if f"{opened:%H:%M}" == until:
        opened_text, until = f"{opened:%Y-%m-%d %H:%M:%S}", f"{last:%H:%M:%S}"
    else:
        opened_text = f"{opened:%Y-%m-%d %H:%M}"
    text = (
        f"{asset_id}, {opened_text}–{until}, severity {alarm.peak_severity:.1f}: "
        f"{', '.join(one.change for one in named)} against its {alarm.regime} regime."
    )
    kind = likely_fault(asset_type, findings)
    if kind is None:
        return text
    first = asset_type.faults[kind].first_check
    return f"{text} Looks like {kind.replace('_', ' ')}{': ' + first if first else ''}."
