"""Why the alarm rang: which sensors stand out, by how much, against what is normal for the regime.

Contributions come from the detector where it has its own. Otherwise each sensor is in turn set to what is normal for
the regime, and the drop of the score is its contribution (occlusion). Either way they are scaled so that they add up to
the score. What the alarm looks like, `wheeltapper.scoring.diagnosis` says: by what the sensors did, not by the score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.config import AssetType
from wheeltapper.config.values import format_duration
from wheeltapper.errors import DataError
from wheeltapper.features.columns import Feature, level_of
from wheeltapper.scoring.bundle import POOLED, Bundle, inputs
from wheeltapper.scoring.diagnosis import Diagnosis
from wheeltapper.scoring.rarity import Rarity

TOP = 3
"""Sensors that a sentence names."""
_PERCENT_ABOVE = 5.0
"""A change is told in percent only where normal lies this many usual deviations from zero: −4000 % helps nobody."""
_NO_PERCENT = ("°C", "degC", "°F", "degF", "%")
"""Units whose zero is not nothing, or of which a percentage would be mistaken for the unit."""
_TOLD = 0.1
"""Share of the score from which a sensor is named."""
AT_PEAK = 32
"""Windows that an explanation takes its shares from, those of the highest severity: occluding scores each of them
again, twice for every sensor, so this is what bounds its time."""


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
    contribution: float = 0.0
    """Its part of the alarm's peak severity: those of all sensors add up to it, where the score can be explained."""
    is_of_level: bool = True
    """Whether ``change`` is about its level; False where its manner stands out: restless, still, out of step."""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain JSON."""
        return asdict(self)


def contributions(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    """Return how much each sensor adds to each row's score.

    Where a detector says so itself, that is used; else see `_occlusion`. What speaks against an anomaly counts as 0,
    and what belongs to no sensor (the time of day) is spread over the sensors: nobody can repair it.

    Returns
    -------
    DataFrame of shape (n_windows, n_sensors)
        In the units of the bundle's score. They add up to it in each row; all are 0 in a row whose score depends on no
        sensor (that of a detector which always says the same).
    """
    scored = bundle.calibration.apply(rows, bundle.raw_scores(rows))["score"]
    return shares(bundle, rows).mul(scored, axis=0)


def shares(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the part of each row's score that each sensor accounts for; see `contributions`.

    Returns
    -------
    DataFrame of shape (n_windows, n_sensors)
        Shares from 0 to 1 that add up to 1 in each row (all 0 where no sensor moves the score).
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
                else _by_sensor(parts, bundle.plan.features, bundle.asset_type)
            )
    total = pd.concat(by_unit).loc[rows.index].clip(lower=0)
    whole = total.sum(axis=1)
    return total.div(whole.where(whole > 0, 1.0), axis=0)


def feature_shares(bundle: Bundle, rows: pd.DataFrame) -> pd.Series | None:
    """Return the part of the score that each feature accounts for: the mean of these rows.

    Returns
    -------
    Series of shape (n_features,) or None
        Shares from 0 to 1, together 1 (0 where no feature moves the score). None where a detector of the bundle cannot
        say: occluding features one by one would blame single ones for what several of a sensor show together.
    """
    rows = bundle.complete(rows)
    z, assets = bundle.inputs(rows), rows["asset_id"].to_numpy()
    found = []
    for unit, detector in bundle.detectors.items():
        own = ~np.isin(assets, list(bundle.detectors)) if unit == POOLED else assets == unit
        if own.any():
            parts = detector.contributions(z.loc[own])
            if parts is None:
                return None
            found.append(parts.clip(lower=0))
    total = pd.concat(found).fillna(0.0)
    whole = total.sum(axis=1)
    return total.div(whole.where(whole > 0, 1.0), axis=0).mean()


def _by_sensor(parts: pd.DataFrame, features: Sequence[Feature], asset_type: AssetType) -> pd.DataFrame:
    """Add up the contributions of a sensor's features; a feature of two sensors counts half for each.

    What belongs to no sensor (the time of day) is left out: nobody can repair it.
    """
    total = pd.DataFrame(0.0, index=parts.index, columns=list(asset_type.sensors))
    sensors_of = {feature.name: feature.sensors for feature in features}
    for column in parts.columns:
        for sensor in sensors_of[column]:
            total[sensor] += parts[column] / len(sensors_of[column])
    return total


def _occlusion(bundle: Bundle, unit: str, z: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Set each sensor's features to what is typical for the row's regime, and see how far the score drops.

    Two sensors that are both far off hide each other: a score that is at its limit does not drop when one of them is
    set right. So the other way is taken as well, from a perfectly typical row in which the sensor alone is as it was,
    and the mean of both is the sensor's: the first and the last term of its Shapley value [1]_.

    References
    ----------
    .. [1] S. M. Lundberg, S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NIPS 2017.
    """
    usual = pd.concat([rows[["asset_id", "regime"]], bundle.normaliser.centre(rows)], axis=1)
    typical = inputs(bundle.detectors[unit], bundle.normaliser, usual)
    detector = bundle.detectors[unit]
    whole, quiet = detector.score(z), detector.score(typical)
    drop = {}
    for sensor in bundle.asset_type.sensors:
        columns = [feature.name for feature in bundle.plan.features if sensor in feature.sensors]
        without, alone = detector.score(z.assign(**typical[columns])), detector.score(typical.assign(**z[columns]))
        drop[sensor] = ((whole - without) + (alone - quiet)) / 2
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
    rows = bundle.complete(rows)
    scored = bundle.calibration.apply(rows, bundle.raw_scores(rows))
    severity = (scored["score"].clip(lower=0) / scored["threshold"]).sort_values(ascending=False, kind="stable")
    share = shares(bundle, rows.loc[severity.index[:AT_PEAK]]).mean()
    total = float(share.sum())
    share = share / total if total > 0 else share
    heard = feature_shares(bundle, rows.loc[severity.index[:AT_PEAK]])
    z = bundle.normaliser.transform(rows).mean()
    centre, scale = bundle.normaliser.centre(rows).mean(), bundle.normaliser.scale(rows).mean()
    findings = []
    for name, sensor in bundle.asset_type.sensors.items():
        unit, own = sensor.unit_of_features, float(share[name])
        part = own * float(severity.iloc[0])
        feature, odd = level_of(name, bundle.plan.features), _oddest(name, bundle.plan.features, z, heard)
        if feature is None:
            change = _manner(name, odd, z) if odd else f"{name} unusual"
            deviations = float(z[odd.name]) if odd else 0.0
            findings.append(Finding(name, unit, own, None, None, deviations, change, None, part, False))
            continue
        level = feature.name
        value, normal, spread = float(rows[level].mean()), float(centre[level]), float(scale[level])
        in_manner = abs(z[level]) < 1 and odd is not None and abs(z[odd.name]) >= 2
        change = _manner(name, odd, z) if in_manner and odd else _in_words(name, unit, value, normal, spread)
        away = float(z[level])
        findings.append(Finding(name, unit, own, value, normal, away, change, spread, part, not in_manner))
    # Sensors of equal shares, as those of a detector that cannot say, are ranked by how far they are from normal.
    return sorted(findings, key=lambda one: (-round(one.share, 9), -abs(round(one.deviations, 9)), one.sensor))


def _oddest(sensor: str, features: Sequence[Feature], z: pd.Series, heard: pd.Series | None) -> Feature | None:
    """Return the feature of a sensor, beside its level, that is farthest from usual; None if it has no other.

    Where the detector says what each feature adds, one that adds nothing is no reason.
    """
    others = [feature for feature in features if sensor in feature.sensors and not _is_level(feature)]
    if heard is not None:
        others = [feature for feature in others if heard[feature.name] > 0]
    return max(others, key=lambda feature: abs(float(z[feature.name])), default=None)


def _is_level(feature: Feature) -> bool:
    return feature.shows == "latest" or (feature.shows == "level" and feature.over is None)


def _manner(sensor: str, feature: Feature, z: pd.Series) -> str:
    """Say what a feature that is no level shows: a stuck sensor has its usual value, and stands out all the same."""
    is_high = z[feature.name] > 0
    how = "high" if is_high else "low"
    match feature.shows:
        case "spread" | "restlessness":
            return f"{sensor} unusually {'restless' if is_high else 'still'}{_looking_back(feature)}"
        case "relation":
            return f"{sensor} out of step with {' and '.join(name for name in feature.sensors if name != sensor)}"
        case "rate":
            return f"{sensor} changes unusually fast"
        case "level":
            return f"{sensor} unusually {how}{_looking_back(feature)}"
        case _:
            return f"{sensor}: {feature.words or feature.name} unusually {how}"


def _looking_back(feature: Feature) -> str:
    """Say how far a feature looks back: `` over the last 10 readings``; nothing where that is its window."""
    if feature.over is None:
        return ""
    span = f"{feature.over} readings" if isinstance(feature.over, int) else format_duration(feature.over)
    return f" over the last {span}"


def _in_words(sensor: str, unit: str, value: float, normal: float, deviation: float) -> str:
    difference = value - normal
    sign = "+" if difference >= 0 else "−"
    if abs(normal) >= _PERCENT_ABOVE * deviation and unit not in _NO_PERCENT:
        return f"{sensor} {sign}{_number(abs(difference / normal) * 100, 2)} %"
    return f"{sensor} {sign}{_number(abs(difference), 3)} {unit if unit != '1' else ''}".rstrip()


def _number(value: float, digits: int) -> str:
    """Write a number with so many digits, but whole numbers in full: 140, not 1.4e+02."""
    return f"{value:.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def sentence(
    asset_id: str, alarm: Any, findings: list[Finding], diagnosis: Diagnosis, rarity: Rarity | None = None
) -> str:
    """Say one alarm as a person would; all times are UTC.

    ``pump-03, 2026-02-03 14:20–15:05, severity 3.1 in high load (in normal running once in 12 weeks): pressure −38 %
    (4 bar, usually 6.5), vibration +140 % (6 mm/s, usually 2.5). Looks like cavitation. First check: Listen for gravel
    in the casing.``
    """
    named = [one for one in findings if one.share >= _TOLD and _is_off(one)][:TOP] or findings[:1]
    regime = "" if alarm.regime == "normal" else f" in {alarm.regime.replace('_', ' ')}"
    often = "" if rarity is None else f" (in normal running {rarity.in_words(alarm.held_severity)})"
    return (
        f"{asset_id}, {_span(alarm.opened_at, alarm.last_at)}, severity {alarm.peak_severity:.1f}{regime}{often}: "
        f"{', '.join(map(_told, named))}. {_suspicion(diagnosis)}"
    ).rstrip()


def _is_off(one: Finding) -> bool:
    """Tell whether a sensor shows something that is worth a word: a detector may rest on one that looks as usual."""
    return not one.is_of_level or one.spread is None or abs(one.deviations) >= 1


def _told(one: Finding) -> str:
    """Say what one sensor did, with its values where the change does not hold them already."""
    if one.value is None or one.normal is None or one.spread is None or not one.is_of_level:
        return one.change
    unit = "" if one.unit == "1" else f" {one.unit}"
    value, normal = (_rounded(number, one.spread) for number in (one.value, one.normal))
    return f"{one.change} ({value}{unit}, usually {normal})"


def _rounded(value: float, spread: float) -> str:
    """Write a value with as many digits as its usual movement leaves a meaning to."""
    places = 0 if spread <= 0 else max(0, 1 - math.floor(math.log10(spread)))
    return f"{value:.{min(places, 6)}f}".replace("-", "−")


def _suspicion(diagnosis: Diagnosis) -> str:
    """Say what it looks like and what to check first; no more than is known."""
    if diagnosis.kind is not None and diagnosis.sensor is not None:
        lies = _SENSOR_FAULTS[diagnosis.kind.partition(":")[0]]
        looks = f"Looks like a faulty sensor rather than the machine: {diagnosis.sensor} {lies}."
    elif diagnosis.kind is not None:
        what = diagnosis.kind.replace("_", " ")
        looks = f"Looks like {what}{' (a sensor fault)' if diagnosis.part == 'sensor' else ''}."
    elif diagnosis.sensor is not None:
        return (
            f"Only {diagnosis.sensor} is out of line, the other sensors are as usual: compare it with a second "
            "instrument before the machine is opened."
        )
    elif diagnosis.part == "machine":
        return "Several sensors moved together, which points to the machine; it is like none of its described faults."
    else:
        return "Looks like no known kind of fault."
    first = diagnosis.first_check.strip()
    return f"{looks} First check: {first}{'' if first[-1] in '.!?' else '.'}" if first else looks


_SENSOR_FAULTS = {
    "stuck": "shows the same value again and again",
    "drift": "has moved away alone (drift)",
    "spike": "jumps away and back (spikes)",
    "noise": "is restless alone (noise)",
    "clipped": "shows no high values any more (clipped)",
    "unit_change": "seems to come in another unit",
}


def _span(opened: pd.Timestamp, last: pd.Timestamp) -> str:
    """Write a span as short as it can be: the day once, seconds only where minutes do not tell."""
    if opened == last:
        return f"{opened:%Y-%m-%d %H:%M}" if opened.second == 0 else f"{opened:%Y-%m-%d %H:%M:%S}"
    if opened.floor("min") == last.floor("min"):
        return f"{opened:%Y-%m-%d %H:%M:%S}–{last:%H:%M:%S}"
    if opened.date() == last.date():
        return f"{opened:%Y-%m-%d %H:%M}–{last:%H:%M}"
    return f"{opened:%Y-%m-%d %H:%M}–{last:%Y-%m-%d %H:%M}"
