"""The reasons of an alarm: which sensors stand out, and by how much, compared with normal running in the regime.

Contributions come from the detector if it gives any. Otherwise each sensor in turn is set to its typical value for the
regime, and the drop of the score is its contribution (occlusion). In both cases they are scaled so that they add up to
the score. `wheeltapper.scoring.diagnosis` names the kind of fault, from the behaviour of the sensors and not from the
score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
"""A change is given in percent only where normal lies this many usual deviations from zero: −4000 % has no use."""
_NO_PERCENT = ("°C", "degC", "°F", "degF", "%")
"""Units whose zero is arbitrary, or in which a percentage would be mistaken for the unit."""
_NAMED_FROM = 0.1
"""Share of the score from which a sensor is named."""
AT_PEAK = 32
"""Windows from which an explanation takes its shares, those of the highest severity. Occlusion scores each of them
again, twice for every sensor, so this bounds its time."""


@dataclass(frozen=True)
class Finding:
    """The behaviour of one sensor during an alarm."""

    sensor: str
    unit: str
    share: float
    """Part of the score that it accounts for, 0 to 1."""
    value: float | None
    """Mean of its readings during the alarm, in its unit; None where no feature holds its level."""
    normal: float | None
    """Its typical value for this asset and regime, in its unit; None like ``value``."""
    deviations: float
    """Usual deviations between the two, signed; those of its most unusual feature where ``value`` is None."""
    change: str
    """The same in words: ``pressure −38 %``."""
    spread: float | None = None
    """One usual deviation, in its unit; None like ``value``."""
    contribution: float = 0.0
    """Its part of the alarm's peak severity: those of all sensors add up to it, where the score can be explained."""
    is_of_level: bool = True
    """True if ``change`` is about its level; False if it is about its behaviour: restless, still, out of step."""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain JSON."""
        return asdict(self)


def contributions(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    """Return how much each sensor adds to each row's score.

    A detector's own contributions are used if it gives any; else see `_occlusion`. Negative contributions count as 0.
    Those of features without a sensor (the time of day) are spread over the sensors, because nothing there can be
    repaired.

    Returns
    -------
    DataFrame of shape (n_windows, n_sensors)
        In the units of the bundle's score. They add up to it in each row; all are 0 in a row whose score depends on no
        sensor (that of a detector whose score is constant).
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
    for unit, is_scored in _units(bundle, assets):
        parts = bundle.detectors[unit].contributions(z.loc[is_scored])
        by_unit.append(
            _occlusion(bundle, unit, z.loc[is_scored], rows.loc[is_scored])
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
        Shares from 0 to 1, together 1 (0 where no feature moves the score). None where a detector of the bundle gives
        no contributions: occluding features one by one would assign to one what several of a sensor show together.
    """
    rows = bundle.complete(rows)
    z, assets = bundle.inputs(rows), rows["asset_id"].to_numpy()
    by_unit = []
    for unit, is_scored in _units(bundle, assets):
        parts = bundle.detectors[unit].contributions(z.loc[is_scored])
        if parts is None:
            return None
        by_unit.append(parts.clip(lower=0))
    total = pd.concat(by_unit).fillna(0.0)
    whole = total.sum(axis=1)
    return total.div(whole.where(whole > 0, 1.0), axis=0).mean()


def _units(bundle: Bundle, assets: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each detector's unit and the rows that it scores, where there are any."""
    for unit in bundle.detectors:
        is_scored = ~np.isin(assets, list(bundle.detectors)) if unit == POOLED else assets == unit
        if is_scored.any():
            yield unit, is_scored


def _by_sensor(parts: pd.DataFrame, features: Sequence[Feature], asset_type: AssetType) -> pd.DataFrame:
    """Add up the contributions of a sensor's features; a feature of two sensors counts half for each.

    Features without a sensor (the time of day) are left out.
    """
    total = pd.DataFrame(0.0, index=parts.index, columns=list(asset_type.sensors))
    sensors_of = {feature.name: feature.sensors for feature in features}
    for column in parts.columns:
        for sensor in sensors_of[column]:
            total[sensor] += parts[column] / len(sensors_of[column])
    return total


def _occlusion(bundle: Bundle, unit: str, z: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Set each sensor's features to their typical values for the row's regime, and measure how far the score drops.

    Two sensors that are both far off hide each other: a score at its limit does not drop when one of them is corrected.
    So the score is also measured for a typical row in which only this sensor has its real values. The mean of both
    differences is the sensor's contribution: the first and the last term of its Shapley value [1]_.

    References
    ----------
    .. [1] S. M. Lundberg, S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NIPS 2017.
    """
    centre = pd.concat([rows[["asset_id", "regime"]], bundle.normaliser.centre(rows)], axis=1)
    typical = inputs(bundle.detectors[unit], bundle.normaliser, centre)
    detector = bundle.detectors[unit]
    measured, usual = detector.score(z), detector.score(typical)
    drop = {}
    for sensor in bundle.asset_type.sensors:
        columns = [feature.name for feature in bundle.plan.features if sensor in feature.sensors]
        without, alone = detector.score(z.assign(**typical[columns])), detector.score(typical.assign(**z[columns]))
        drop[sensor] = ((measured - without) + (alone - usual)) / 2
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
    at_peak = rows.loc[severity.index[:AT_PEAK]]
    share = shares(bundle, at_peak).mean()
    total = float(share.sum())
    share = share / total if total > 0 else share
    alarm = _Alarm(
        share=share,
        peak=float(severity.iloc[0]),
        by_feature=feature_shares(bundle, at_peak),
        rows=rows,
        z=bundle.normaliser.transform(rows).mean(),
        centre=bundle.normaliser.centre(rows).mean(),
        scale=bundle.normaliser.scale(rows).mean(),
    )
    findings = [
        _finding(name, sensor.unit_of_features, bundle.plan.features, alarm)
        for name, sensor in bundle.asset_type.sensors.items()
    ]
    # Sensors of equal shares, as those of a detector that gives no contributions, are ranked by their deviations.
    return sorted(
        findings, key=lambda finding: (-round(finding.share, 9), -abs(round(finding.deviations, 9)), finding.sensor)
    )


@dataclass(frozen=True)
class _Alarm:
    """The figures of an alarm that its findings are made from."""

    share: pd.Series
    """Sensor → its part of the score, 0 to 1."""
    peak: float
    """Highest severity."""
    by_feature: pd.Series | None
    """Feature → its part of the score; None where the detector gives no contributions."""
    rows: pd.DataFrame
    """Its feature rows, in the features' units."""
    z: pd.Series
    """Feature → its mean in usual deviations."""
    centre: pd.Series
    """Feature → its typical value, in its unit: the mean over the alarm's regimes."""
    scale: pd.Series
    """Feature → one usual deviation, in its unit, like ``centre``."""


def _finding(sensor: str, unit: str, features: Sequence[Feature], alarm: _Alarm) -> Finding:
    """Describe one sensor by its level, or by the feature that stands out most where the level does not."""
    share = float(alarm.share[sensor])
    contribution = share * alarm.peak
    feature, odd = level_of(sensor, features), _oddest(sensor, features, alarm.z, alarm.by_feature)
    if feature is None:
        change = _manner(sensor, odd, alarm.z) if odd else f"{sensor} unusual"
        deviations = float(alarm.z[odd.name]) if odd else 0.0
        return Finding(sensor, unit, share, None, None, deviations, change, None, contribution, False)
    level = feature.name
    value, normal, spread = float(alarm.rows[level].mean()), float(alarm.centre[level]), float(alarm.scale[level])
    away = float(alarm.z[level])
    in_manner = abs(away) < 1 and odd is not None and abs(alarm.z[odd.name]) >= 2
    change = _manner(sensor, odd, alarm.z) if in_manner and odd else _in_words(sensor, unit, value, normal, spread)
    return Finding(sensor, unit, share, value, normal, away, change, spread, contribution, not in_manner)


def _oddest(sensor: str, features: Sequence[Feature], z: pd.Series, by_feature: pd.Series | None) -> Feature | None:
    """Return the feature of a sensor, beside its level, that is farthest from usual; None if it has no other.

    Where the detector gives each feature's part of the score, one that adds nothing is no reason.
    """
    other_features = [feature for feature in features if sensor in feature.sensors and not _is_level(feature)]
    if by_feature is not None:
        other_features = [feature for feature in other_features if by_feature[feature.name] > 0]
    return max(other_features, key=lambda feature: abs(float(z[feature.name])), default=None)


def _is_level(feature: Feature) -> bool:
    return feature.shows == "latest" or (feature.shows == "level" and feature.over is None)


def _manner(sensor: str, feature: Feature, z: pd.Series) -> str:
    """Describe a feature that is no level: a stuck sensor has its usual value, and stands out all the same."""
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
    """Return how far a feature looks back, in words; an empty text where that is its window."""
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
    """Write a number with a few digits, but whole numbers in full: 140, not 1.4e+02."""
    return f"{value:.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def sentence(
    asset_id: str, alarm: Any, findings: list[Finding], diagnosis: Diagnosis, rarity: Rarity | None = None
) -> str:
    """Describe one alarm in a sentence; all times are UTC.

    ``pump-03, 2026-02-03 14:20–15:05, severity 3.1 in high load (in normal running once in 12 weeks): pressure −38 %
    (4 bar, usually 6.5), vibration +140 % (6 mm/s, usually 2.5). Looks like cavitation. First check: Listen for gravel
    in the casing.``
    """
    named_findings = [finding for finding in findings if finding.share >= _NAMED_FROM and _is_off(finding)]
    named_findings = named_findings[:TOP] or findings[:1]
    regime = "" if alarm.regime == "normal" else f" in {alarm.regime.replace('_', ' ')}"
    often = "" if rarity is None else f" (in normal running {rarity.in_words(alarm.held_severity)})"
    return (
        f"{asset_id}, {_span(alarm.opened_at, alarm.last_at)}, severity {alarm.peak_severity:.1f}{regime}{often}: "
        f"{', '.join(map(_with_values, named_findings))}. {_suspicion(diagnosis)}"
    ).rstrip()


def _is_off(finding: Finding) -> bool:
    """Tell whether a sensor differs from usual: a score may also come from one that does not."""
    return not finding.is_of_level or finding.spread is None or abs(finding.deviations) >= 1


def _with_values(finding: Finding) -> str:
    """Return the change of one sensor in words, with its values if it is one of level."""
    if finding.value is None or finding.normal is None or finding.spread is None or not finding.is_of_level:
        return finding.change
    unit = "" if finding.unit == "1" else f" {finding.unit}"
    value, normal = (_rounded(number, finding.spread) for number in (finding.value, finding.normal))
    return f"{finding.change} ({value}{unit}, usually {normal})"


def _rounded(value: float, spread: float) -> str:
    """Write a value with as many digits as its usual deviation justifies."""
    places = 0 if spread <= 0 else max(0, 1 - math.floor(math.log10(spread)))
    return f"{value:.{min(places, 6)}f}".replace("-", "−")


def _suspicion(diagnosis: Diagnosis) -> str:
    """Return the suspected fault and the first check in words."""
    if diagnosis.kind is not None and diagnosis.sensor is not None:
        lies = _SENSOR_FAULTS[diagnosis.kind.partition(":")[0]]
        looks = f"Looks like a faulty sensor rather than the machine: {diagnosis.sensor} {lies}."
    elif diagnosis.kind is not None:
        fault = diagnosis.kind.replace("_", " ")
        looks = f"Looks like {fault}{' (a sensor fault)' if diagnosis.part == 'sensor' else ''}."
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
    """Write a span as short as possible: the day once, seconds only where minutes are equal."""
    if opened == last:
        return f"{opened:%Y-%m-%d %H:%M}" if opened.second == 0 else f"{opened:%Y-%m-%d %H:%M:%S}"
    if opened.floor("min") == last.floor("min"):
        return f"{opened:%Y-%m-%d %H:%M:%S}–{last:%H:%M:%S}"
    if opened.date() == last.date():
        return f"{opened:%Y-%m-%d %H:%M}–{last:%H:%M}"
    return f"{opened:%Y-%m-%d %H:%M}–{last:%Y-%m-%d %H:%M}"
