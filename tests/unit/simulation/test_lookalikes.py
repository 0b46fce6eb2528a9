"""What looks like a fault and is none moves the machine as physics wants, and leaves no trace in the truth."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from wheeltapper.assets import Drivers, Physics, Signal
from wheeltapper.assets.pump import ASSET_TYPE as PUMP
from wheeltapper.assets.pump import PHYSICS as PUMP_PHYSICS
from wheeltapper.simulation import lookalikes
from wheeltapper.simulation.faults import Fault
from wheeltapper.simulation.fleet import Disturbances, Span, simulate

SPAN = Span(datetime(2026, 1, 5, tzinfo=UTC), timedelta(days=14), timedelta(minutes=1))


def _physics(ambient: str | None = "air") -> Physics:
    return Physics(
        respond=lambda drivers: {},
        signals={"air": Signal(sd=3.0, memory=timedelta(hours=1), daily=4.0)},
        ambient=ambient,
    )


def _drivers() -> Drivers:
    return Drivers(step=60.0, regime=np.full(200, "normal"), level=np.ones(200), signals={"air": np.zeros(200)})


def _apply(kind: str, peak: float = 0.5) -> Drivers:
    return lookalikes.apply(_drivers(), [Fault(20, 100, kind, peak=peak, growth=1.0)], _physics())


def test_a_load_change_rises_and_falls() -> None:
    """The load moves by a quarter, up or down, and is as before outside."""
    found = set()
    for peak in (0.500001, 0.500002):
        level = _apply("load_change", peak).level
        assert (level[:20] == 1).all()
        assert (level[120:] == 1).all()
        found.add(round(float(level[70]), 6))
    assert found == {0.75, 1.25}


def test_a_hot_day_warms_the_surroundings() -> None:
    """Three times the deviation of 5 degrees, hypot of 3 and 4, in the middle; nothing else moves."""
    after = _apply("hot_day")
    assert after.signals["air"].max() == 15
    assert after.signals["air"][[0, 19, 120]].tolist() == [0, 0, 0]
    assert (after.level == 1).all()


def test_a_restart_stands_and_climbs() -> None:
    """Ten minutes off, twenty of startup, then normal as before."""
    after = _apply("restart")
    assert after.regime[18:52].tolist() == ["normal"] * 2 + ["off"] * 10 + ["startup"] * 20 + ["normal"] * 2
    assert (after.level[20:30] == 0).all()
    assert (np.diff(after.level[29:50]) > 0).all()
    assert (after.level[50:] == 1).all()


def test_maintenance_stands_and_climbs_like_a_restart() -> None:
    """A hundred minutes of maintenance, twenty of startup, then normal as before."""
    after = _apply("maintenance")
    assert after.regime[18:142].tolist() == ["normal"] * 2 + ["maintenance"] * 100 + ["startup"] * 20 + ["normal"] * 2
    assert (after.level[20:120] == 0).all()
    assert (np.diff(after.level[119:140]) > 0).all()
    assert (after.level[140:] == 1).all()


def test_maintenance_works_as_in_the_machine_s_own_timetable() -> None:
    """A pump runs on a test loop at 0.4 while it is looked after; the next spell of its timetable is left alone."""
    physics = Physics(respond=lambda drivers: {}, schedule=PUMP_PHYSICS.schedule)
    drivers = _drivers()
    drivers.regime[120:] = "normal"
    drivers.regime[125:] = "high_l"
    after = lookalikes.apply(drivers, [Fault(20, 100, "maintenance", peak=0.5, growth=1.0)], physics)
    assert set(after.level[20:120]) == {0.4}
    assert after.regime[119:127].tolist() == ["maintenance"] + ["startup"] * 5 + ["high_l"] * 2
    assert (after.level[125:] == 1).all()


def test_what_happens_at_the_very_end_is_cut_there() -> None:
    """A maintenance that ends with the series, or a few readings before, has nothing or little to start up in."""
    for first in (100, 95):
        after = lookalikes.apply(_drivers(), [Fault(first, 100, "maintenance", peak=0.5, growth=1.0)], _physics())
        assert len(after.level) == 200
        assert (after.regime[first : first + 100] == "maintenance").all()


@pytest.mark.parametrize("kind", lookalikes.kinds(_physics()))
def test_every_kind_happens(kind: str) -> None:
    """Nothing that is listed leaves the machine as it was."""
    before, after = _drivers(), _apply(kind)
    moved = (before.level != after.level) | (before.signals["air"] != after.signals["air"])
    assert moved.any()


def test_hot_days_need_surroundings() -> None:
    """A type that does not say which signal is its surroundings' warmth has no hot days."""
    assert "hot_day" in lookalikes.kinds(_physics())
    assert "hot_day" not in lookalikes.kinds(_physics(ambient=None))


def test_the_truth_does_not_know_them() -> None:
    """A pump with look-alikes alone has other readings than its twin in about their share, and no fault."""
    shaken, faults = simulate(PUMP, SPAN, seed=1, number=1, disturbances=Disturbances(lookalike_rate=0.1))
    twin, _ = simulate(PUMP, SPAN, seed=1, number=1)
    assert faults.empty
    assert 0.03 < (shaken["flow_rate"] != twin["flow_rate"]).mean() < 0.11


def test_faults_keep_out_of_restarts() -> None:
    """With both asked for, no fault touches standstill."""
    disturbances = Disturbances(0.1, tuple(PUMP.faults), lookalike_rate=0.2)
    readings, faults = simulate(PUMP, SPAN, seed=1, number=1, disturbances=disturbances)
    for fault in faults.itertuples():
        inside = readings["timestamp"].between(fault.start, fault.end)
        assert not readings.loc[inside, "regime"].isin(["off", "maintenance"]).any()
