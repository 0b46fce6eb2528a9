"""The simulated wind turbine keeps the reference's figures and follows the wind."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest

from wheeltapper import detectors
from wheeltapper.assets import Drivers
from wheeltapper.assets.wind_turbine import ASSET_TYPE, PHYSICS, respond
from wheeltapper.simulation.fleet import Disturbances, Span, simulate

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
STATED = {"temperature": (35, 4), "humidity": (45, 6), "sound": (60, 5)}


@cache
def _normal() -> pd.DataFrame:
    """Three turbines, sixty days, every five minutes."""
    span = Span(MONDAY, timedelta(days=60), timedelta(minutes=5))
    farm = pd.concat([simulate(ASSET_TYPE, span, seed=11, number=number)[0] for number in (1, 2, 3)])
    return farm[farm["regime"] == "normal"]


def _steady(wind: float, level: float = 1.0) -> dict[str, float]:
    signals = {name: np.zeros(1) for name in PHYSICS.signals} | {"wind": np.array([wind - 8.0])}
    drivers = Drivers(step=60.0, regime=np.array(["normal"]), level=np.array([level]), signals=signals)
    return {sensor: float(values[0]) for sensor, values in respond(drivers).items()}


@pytest.mark.parametrize("sensor", STATED)
def test_normal_running_has_the_stated_mean_and_deviation(sensor: str) -> None:
    """Temperature N(35, 4), humidity N(45, 6), sound N(60, 5), as the reference's live simulator, within a tenth.

    Reference row 004-05.
    """
    mean, deviation = STATED[sensor]
    assert _normal()[sensor].mean() == pytest.approx(mean, rel=0.05)
    assert _normal()[sensor].std() == pytest.approx(deviation, rel=0.1)


def test_the_first_three_turbines_have_the_references_names() -> None:
    """WT-01 to WT-03; a fourth is called after its type. Reference row 004-05."""
    span = Span(MONDAY, timedelta(hours=1), timedelta(minutes=5))
    names = [simulate(ASSET_TYPE, span, seed=1, number=number)[0]["asset_id"].iloc[0] for number in (1, 3, 4)]
    assert names == ["WT-01", "WT-03", "wind_turbine-04"]


def test_the_truth_of_injected_faults_is_known() -> None:
    """At a rate of 0.05 a twentieth of the readings lies inside faults whose kind, start and end are listed.

    Reference row 004-05.
    """
    span = Span(MONDAY, timedelta(days=20), timedelta(minutes=5))
    readings, faults = simulate(
        ASSET_TYPE, span, seed=2, number=1, disturbances=Disturbances(0.05, tuple(ASSET_TYPE.faults))
    )
    inside = sum(readings["timestamp"].between(one.start, one.end).sum() for one in faults.itertuples())
    assert inside == round(0.05 * len(readings))
    assert set(faults["kind"]) <= set(ASSET_TYPE.faults)


def test_the_rules_are_the_alarm_limits_of_the_type() -> None:
    """5–45 °C, 20–60 %, 40–70 dB: the rule detector raises an alarm just beyond each and not just inside.

    Reference row 004-06.
    """
    sensors = ASSET_TYPE.sensors
    low = {name: one.alarm_low for name, one in sensors.items()}
    high = {name: one.alarm_high for name, one in sensors.items()}
    assert (low, high) == (
        {"temperature": 5, "humidity": 20, "sound": 40},
        {"temperature": 45, "humidity": 60, "sound": 70},
    )
    rule = detectors.build("limits", {"low": low, "high": high}).fit(_normal()[list(sensors)].head(500))
    usual = pd.DataFrame({"temperature": [35.0] * 13, "humidity": 45.0, "sound": 60.0})
    for place, (sensor, limit) in enumerate([*low.items(), *high.items()]):
        outwards = 0.01 if place >= 3 else -0.01
        usual.loc[2 * place, sensor], usual.loc[2 * place + 1, sensor] = limit + outwards, limit - outwards
    beyond = rule.score(usual) > rule.own_threshold
    assert beyond.tolist() == [True, False] * 6 + [False]


def test_readings_are_no_independent_draws() -> None:
    """Unlike the reference's, temperature remembers an hour, and sensors depend on each other. Reference row 004-01."""
    turbine = _normal()[_normal()["asset_id"] == "WT-02"]
    assert turbine["temperature"].autocorr(12) > 0.8
    assert turbine["temperature"].corr(turbine["humidity"]) < -0.4
    assert turbine["temperature"].corr(turbine["sound"]) > 0.5


def test_the_day_shows() -> None:
    """Afternoons are more than a degree warmer than early mornings."""
    by_hour = _normal().groupby(_normal()["timestamp"].dt.hour)["temperature"].mean()
    assert by_hour[15:19].mean() - by_hour[3:7].mean() > 1


def test_wind_makes_noise_and_heat() -> None:
    """Calm, the rotor is silent; at twelve metres a second full power adds 10 dB, and no storm adds more."""
    calm, rated, storm = _steady(2.0), _steady(12.0), _steady(20.0)
    assert calm["sound"] == pytest.approx(47.4)
    assert rated["sound"] == pytest.approx(47.4 + 1.2 * 12 + 10)
    assert rated["temperature"] == pytest.approx(47)
    assert storm == pytest.approx(rated)
    assert _steady(12.0, level=0.5)["temperature"] == pytest.approx(38.5)
