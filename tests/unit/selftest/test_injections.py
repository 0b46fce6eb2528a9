"""Each fault on a handful of readings, small enough to check by eye."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from wheeltapper.config import AssetType, Sensor
from wheeltapper.selftest.injections import SIZES, STEP, Injection, Place, Usual, in_units, plan_injections, shown

CALM = [5.0, 5.0, 5.0, 5.0, 5.0]
BAR = Sensor(unit="bar", low=0, high=12)


def place(values: list[float], before: list[float] = [], sensor: Sensor = BAR, **usual: float) -> Place:  # noqa: B006
    """Return a fault's readings, one a minute."""
    own = Usual(**({"centre": 5.0, "deviation": 1.0} | usual))
    return Place(np.arange(len(values)) * 60.0, np.array(values), np.array(before), own, sensor)


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        ("spike", 2, [7, 5, 5, 5, 7]),
        ("stuck", 2, [7, 7, 7, 7, 7]),
        ("drift", 4, [5, 6, 7, 8, 9]),
        ("step", 3, [8, 8, 8, 8, 8]),
        ("step", 20, [12, 12, 12, 12, 12]),
        ("unit_swap", None, [0.5, 0.5, 0.5, 0.5, 0.5]),
    ],
)
def test_a_fault_has_its_shape_and_size(kind: str, size: float | None, expected: list[float]) -> None:
    """Sizes are in usual deviations (here 1 bar); nothing goes beyond what the sensor can show."""
    assert shown(Injection("p", kind, size), place(CALM), window=5).tolist() == pytest.approx(expected)


def test_a_stuck_sensor_forgets_what_it_measures() -> None:
    """It keeps its first value, moved by its size."""
    assert shown(Injection("p", "stuck", 1), place([4.0, 5.0, 6.0]), window=5).tolist() == [5, 5, 5]


def test_noise_has_exactly_its_size() -> None:
    """Its deviation is the one that was asked for, so that sizes can be compared; its mean is the old one."""
    noisy = shown(Injection("p", "noise", 2), place([5.0] * 8, deviation=0.5), window=5)
    assert (noisy.mean(), noisy.std()) == pytest.approx((5.0, 1.0))


def test_a_late_clock_shows_earlier_values() -> None:
    """Half a window of four readings late; before the record begins it shows the first value."""
    late = shown(Injection("p", "lag", 0.5), place([3.0, 4.0, 5.0], before=[1.0, 2.0]), window=4)
    assert late.tolist() == [1, 2, 3]


def test_a_fault_goes_where_there_is_room() -> None:
    """A valve that is nearly open can only close."""
    valve = Sensor(unit="%", low=0, high=100)
    assert shown(
        Injection("v", "step", 4), place([95.0, 96.0], sensor=valve, centre=95.0, deviation=5.0), 5
    ).tolist() == [
        75,
        76,
    ]


def test_a_missing_value_stays_missing() -> None:
    """A fault invents no reading."""
    assert np.isnan(shown(Injection("p", "stuck", 2), place([5.0, np.nan, 5.0]), window=5)[1])


def test_a_counter_sticks_or_counts_faster() -> None:
    """Its size is what it counts in an hour: 60 more an hour are one more a minute."""
    meter = Sensor(unit="kWh", counter=True)
    at = place([100.0, 101.0, 102.0], sensor=meter, centre=60.0, deviation=30.0)
    assert shown(Injection("m", "drift", 2), at, window=5).tolist() == [100, 102, 104]
    assert shown(Injection("m", "stuck", None), at, window=5).tolist() == [100, 100, 100]


def machine(**sensors: dict[str, Any]) -> AssetType:
    """Return an asset type."""
    own = {name: Sensor(**what) for name, what in sensors.items()}
    return AssetType(name="machine", step=timedelta(minutes=1), sensors=own)


def test_what_cannot_be_tested_says_why() -> None:
    """A sensor that never moves, a counter's spikes, a unit without a rival, one that would go to quarantine."""
    kinds = machine(
        idle={"unit": "A"},
        meter={"unit": "kWh", "counter": True},
        heat={"unit": "°C", "low": 0, "high": 90},
        shake={"unit": "g"},
    )
    usual = {"idle": Usual(1, 0), "meter": Usual(60, 5), "heat": Usual(60, 2), "shake": Usual(1, 0.1)}
    wanted, skipped = plan_injections(kinds, usual)
    said = {(one.sensor, one.kind): one.reason for one in skipped}
    assert said["idle", ""] == "it never moved in recent normal running"
    assert said["meter", "spike"] == "it only counts up"
    assert "quarantine" in said["heat", "unit_swap"]
    assert "not confused with another" in said["shake", "unit_swap"]
    assert {one.sensor for one in wanted} == {"meter", "heat", "shake"}
    assert [one.size for one in wanted if (one.sensor, one.kind) == ("heat", "drift")] == list(SIZES)
    assert {one.kind for one in wanted if one.sensor == "meter"} == {"stuck", "drift", STEP}


def test_sizes_are_said_in_units() -> None:
    """Four deviations of 0.5 bar are 2 bar; a lag is a time; another unit is its name."""
    own = Usual(5.0, 0.5)
    assert in_units(Injection("p", "drift", 4), BAR, own, 5.0) == "2 bar"
    assert in_units(Injection("p", "lag", 4), BAR, own, 5.0) == "20 min"
    assert in_units(Injection("p", "lag", 1), BAR, own, 0.5) == "30 s"
    assert in_units(Injection("p", "unit_swap", None), BAR, own, 5.0) == "MPa"
