"""The smallest effect worth a walk: in the sensor's unit, in the direction that matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.columns import of
from wheeltapper import config
from wheeltapper.config import Alarms, AssetType, Sensor
from wheeltapper.errors import ConfigError
from wheeltapper.features.columns import Feature
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.scoring import alarms
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.effect import is_far

NORMAL = np.arange(60) % 3 - 1.0
"""−1, 0, 1, −1, 0, 1, …: the usual value is 0, a usual deviation (IQR/1.349) about 1.48."""


FEATURES = [Feature(sensor, (sensor,), "latest") for sensor in ("pressure", "speed")]


def pump(**pressure: Any) -> AssetType:
    """Return a type with two sensors; what is given is said of its pressure."""
    sensors = {"pressure": Sensor(unit="bar", **pressure), "speed": Sensor(unit="rpm")}
    return AssetType(name="pump", step=timedelta(minutes=1), sensors=sensors)


def far(asset_type: AssetType, pressure: list[float], speed: list[float] | None = None) -> list[bool] | None:
    """Tell which windows are far; pressure is usually 5 bar ± 1, speed 100 rpm ± 1."""
    learnt = rows(5 + NORMAL, 100 + NORMAL)
    found = is_far(
        asset_type, FEATURES, RegimeNormaliser().fit(learnt), rows(pressure, speed or [100.0] * len(pressure))
    )
    return None if found is None else found.tolist()


def rows(pressure: Any, speed: Any) -> pd.DataFrame:
    return pd.DataFrame({"asset_id": "a", "regime": "normal", "pressure": pressure, "speed": speed}).astype(
        {"asset_id": "str", "regime": "str"}
    )


def test_nothing_is_asked_where_nobody_names_an_effect() -> None:
    """Without alarm_effect every window may be anomalous, as ever."""
    assert far(pump(), [5.0, 50.0]) is None


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("both", [True, False, False, True]), ("up", [False, False, False, True]), ("down", [True, False, False, False])],
)
def test_the_direction_decides(direction: str, expected: list[bool]) -> None:
    """Three bar below 5, just short of it on both sides, three above."""
    asked = pump(alarm_effect=3.0, alarm_direction=direction)
    assert far(asked, [2.0, 2.01, 7.99, 8.0]) == expected


def test_other_sensors_are_not_made_deaf() -> None:
    """Speed names no effect: it counts from three usual deviations (about 4.4 rpm) on, and not before."""
    assert far(pump(alarm_effect=3.0), [5.0, 5.0], [104.0, 105.0]) == [False, True]


def test_a_missing_value_is_nowhere() -> None:
    """A sensor that says nothing is not far from normal, and hides no other."""
    assert far(pump(alarm_effect=3.0), [np.nan, np.nan], [100.0, 120.0]) == [False, True]


def test_what_is_normal_depends_on_the_regime() -> None:
    """Eight bar are far from the usual 5, and exactly right at high load."""
    learnt = pd.concat([rows(5 + NORMAL, 100 + NORMAL), rows(8 + NORMAL, 100 + NORMAL).assign(regime="high_load")])
    asked = rows([8.0, 8.0], [100.0, 100.0]).assign(regime=["normal", "high_load"])
    found = is_far(pump(alarm_effect=2.0), FEATURES, RegimeNormaliser().fit(learnt), asked)
    assert found is not None
    assert found.tolist() == [True, False]


def test_an_effect_without_a_level_is_refused() -> None:
    """Rates alone do not say how far a sensor is from normal."""
    learnt = rows(5 + NORMAL, 100 + NORMAL).rename(columns={"pressure": "pressure__rate"})
    features = [*of("pressure", rate="rate"), FEATURES[1]]
    with pytest.raises(ConfigError, match=r"pressure names an alarm_effect of 3 bar, but no feature holds its level"):
        is_far(pump(alarm_effect=3.0), features, RegimeNormaliser().fit(learnt, features), learnt)


def test_a_small_shift_opens_no_alarm(the_mill: Any, bundle: Bundle) -> None:
    """The fault lifts the load by 15 A: with 10 A as the smallest effect it is found, with 20 A nothing rings.

    Every other sensor is asked for more than it can ever show, so the load alone decides.
    """

    def rung(load: float) -> int:
        asked = dict.fromkeys(bundle.asset_type.sensors, 1e6) | {"load": load}
        sensors = {
            name: sensor.model_copy(update={"alarm_effect": asked[name]})
            for name, sensor in bundle.asset_type.sensors.items()
        }
        choosy = replace(bundle, asset_type=bundle.asset_type.model_copy(update={"sensors": sensors}))
        scores = choosy.score(the_mill.rows("validate"))
        np.testing.assert_allclose(scores["severity"], np.maximum(scores["score"], 0) / scores["threshold"])
        return len(alarms.fold(scores, Alarms(), timedelta(minutes=3)))

    assert rung(10.0) == 1
    assert rung(20.0) == 0


def test_what_always_alarms_is_held_back_by_no_effect(the_mill: Any) -> None:
    """Nothing is ever a million away, so k-sigma says nothing; the siren of the leaderboard goes on for ever."""

    def rung(detector: str) -> pd.Series:
        bundle = the_mill.fit(detector)
        sensors = {
            name: sensor.model_copy(update={"alarm_effect": 1e6}) for name, sensor in bundle.asset_type.sensors.items()
        }
        deaf = replace(bundle, asset_type=bundle.asset_type.model_copy(update={"sensors": sensors}))
        return deaf.score(the_mill.rows("validate"))["severity"] > 1

    assert rung("always_anomalous").all()
    assert not rung("k_sigma").any()


MILL = """
asset_type:
  step: 1min
  sensors:
    load: {{unit: A, low: 0, high: 80, {said}}}
source: {{csv_folder: {{path: data, time_column: time}}}}
"""


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("alarm_efect: 5", "Did you mean 'alarm_effect'"),
        ("alarm_effect: 5, alarm_direction: upp", "Did you mean 'up'"),
        ("alarm_effect: -5", "greater than 0"),
        ("alarm_effect: 80", r"alarm_effect of 80 A can never be reached: the sensor shows 0 to 80 A"),
        ("alarm_direction: up", r"alarm_direction is up, but alarm_effect does not say how far"),
    ],
)
def test_mistakes_are_told(said: str, message: str) -> None:
    """A typo gets its near miss; what can never fire, or says only half, is refused."""
    with pytest.raises(ConfigError, match=message):
        config.parse(MILL.format(said=said), name="mill", folder=Path(), where="mill.yaml")


def test_it_can_be_written_in_yaml() -> None:
    """Five amperes, upwards."""
    said = "alarm_effect: 5, alarm_direction: up"
    plant = config.parse(MILL.format(said=said), name="mill", folder=Path(), where="mill.yaml")
    sensor = plant.asset_type.sensors["load"]
    assert (sensor.alarm_effect, sensor.alarm_direction) == (5.0, "up")
