"""Explanations: the sensor that is wrong comes first, and the sentence says what it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import _folder
from wheeltapper.assets.pump import ASSET_TYPE as PUMP
from wheeltapper.config import AssetType, FaultKind
from wheeltapper.errors import DataError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring import explanation
from wheeltapper.scoring.explanation import Finding, explain, likely_fault, sensors_of, sentence, shares

OPTIONS = {"autoencoder": {"epochs": 10}}
SLOW = [pytest.param("autoencoder", marks=pytest.mark.slow)]
"""Importing TensorFlow takes its time."""
DETECTORS = [name for name in _folder.names("detectors") if not name.startswith("always_") and name != "autoencoder"]
DETECTORS += SLOW  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted(the_mill: Any) -> Any:
    """Fit each detector once."""
    known: dict[str, Any] = {}

    def fit(detector: str) -> Any:
        if detector not in known:
            known[detector] = the_mill.fit(detector, options=OPTIONS.get(detector, {}))
        return known[detector]

    return fit


def broken(the_mill: Any, asset: str, sensor: str, size: float) -> pd.DataFrame:
    """Return feature rows of twenty normal minutes of the validate part in which one sensor is off by ``size``."""
    first, last = pd.Timestamp("2026-01-05 18:00", tz="UTC"), pd.Timestamp("2026-01-05 18:20", tz="UTC")
    readings = the_mill.readings
    readings = readings[(readings["asset_id"] == asset) & readings["timestamp"].between(first, last)].copy()
    readings[sensor] += size
    return FeaturePlan.of(the_mill.plant).compute(readings)


SIZES = {"speed": 600.0, "load": 20.0, "heat": 20.0, "shake": 5.0}


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("sensor", SIZES)
def test_the_planted_sensor_comes_first(the_mill: Any, fitted: Any, detector: str, sensor: str) -> None:
    """Twenty minutes far off: every detector that looks at all names the sensor, on either machine."""
    bundle = fitted(detector)
    for asset in ("mill-1", "line/2"):
        findings = explain(bundle, broken(the_mill, asset, sensor, SIZES[sensor]))
        assert findings[0].sensor == sensor
        assert findings[0].deviations > 3
        assert findings[0].value - findings[0].normal == pytest.approx(SIZES[sensor], rel=0.2)
        assert len(findings) == 4


@pytest.mark.parametrize("detector", DETECTORS)
def test_shares_add_up(the_mill: Any, fitted: Any, detector: str) -> None:
    """To 1 in every row, none below 0, in the order of the rows (or 0 where nothing is unusual)."""
    rows = the_mill.rows("validate")[lambda one: one["usable"]].iloc[::-7]
    found = shares(fitted(detector), rows)
    assert found.index.equals(rows.index)
    assert list(found.columns) == list(SIZES)
    assert (found >= 0).all(axis=None)
    total = found.sum(axis=1).to_numpy()
    np.testing.assert_allclose(total[total > 0], 1.0)
    assert (total > 0).mean() > 0.9


@pytest.mark.parametrize("detector", ["pca_residual", "limits"])
def test_occlusion_stands_in_where_a_detector_cannot_say(
    the_mill: Any, fitted: Any, detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without contributions of its own, setting one sensor to its typical value finds the same sensor."""
    bundle = fitted(detector)
    monkeypatch.setattr(type(bundle.detectors["*"]), "contributions", lambda self, rows: None)
    for sensor, size in SIZES.items():
        found = shares(bundle, broken(the_mill, "mill-1", sensor, size))
        assert (found.idxmax(axis=1) == sensor).all()
        np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_each_asset_is_explained_by_its_own_model(the_mill: Any) -> None:
    """Rows of two machines, one broken each way, keep their order and their own sensors."""
    bundle = the_mill.fit(plant=the_mill.plant.model_copy(update={"models": "per_asset"}))
    rows = pd.concat(
        [broken(the_mill, "mill-1", "heat", 20.0), broken(the_mill, "line/2", "shake", 5.0)], ignore_index=True
    ).sample(frac=1, random_state=1)
    first = shares(bundle, rows).idxmax(axis=1)
    assert (first == np.where(rows["asset_id"] == "mill-1", "heat", "shake")).all()


def test_a_feature_of_two_sensors_counts_half_for_each(the_mill: Any) -> None:
    """Parts of 4 and 2 at sensors, 3 at their quotient."""
    parts = pd.DataFrame({"load": [4.0], "speed__rolling_mean": [2.0], "load__per__speed": [3.0]})
    found = explanation._by_sensor(parts, the_mill.plant.asset_type)
    assert found.iloc[0].to_dict() == {"speed": 3.5, "load": 5.5, "heat": 0.0, "shake": 0.0}


@pytest.mark.parametrize(
    ("column", "sensors"),
    [
        ("load", ("load",)),
        ("motor_load__rolling_std", ("motor_load",)),
        ("load__per__speed", ("load", "speed")),
        ("load__times__duty_cycle__rolling_mean", ("load", "duty_cycle")),
    ],
)
def test_a_column_names_its_sensors(column: str, sensors: tuple[str, ...]) -> None:
    """By the way in which columns are named."""
    assert sensors_of(column) == sensors


def test_a_stuck_sensor_is_said_to_be_still(the_mill: Any, fitted: Any) -> None:
    """A sensor that froze at its usual value differs in its spread alone; "+0 %" would explain nothing."""
    rows = broken(the_mill, "mill-1", "shake", 0.0)
    rows["shake"] = rows["shake__rolling_mean"] = 2.0
    rows["shake__rolling_std"], rows["shake__rate"] = 1.0, 0.0
    restless = next(one for one in explain(fitted("pca_residual"), rows) if one.sensor == "shake")
    assert restless.change == "shake unusually restless"
    assert explanation._manner("shake", "shake__rolling_std", pd.Series({"shake__rolling_std": -4.0})) == (
        "shake unusually still"
    )
    assert explanation._manner("shake", "shake__rate", pd.Series({"shake__rate": 9.0})) == (
        "shake changes unusually fast"
    )
    assert explanation._manner("load", "load__per__speed", pd.Series({"load__per__speed": 9.0})) == (
        "load out of step with speed"
    )


def test_without_levels_there_is_still_an_explanation(the_mill: Any, bare_mill: Any) -> None:
    """A plant whose only features are rates has no values to tell, but the sensor and what it did."""
    bundle = bare_mill.fit()
    rows = bare_mill.rows("validate")[lambda one: one["usable"]].iloc[:3].copy()
    rows["heat__rate"] = 30.0
    first = explain(bundle, rows)[0]
    assert (first.sensor, first.value, first.normal, first.change) == (
        "heat",
        None,
        None,
        "heat changes unusually fast",
    )
    assert first.deviations > 3
    assert likely_fault(PUMP, [first]) is None


def test_nothing_cannot_be_explained(the_mill: Any, bundle: Any) -> None:
    """An alarm without windows is a mistake of the caller."""
    with pytest.raises(DataError, match="at least one window"):
        explain(bundle, the_mill.features.iloc[:0])


WORDS = [
    ("pressure", "bar", 4.03, 6.5, 0.25, "pressure −38 %"),
    ("vibration", "mm/s", 6.0, 2.5, 0.25, "vibration +140 %"),
    ("pressure", "bar", 6.48, 6.5, 0.01, "pressure −0.31 %"),
    ("flow", "m³/h", 1650.0, 150.0, 8.0, "flow +1000 %"),
    ("temperature", "°C", 57.84, 45.0, 1.0, "temperature +12.8 °C"),
    ("duty", "%", 62.9, 75.0, 2.0, "duty −12.1 %"),
    ("wind", "kW", 4.0, 0.1, 1.0, "wind +3.9 kW"),
    ("power_factor", "1", 0.3, 0.9, 0.5, "power_factor −0.6"),
    ("power", "W", 12345.0, 0.0, 1.0, "power +12345 W"),
    ("frost", "K", -5.0, -2.0, 0.1, "frost −150 %"),
]


@pytest.mark.parametrize(("sensor", "unit", "value", "normal", "deviation", "words"), WORDS)
def test_a_change_in_words(sensor: str, unit: str, value: float, normal: float, deviation: float, words: str) -> None:
    """Percent where normal is far from zero, units elsewhere and for °C and %; a real minus sign, no exponents."""
    assert explanation._in_words(sensor, unit, value, normal, deviation) == words


NORMAL = {
    "temperature": (45.0, 2.0),
    "vibration": (2.5, 0.25),
    "pressure": (6.5, 0.25),
    "flow_rate": (150.0, 8.0),
    "current": (85.0, 4.0),
    "duty_cycle": (75.0, 2.0),
}


def seen(**deviations: float) -> list[Finding]:
    """Return what sensors of a pump did, in usual deviations; the others did nothing."""
    found = []
    for name, (normal, spread) in NORMAL.items():
        away = deviations.get(name, 0.0)
        value, unit = normal + away * spread, PUMP.sensors[name].unit
        words = explanation._in_words(name, unit, value, normal, spread)
        found.append(Finding(name, unit, abs(away) / 50, value, normal, away, words, spread))
    return sorted(found, key=lambda one: -one.share)


@pytest.mark.parametrize("kind", PUMP.faults)
@pytest.mark.parametrize("developed", [0.4, 1.0])
def test_a_fault_kind_is_known_by_its_effects(kind: str, developed: float) -> None:
    """What the asset type lists for a kind, in part or in full, looks like that kind."""
    effects = PUMP.faults[kind].effects
    away = {
        name: developed * (NORMAL[name][0] * (one.factor - 1) + one.shift) / NORMAL[name][1]
        for name, one in effects.items()
    }
    assert likely_fault(PUMP, seen(**away)) == kind


@pytest.mark.parametrize("sensor", NORMAL)
@pytest.mark.parametrize("away", [-30.0, -6.0, 6.0, 30.0])
def test_a_single_wild_sensor_looks_like_no_machine_fault(sensor: str, away: float) -> None:
    """Every kind of the pump moves several sensors: one alone is more likely a sensor's fault."""
    assert likely_fault(PUMP, seen(**{sensor: away})) is None


def test_noise_looks_like_nothing() -> None:
    """All sensors a little off in ways that no fault has; and no sensor off at all."""
    assert likely_fault(PUMP, seen(temperature=-3, vibration=-3, pressure=3, flow_rate=3, duty_cycle=-3)) is None
    assert likely_fault(PUMP, seen()) is None


def test_the_opposite_of_a_fault_is_not_the_fault() -> None:
    """Too cold, too calm and too little current is no bearing wear."""
    assert likely_fault(PUMP, seen(temperature=5, vibration=18, current=3)) == "bearing_wear"
    assert likely_fault(PUMP, seen(temperature=-5, vibration=-18, current=-3)) is None


def test_sensor_faults_are_not_named() -> None:
    """A kind that is a sensor's own fault, or that lists no effects, is never "what it looks like"."""
    kinds = {"bearing_wear": PUMP.faults["bearing_wear"].model_copy(update={"part": "sensor"})}
    only = PUMP.model_copy(update={"faults": kinds | {"mystery": FaultKind(description="x")}})
    assert likely_fault(only, seen(temperature=5, vibration=18, current=3)) is None


class Alarm:
    """What `sentence` reads of an alarm."""

    regime = "high_load"
    peak_severity = 3.14

    def __init__(self, opened: str, last: str) -> None:
        self.opened_at, self.last_at = pd.Timestamp(opened, tz="UTC"), pd.Timestamp(last, tz="UTC")


def four() -> list[Finding]:
    """Return what four sensors did; the last two have a small share of the score."""
    return [
        Finding("pressure", "bar", 0.6, 4.0, 6.5, -10.0, "pressure −38 %", 0.25),
        Finding("vibration", "mm/s", 0.3, 6.0, 2.5, 14.0, "vibration +140 %", 0.25),
        Finding("current", "A", 0.08, 86.0, 85.0, 0.2, "current +1.2 %", 4.0),
        Finding("flow_rate", "m³/h", 0.02, 150.0, 150.0, 0.0, "flow_rate +0 %", 8.0),
    ]


SPANS = [
    ("2026-02-03 14:20:30", "2026-02-03 15:05:00", "2026-02-03 14:20–15:05"),
    ("2026-02-03 23:50:00", "2026-02-05 00:10:00", "2026-02-03 23:50–2026-02-05 00:10"),
    ("2026-02-03 14:20:03", "2026-02-03 14:20:51", "2026-02-03 14:20:03–14:20:51"),
    ("2026-02-03 14:20:00", "2026-02-03 14:20:00", "2026-02-03 14:20"),
    ("2026-02-03 14:20:03", "2026-02-03 14:20:03", "2026-02-03 14:20:03"),
    ("2026-02-03 14:20:00", "2026-02-04 14:20:00", "2026-02-03 14:20–2026-02-04 14:20"),
]


@pytest.mark.parametrize(("opened", "last", "span"), SPANS)
def test_the_sentence(opened: str, last: str, span: str) -> None:
    """Who, when, how badly, what, against what; sensors with less than a tenth of the score are left out."""
    words = sentence("pump-03", Alarm(opened, last), four(), PUMP.model_copy(update={"faults": {}}))
    assert words == (f"pump-03, {span}, severity 3.1: pressure −38 %, vibration +140 % against its high_load regime.")


def test_the_sentence_names_at_least_one_sensor() -> None:
    """Many sensors with a small share each: the first is named; of many large ones only three."""
    alarm = Alarm("2026-02-03 14:20", "2026-02-03 15:05")
    small = [Finding(f"s{number}", "A", 0.09, 1.0, 1.0, 0.0, f"s{number} +1 A", 1.0) for number in range(11)]
    assert ": s0 +1 A against" in sentence("p", alarm, small, PUMP)
    large = [Finding(f"s{number}", "A", 0.2, 1.0, 1.0, 0.0, f"s{number} +1 A", 1.0) for number in range(5)]
    assert ": s0 +1 A, s1 +1 A, s2 +1 A against" in sentence("p", alarm, large, PUMP)


@pytest.mark.parametrize(
    ("first_check", "ending"),
    [
        ("Listen to the bearing.", " Looks like bearing wear: Listen to the bearing."),
        ("Listen to the bearing", " Looks like bearing wear: Listen to the bearing."),
        ("Is it hot?", " Looks like bearing wear: Is it hot?"),
        ("", " Looks like bearing wear."),
    ],
)
def test_the_first_check_ends_once(first_check: str, ending: str) -> None:
    """With exactly one full stop, however the asset type's file ends its own sentence."""
    kind = PUMP.faults["bearing_wear"].model_copy(update={"first_check": first_check})
    machine: AssetType = PUMP.model_copy(update={"faults": {"bearing_wear": kind}})
    alarm = Alarm("2026-02-03 14:20", "2026-02-03 15:05")
    words = sentence("p", alarm, seen(temperature=5, vibration=18, current=3), machine)
    assert words.endswith(f"against its high_load regime.{ending}")
    assert ".." not in words
