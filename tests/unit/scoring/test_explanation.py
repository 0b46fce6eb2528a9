"""Explanations: the sensor that is wrong comes first, and the sentence says what it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import plugins
from wheeltapper.detectors import build
from wheeltapper.detectors._sequences import SequenceDetector
from wheeltapper.errors import DataError
from wheeltapper.features.columns import Feature
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring import explanation
from wheeltapper.scoring.diagnosis import Diagnosis
from wheeltapper.scoring.explanation import Finding, contributions, explain, sentence, shares
from wheeltapper.scoring.rarity import Rarity
from wheeltapper.scoring.tail import Tail

OPTIONS = {"autoencoder": {"epochs": 10}, "conv_autoencoder": {"epochs": 5}, "lstm_autoencoder": {"epochs": 5}}
EVERY = {name: type(build(name)) for name in plugins.INSTALLED.names(plugins.DETECTORS)}
DETECTORS = [name for name, kind in EVERY.items() if not kind.needs and not name.startswith("always_")]
"""Those that look at rows at all, and find what they need in those of the mill."""
PARTLY_BLIND = {"random_score", "one_sensor", "last_value", "rate_of_change", "matrix_profile", "rules"}
"""Looks at nothing, at one sensor, at change alone, at the shape of a curve alone, or at what a rule names: of what
they do not look at they can say nothing, and nobody promises that they do."""
MISLED = {"forecast_residual"}
"""Blames the sensor that came otherwise than forecast, even where the forecast rested on another one that was wrong."""


def each(names: list[str]) -> list[Any]:
    """Mark those that are slow: importing TensorFlow takes its time."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in OPTIONS else name for name in names]


SEEING = [name for name in DETECTORS if name not in PARTLY_BLIND | MISLED]


@pytest.fixture(scope="module")
def mill_of(the_mill: Any, sequence_mill: Any) -> Any:
    """Return the mill that has what a detector looks at."""
    return lambda name: sequence_mill if issubclass(EVERY[name], SequenceDetector) else the_mill


@pytest.fixture(scope="module")
def fitted(mill_of: Any) -> Any:
    """Fit each detector once."""
    known: dict[str, Any] = {}

    def fit(detector: str) -> Any:
        if detector not in known:
            known[detector] = mill_of(detector).fit(detector, options=OPTIONS.get(detector, {}))
        return known[detector]

    return fit


def broken(the_mill: Any, asset: str, sensor: str, size: float) -> pd.DataFrame:
    """Return feature rows of twenty normal minutes of the validate part in which one sensor is off by ``size``."""
    first, last = pd.Timestamp("2026-01-05 18:00", tz="UTC"), pd.Timestamp("2026-01-05 18:20", tz="UTC")
    readings = the_mill.readings
    readings = readings[(readings["asset_id"] == asset) & readings["timestamp"].between(first, last)].copy()
    readings[sensor] += size
    return compute(FeaturePlan.of(the_mill.plant), readings)


SIZES = {"speed": 600.0, "load": 20.0, "heat": 20.0, "shake": 5.0}


@pytest.mark.parametrize("detector", each(SEEING))
@pytest.mark.parametrize("sensor", SIZES)
def test_the_planted_sensor_comes_first(mill_of: Any, fitted: Any, detector: str, sensor: str) -> None:
    """Twenty minutes far off: every detector that looks at all sensors names the right one, on either machine."""
    bundle = fitted(detector)
    for asset in ("mill-1", "line/2"):
        rows = broken(mill_of(detector), asset, sensor, SIZES[sensor])
        findings = explain(bundle, rows[rows["usable"]])
        assert findings[0].sensor == sensor
        assert findings[0].deviations > 3
        assert findings[0].value - findings[0].normal == pytest.approx(SIZES[sensor], rel=0.2)
        assert len(findings) == 4


@pytest.mark.parametrize("detector", each(SEEING))
def test_the_contributions_to_an_alarm_add_up_to_its_peak_severity(mill_of: Any, fitted: Any, detector: str) -> None:
    """What is said of the sensors is about this alarm's own figure, to the last digit, and none counts against it.

    Reference row 001-N2.
    """
    bundle = fitted(detector)
    rows = broken(mill_of(detector), "mill-1", "heat", SIZES["heat"])
    peak = bundle.score(rows)["severity"].max()
    findings = explain(bundle, rows[rows["usable"]])
    assert peak > 0.1
    assert sum(one.contribution for one in findings) == pytest.approx(peak, rel=1e-9)
    assert min(one.contribution for one in findings) >= 0


@pytest.mark.parametrize("detector", each(DETECTORS))
def test_contributions_add_up_to_the_score(mill_of: Any, fitted: Any, detector: str) -> None:
    """In every row that they can say anything about; shares are none below 0, in the order of the rows."""
    rows = mill_of(detector).rows("validate")[lambda one: one["usable"]].iloc[::-7]
    bundle = fitted(detector)
    found, parts = shares(bundle, rows), contributions(bundle, rows)
    assert found.index.equals(rows.index)
    assert list(found.columns) == list(SIZES)
    assert (found >= 0).all(axis=None)
    explained = found.sum(axis=1).to_numpy() > 0
    np.testing.assert_allclose(found.sum(axis=1)[explained], 1.0)
    score = bundle.calibration.apply(rows, bundle.raw_scores(rows))["score"]
    np.testing.assert_allclose(parts.sum(axis=1)[explained], score[explained], rtol=1e-9, atol=1e-12)
    if detector in SEEING:
        assert explained.mean() > 0.9


def test_a_score_at_its_limit_is_explained_by_both_sensors_at_fault(
    the_mill: Any, fitted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a score that says 1 as soon as any sensor is off, none drops it alone: each is tried alone as well."""
    bundle = fitted("pca_residual")
    detector = type(bundle.detectors["*"])
    monkeypatch.setattr(detector, "contributions", lambda self, rows: None)
    monkeypatch.setattr(detector, "score", lambda self, rows: (rows.abs() > 20).any(axis=1).to_numpy(float))
    rows = broken(the_mill, "mill-1", "heat", 200.0)
    rows["shake"] += 50.0
    found = shares(bundle, rows[rows["usable"]]).iloc[-1]
    assert found.to_dict() == pytest.approx({"speed": 0.0, "load": 0.0, "heat": 0.5, "shake": 0.5})


def test_a_long_alarm_is_explained_by_its_peak_alone(
    the_mill: Any, fitted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Occluding scores every row twice a sensor, so only the windows of the highest severity are explained."""
    bundle, asked = fitted("pca_residual"), []
    whole = explanation.shares
    monkeypatch.setattr(explanation, "shares", lambda own, rows: asked.append(len(rows)) or whole(own, rows))
    rows = the_mill.rows("validate")[lambda one: one["usable"] & (one["asset_id"] == "mill-1")]
    assert len(rows) > 100
    explain(bundle, rows)
    assert asked == [explanation.AT_PEAK]


def test_features_add_up_and_point_at_the_broken_sensor(
    the_mill: Any, fitted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weightiest feature is one of the planted sensor; a detector that cannot say gives none, not a guess."""
    bundle = fitted("pca_residual")
    rows = broken(the_mill, "mill-1", "heat", SIZES["heat"])
    found = explanation.feature_shares(bundle, rows[rows["usable"]])
    assert found is not None
    assert found.sum() == pytest.approx(1.0)
    weightiest = next(feature for feature in bundle.plan.features if feature.name == found.idxmax())
    assert "heat" in weightiest.sensors
    monkeypatch.setattr(type(bundle.detectors["*"]), "contributions", lambda self, rows: None)
    assert explanation.feature_shares(bundle, rows[rows["usable"]]) is None


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
    found = explanation._by_sensor(parts, FeaturePlan.of(the_mill.plant).features, the_mill.plant.asset_type)
    assert found.iloc[0].to_dict() == {"speed": 3.5, "load": 5.5, "heat": 0.0, "shake": 0.0}


def test_what_adds_nothing_is_not_the_oddest() -> None:
    """The score is the louder of level and restlessness: a manner that has no part in it is no reason to name."""
    restless = Feature("shake__restless_10_rows", ("shake",), "restlessness", over=10)
    mean = Feature("shake__mean_30_rows", ("shake",), "level", over=30)
    features = [Feature("shake", ("shake",), "latest"), restless, mean]
    z = pd.Series({"shake": 0.1, "shake__restless_10_rows": 5.0, "shake__mean_30_rows": 3.0})
    heard = pd.Series({"shake": 0.2, "shake__restless_10_rows": 0.0, "shake__mean_30_rows": 0.8})
    assert explanation._oddest("shake", features, z, None) == restless
    assert explanation._oddest("shake", features, z, heard) == mean
    assert explanation._oddest("shake", features, z, heard * 0) is None


def test_a_stuck_sensor_is_said_to_be_still(the_mill: Any, fitted: Any) -> None:
    """A sensor that froze at its usual value differs in its spread alone; "+0 %" would explain nothing."""
    rows = broken(the_mill, "mill-1", "shake", 0.0)
    rows["shake"] = rows["shake__rolling_mean"] = 2.0
    rows["shake__rolling_std"], rows["shake__rate"] = 1.0, 0.0
    restless = next(one for one in explain(fitted("pca_residual"), rows) if one.sensor == "shake")
    assert restless.change == "shake unusually restless"


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


class Alarm:
    """What `sentence` reads of an alarm."""

    regime = "high_load"
    peak_severity = 3.14
    held_severity = 2.0

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
UNKNOWN = "Looks like no known kind of fault."


@pytest.mark.parametrize(("opened", "last", "span"), SPANS)
def test_the_sentence(opened: str, last: str, span: str) -> None:
    """Who, when, how badly, in which regime, what, and what is usual; sensors with a small share are left out."""
    words = sentence("pump-03", Alarm(opened, last), four(), Diagnosis())
    assert words == (
        f"pump-03, {span}, severity 3.1 in high load: pressure −38 % (4.00 bar, usually 6.50), "
        f"vibration +140 % (6.00 mm/s, usually 2.50). {UNKNOWN}"
    )


def test_the_sentence_says_how_rare_that_is_in_normal_running() -> None:
    """By the severity that held, not by the highest window."""
    alarm = Alarm("2026-02-03 14:20", "2026-02-03 15:05")
    tail = Tail(levels=(1.0, 2.0), counts=(100.0, 20.0), shape=0.0, scale=1.0, peaks=60)
    words = sentence("pump-03", alarm, four(), Diagnosis(), Rarity(tail, threshold=1.0, weeks=40.0))
    assert "severity 3.1 in high load (in normal running once in 2 weeks): pressure" in words


def test_the_normal_regime_needs_no_word() -> None:
    """Nobody is told that a machine that runs normally runs normally."""
    alarm = Alarm("2026-02-03 14:20", "2026-02-03 15:05")
    alarm.regime = "normal"
    assert "severity 3.1: pressure" in sentence("pump-03", alarm, four(), Diagnosis())


def test_the_sentence_names_at_least_one_sensor() -> None:
    """Many sensors with a small share each: the first is named; of many large ones only three."""
    alarm = Alarm("2026-02-03 14:20", "2026-02-03 15:05")
    small = [Finding(f"s{number}", "A", 0.09, 1.0, 1.0, 0.0, f"s{number} +1 A", 1.0) for number in range(11)]
    assert ": s0 +1 A (1.0 A, usually 1.0). L" in sentence("p", alarm, small, Diagnosis())
    large = [Finding(f"s{number}", "A", 0.2, 2.0, 1.0, 9.0, f"s{number} odd", None) for number in range(5)]
    assert ": s0 odd, s1 odd, s2 odd. L" in sentence("p", alarm, large, Diagnosis())


def test_a_sensor_that_looks_as_usual_is_not_named() -> None:
    """A detector may rest on a sensor that lies where it always does; "+0.3 %" at night only confuses."""
    usual = Finding("flow_rate", "m³/h", 0.4, 150.5, 150.0, 0.1, "flow_rate +0.3 %", 8.0)
    words = sentence("p", Alarm("2026-02-03 14:20", "2026-02-03 15:05"), [usual, *four()], Diagnosis())
    assert "flow_rate" not in words
    assert ": pressure −38 %" in words


def test_values_have_as_many_digits_as_mean_something() -> None:
    """A sensor that usually moves by 8 is told in tens of percents of that, one that moves by 0.01 in thousandths."""
    assert explanation._rounded(1234.56, 30.0) == "1235"
    assert explanation._rounded(150.04, 8.0) == "150.0"
    assert explanation._rounded(-0.01234, 0.01) == "−0.012"
    assert explanation._rounded(5.0, 0.0) == "5"


ENDINGS = [
    (Diagnosis(), UNKNOWN),
    (Diagnosis("bearing_wear", "machine"), "Looks like bearing wear."),
    (Diagnosis("wear", "machine", None, "Listen to it."), "Looks like wear. First check: Listen to it."),
    (Diagnosis("wear", "machine", None, "Listen to it"), "Looks like wear. First check: Listen to it."),
    (Diagnosis("bearing_wear", "machine", None, "Is it hot?"), "Looks like bearing wear. First check: Is it hot?"),
    (Diagnosis("lost_zero", "sensor"), "Looks like lost zero (a sensor fault)."),
    (
        Diagnosis("stuck:heat", "sensor", "heat", "Compare it."),
        "Looks like a faulty sensor rather than the machine: heat shows the same value again and again. "
        "First check: Compare it.",
    ),
    (
        Diagnosis(None, "sensor", "heat"),
        "Only heat is out of line, the other sensors are as usual: compare it with a second instrument before the "
        "machine is opened.",
    ),
    (
        Diagnosis(None, "machine"),
        "Several sensors moved together, which points to the machine; it is like none of its described faults.",
    ),
]


@pytest.mark.parametrize(("diagnosis", "ending"), ENDINGS)
def test_what_it_looks_like_and_what_to_check_first(diagnosis: Diagnosis, ending: str) -> None:
    """No more than is known, with exactly one full stop however the asset type's file ends its own sentence."""
    words = sentence("p", Alarm("2026-02-03 14:20", "2026-02-03 15:05"), four(), diagnosis)
    assert words.endswith(f"usually 2.50). {ending}")
    assert ".." not in words


def test_every_sensor_fault_that_is_diagnosed_has_words() -> None:
    """What `diagnosis` can say of a sensor, the sentence can tell."""
    for kind in ("stuck", "clipped", "unit_change", "spike", "noise", "drift"):
        assert f"heat {explanation._SENSOR_FAULTS[kind]}" in explanation._suspicion(
            Diagnosis(f"{kind}:heat", "sensor", "heat")
        )
