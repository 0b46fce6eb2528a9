"""The simulated pump keeps the stated means, deviations and limits, and obeys the laws of pumps."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest

from wheeltapper.assets import Drivers
from wheeltapper.assets.pump import ASSET_TYPE, PHYSICS, respond
from wheeltapper.simulation.fleet import Disturbances, Span, simulate

STATED = {
    "temperature": (45, 3),
    "vibration": (2.5, 0.4),
    "pressure": (6.5, 0.5),
    "flow_rate": (150, 10),
    "current": (85, 5),
    "duty_cycle": (75, 8),
}
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


@cache
def _fleet() -> pd.DataFrame:
    """Eight pumps, four weeks, no faults."""
    span = Span(MONDAY, timedelta(days=28), timedelta(minutes=1))
    return pd.concat([simulate(ASSET_TYPE, span, seed=11, number=number)[0] for number in range(1, 9)])


def _at(level: float, regime: str = "normal", **outer: float) -> dict[str, float]:
    """Return the steady answer of the pump to one level and given influences."""
    signals = {name: np.array([outer.get(name, 0.0)]) for name in PHYSICS.signals}
    drivers = Drivers(step=60.0, regime=np.array([regime]), level=np.array([level]), signals=signals)
    return {sensor: float(values[0]) for sensor, values in respond(drivers).items()}


@pytest.mark.parametrize("sensor", STATED)
def test_normal_running_has_the_stated_mean_and_deviation(sensor: str) -> None:
    """In the normal regime both are within 5 % of the stated ones, coupling and memory included."""
    values = _fleet().loc[_fleet()["regime"] == "normal", sensor]
    mean, deviation = STATED[sensor]
    assert values.mean() == pytest.approx(mean, rel=0.05)
    assert values.std() == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize("sensor", STATED)
def test_readings_remember_the_minute_before(sensor: str) -> None:
    """Within normal running the correlation with the minute before is about 0.7."""
    pump = _fleet()[_fleet()["asset_id"] == "pump-03"]
    normal = (pump["regime"] == "normal").to_numpy()
    pairs = normal[1:] & normal[:-1]
    values = pump[sensor].to_numpy()
    assert np.corrcoef(values[1:][pairs], values[:-1][pairs])[0, 1] == pytest.approx(0.7, abs=0.04)


def test_deviation_does_not_depend_on_the_step() -> None:
    """Sampled every 10 s or every 10 min, the deviations of normal running are the same."""
    for step, days in ((timedelta(seconds=10), 7), (timedelta(minutes=10), 60)):
        readings, _ = simulate(ASSET_TYPE, Span(MONDAY, timedelta(days=days), step), seed=5, number=1)
        normal = readings[readings["regime"] == "normal"]
        for sensor, (_, deviation) in STATED.items():
            assert normal[sensor].std() == pytest.approx(deviation, rel=0.12), (step, sensor)


@pytest.mark.parametrize(
    ("regime", "sensor", "ratio"),
    [
        ("high_load", "flow_rate", 1.20),
        ("high_load", "duty_cycle", 1.15),
        ("high_load", "current", 1.18),
        ("high_load", "vibration", 1.10),
        ("high_load", "temperature", 50 / 45),
        ("maintenance", "flow_rate", 0.4),
        ("maintenance", "duty_cycle", 0.5),
        ("maintenance", "current", 0.5),
    ],
)
def test_regimes_have_the_stated_ratios(regime: str, sensor: str, ratio: float) -> None:
    """Physics alone brings the means of high load and maintenance within 10 % of the stated ratios."""
    means = _fleet().groupby("regime")[sensor].mean()
    assert means[regime] / means["normal"] == pytest.approx(ratio, rel=0.1)


def test_regimes_last_as_long_as_the_timetable_says() -> None:
    """In four weeks a pump is off 7 h, starts up 14 h, runs 112 h under high load, is maintained 8 h."""
    minutes = _fleet().groupby(["asset_id", "regime"]).size().unstack()
    expected = {"off": 420, "startup": 840, "high_load": 6720, "maintenance": 480, "normal": 31_860}
    for regime, rows in expected.items():
        assert minutes[regime].between(rows - 15, rows + 15).all(), regime


def test_only_lawful_changes_of_regime() -> None:
    """A pump starts up after standing still, and goes to high load and maintenance from normal running."""
    lawful = {"off-startup", "startup-normal", "normal-high_load", "high_load-normal", "normal-maintenance"}
    lawful |= {"maintenance-normal", "normal-off"}
    for _, pump in _fleet().groupby("asset_id"):
        before, after = pump["regime"].to_numpy()[:-1], pump["regime"].to_numpy()[1:]
        assert {f"{a}-{b}" for a, b in zip(before, after, strict=True) if a != b} == lawful


def test_pumps_of_a_fleet_differ_a_little() -> None:
    """Each pump's mean pressure is its own, within 3 % of the others'."""
    normal = _fleet()[_fleet()["regime"] == "normal"]
    means = normal.groupby("asset_id")["pressure"].mean()
    assert means.nunique() == 8
    assert (means / means.mean() - 1).abs().max() < 0.03
    assert means.std() / means.mean() > 0.003


def test_standing_still() -> None:
    """Off, there is no flow, current, voltage; the water tower still presses; the motor cools to the air."""
    still = _at(0.0, "off")
    assert (still["flow_rate"], still["current"], still["duty_cycle"]) == (0, 0, 0)
    assert still["vibration"] < 0.2
    assert still["pressure"] == pytest.approx(0.136 + 43 * 998 * 9.81 / 1e5)
    assert still["temperature"] == pytest.approx(22.95)


def test_the_duty_point_adds_up() -> None:
    """At 150 m³/h against 65 m: 26.5 kW of water, 38 kW electric, 73 A active and 42.5 A magnetising."""
    point = _at(1.0)
    water = 998 * 9.81 * 65 * 150 / 3600
    active = water / 0.75 / 0.93 / np.sqrt(3) / 300
    assert water == pytest.approx(26_516, rel=1e-3)
    assert point["current"] == pytest.approx(np.hypot(active, 42.5))
    assert point["current"] == pytest.approx(85, rel=0.01)
    assert point["pressure"] == pytest.approx(6.5, rel=0.001)
    assert (point["flow_rate"], point["duty_cycle"]) == pytest.approx((150, 75))


def test_affinity_laws_hold_without_a_water_tower() -> None:
    """Against friction alone, twice the flow needs twice the speed, four times the head, 2^1.5 times the voltage."""
    half, whole = _at(0.5, tower=-43.0), _at(1.0, tower=-43.0)
    assert whole["duty_cycle"] / half["duty_cycle"] == pytest.approx(2**1.5)
    assert (whole["pressure"] - 0.136) / (half["pressure"] - 0.136) == pytest.approx(4)
    assert (whole["vibration"] - 0.1) / (half["vibration"] - 0.1) == pytest.approx(2)


def test_a_higher_tower_costs_power_but_no_flow() -> None:
    """Five metres more of head raise pressure, duty and current at the same flow."""
    low, high = _at(1.0), _at(1.0, tower=5.0)
    assert high["flow_rate"] == low["flow_rate"]
    assert high["pressure"] - low["pressure"] == pytest.approx(5 * 998 * 9.81 / 1e5)
    assert high["duty_cycle"] > low["duty_cycle"]
    assert high["current"] > low["current"]


def test_sensors_move_together() -> None:
    """Hour by hour, flow, pressure, current and duty of a pump rise and fall together."""
    pump = _fleet()[(_fleet()["asset_id"] == "pump-01") & (_fleet()["regime"] == "normal")]
    hours = pump.set_index("timestamp")[["flow_rate", "pressure", "current", "duty_cycle"]].resample("h").mean()
    together = hours.corr().to_numpy()
    assert together[np.triu_indices(4, 1)].min() > 0.3
    assert hours["flow_rate"].corr(hours["current"]) > 0.6


def test_the_motor_warms_slowly() -> None:
    """After a jump to high load the temperature needs longer than 20 minutes to come near its new height."""
    level = np.concatenate([np.ones(600), np.full(240, 1.2)])
    signals = {name: np.zeros(840) for name in PHYSICS.signals}
    drivers = Drivers(step=60.0, regime=np.full(840, "normal"), level=level, signals=signals)
    warmth = respond(drivers)["temperature"]
    share = (warmth - warmth[599]) / (warmth[-1] - warmth[599])
    assert share[600] < 0.06
    assert share[619] == pytest.approx(1 - np.exp(-1), abs=0.01)


def test_values_stay_within_limits_also_during_faults() -> None:
    """With half of the time in overlapping faults no value leaves its sensor's limits."""
    disturbances = Disturbances(0.5, tuple(ASSET_TYPE.faults), overlap=True)
    readings, _ = simulate(
        ASSET_TYPE, Span(MONDAY, timedelta(days=60), timedelta(minutes=1)), seed=2, number=1, disturbances=disturbances
    )
    for name, sensor in ASSET_TYPE.sensors.items():
        assert readings[name].between(sensor.low, sensor.high).all(), name
    assert readings["vibration"].max() > 8
