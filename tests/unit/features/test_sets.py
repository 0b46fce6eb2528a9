"""The four feature sets of the pump station, on series small enough to check by eye."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.features.plan import build_set
from wheeltapper.features.sets import Stretch
from wheeltapper.features.sets.rolling import window_moments


def asset_type(**more: Any) -> AssetType:
    """Return a machine with a flow and a pressure, and whatever else is said."""
    sensors = {"flow": {"unit": "m³/h", "low": 0, "high": 200}, "pressure": {"unit": "bar", "low": 0, "high": 10}}
    return AssetType.model_validate({"name": "pump", "step": "1min", "sensors": sensors, **more})


def compute(
    name: str, machine: AssetType, *, rows: int = 2, seconds: list[float] | None = None, **sensors: list[float]
) -> dict[str, np.ndarray]:
    """Return what a set computes from readings a minute apart."""
    arrays = {sensor: np.array(values, dtype=float) for sensor, values in sensors.items()}
    times = 60.0 * np.arange(len(arrays["flow"])) if seconds is None else np.array(seconds)
    return build_set(name).compute(stretch_of(times, arrays, rows), machine)


def stretch_of(times: np.ndarray, sensors: dict[str, np.ndarray], rows: int) -> Stretch:
    """Return a stretch with a window at every reading that has enough before it."""
    return Stretch(times, sensors, *windows_of(len(times), rows))


def windows_of(n: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last places of all windows of some rows."""
    last = np.arange(rows - 1, n)
    return last - rows + 1, last


def test_latest_is_the_reading() -> None:
    """The latest value of a sensor is the reading itself."""
    found = compute("latest", asset_type(), flow=[1, 2, 3], pressure=[4, 5, 6])
    assert found["flow"].tolist() == [2, 3]
    assert found["pressure"].tolist() == [5, 6]


def test_rolling_by_hand() -> None:
    """Mean and population spread of 1, 2, 6 are 3 and √(14/3)."""
    found = compute("rolling", asset_type(), rows=3, flow=[1, 2, 6], pressure=[5, 5, 5])
    assert found["flow__rolling_mean"][0] == pytest.approx(3)
    assert found["flow__rolling_std"][0] == pytest.approx(np.sqrt(14 / 3))
    assert found["pressure__rolling_std"][0] == 0


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 6, 7, 8, 13, 31, 32, 33])
def test_moments_agree_with_numpy(rows: int) -> None:
    """Every window length gives what NumPy says of each window by itself."""
    values = np.random.default_rng(rows).normal(3, 2, size=60)
    mean, std = window_moments(values, *windows_of(60, rows))
    each = np.lib.stride_tricks.sliding_window_view(values, rows)
    np.testing.assert_allclose(mean, each.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(std, each.std(axis=1), rtol=1e-12)


def test_a_large_offset_keeps_its_small_spread() -> None:
    """1e6 ± 1e-3 has a spread of 1e-3: squares of readings would have lost it."""
    wobble = np.tile([1e-3, -1e-3], 20)
    std = window_moments(1e6 + wobble, *windows_of(40, 10))[1]
    np.testing.assert_allclose(std, 1e-3, rtol=1e-6)


def test_a_spike_is_forgotten() -> None:
    """After a spike of 1e12 has left the window, the spread of a constant is exactly 0 again."""
    values = np.full(20, 0.1)
    values[5] = 1e12
    mean, std = window_moments(values, *windows_of(20, 5))
    assert std[6:].tolist() == [0] * 10
    assert mean[6:].tolist() == [0.1] * 10


def test_rates_use_the_real_time() -> None:
    """Six units in two minutes are three a minute; ten in half a minute are twenty."""
    found = compute("rates", asset_type(), seconds=[0, 120, 150], flow=[0, 6, 16], pressure=[1, 1, 1])
    assert found["flow__rate"].tolist() == [3, 20]
    assert found["pressure__rate"].tolist() == [0, 0]


@pytest.mark.parametrize(("per", "expected"), [("second", 0.1), ("minute", 6), ("hour", 360)])
def test_rates_say_their_unit(per: str, expected: float) -> None:
    """Six units in a minute are 0.1 a second and 360 an hour."""
    sensors = {"flow": np.array([0.0, 6.0]), "pressure": np.array([0.0, 0.0])}
    stretch = stretch_of(np.array([0.0, 60.0]), sensors, 2)
    found = build_set("rates", {"per": per}).compute(stretch, asset_type())
    assert found["flow__rate"][0] == pytest.approx(expected)


def test_ratios_by_hand() -> None:
    """Means 6 and 150 give 0.04; the mean of 100·5 and 200·7 is 950."""
    machine = asset_type(ratios=[("pressure", "flow")], products=[("flow", "pressure")])
    found = compute("ratios", machine, flow=[100, 200], pressure=[5, 7])
    assert found["pressure__per__flow"][0] == pytest.approx(0.04)
    assert found["flow__times__pressure"][0] == pytest.approx(950)


@pytest.mark.parametrize("flow", [0, 1e-9, -1e-9, -0.5, 9.9])
def test_ratios_are_bounded_near_zero(flow: float) -> None:
    """A flow within 5 % of its range of 200 counts as 10, on both sides of zero: the quotient cannot run away."""
    machine = asset_type(ratios=[("pressure", "flow")])
    found = compute("ratios", machine, flow=[flow, flow], pressure=[6, 6])
    assert found["pressure__per__flow"][0] == pytest.approx(0.6)


def test_ratios_without_pairs_give_nothing() -> None:
    """Nobody named a pair, so there is no column."""
    assert build_set("ratios").columns(asset_type()) == ()


def test_ratios_refuse_a_divisor_without_limits() -> None:
    """Without limits nobody knows what is close to zero; the message says what to add."""
    machine = asset_type(
        sensors={"flow": {"unit": "m³/h", "low": 0}, "pressure": {"unit": "bar"}}, ratios=[("pressure", "flow")]
    )
    with pytest.raises(ConfigError, match=r"divides by 'flow'.*Give 'flow' a low and a high"):
        build_set("ratios").columns(machine)


@pytest.mark.parametrize("name", ["latest", "rolling", "rates"])
def test_other_units_scale_the_feature(name: str) -> None:
    """Flow in l/h instead of m³/h makes each of its features a thousand times as large, and no other."""
    rng = np.random.default_rng(5)
    flow, pressure = rng.normal(150, 10, 20), rng.normal(6, 1, 20)
    one = compute(name, asset_type(), flow=list(flow), pressure=list(pressure))
    other = compute(name, asset_type(), flow=list(1000 * flow), pressure=list(pressure))
    for column, values in one.items():
        factor = 1000 if column.startswith("flow") else 1
        np.testing.assert_allclose(other[column], factor * values, rtol=1e-9, atol=1e-9)


def test_other_units_scale_ratios() -> None:
    """Flow in l/h, with limits in l/h, makes pressure per flow a thousandth, also where the flow is near zero."""
    flow, pressure = np.array([150.0, 140, 3, 0.1, 0]), np.array([6.0, 6.1, 5.9, 6, 6])
    machine = asset_type(ratios=[("pressure", "flow")])
    sensors = {"flow": {"unit": "l/h", "low": 0, "high": 200_000}, "pressure": {"unit": "bar"}}
    in_litres = asset_type(sensors=sensors, ratios=[("pressure", "flow")])
    one = compute("ratios", machine, flow=list(flow), pressure=list(pressure))
    other = compute("ratios", in_litres, flow=list(1000 * flow), pressure=list(pressure))
    column = "pressure__per__flow"
    np.testing.assert_allclose(other[column][1:], one[column][1:] / 1000, rtol=1e-12)
