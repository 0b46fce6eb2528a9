"""Broken sensors lie in the way that their kind says, and the machine knows nothing of it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from wheeltapper.assets.power_meter import ASSET_TYPE as METER
from wheeltapper.assets.pump import ASSET_TYPE as PUMP
from wheeltapper.config.sensor_faults import describe
from wheeltapper.errors import SourceError
from wheeltapper.simulation import sensor_faults, signals
from wheeltapper.simulation.faults import Fault
from wheeltapper.simulation.fleet import Disturbances, Span, simulate
from wheeltapper.simulation.sensor_faults import Usual

WEEK = Span(datetime(2026, 1, 5, tzinfo=UTC), timedelta(days=7), timedelta(minutes=1))
WELL = 6.0 + np.sin(np.arange(100.0))  # about 6 bar
USUAL = dict.fromkeys(PUMP.sensors, Usual(6.0, 0.5, rhythm=4))


def _shown(kind: str, peak: float = 1.0, growth: float = 1e-9, rows: int = 40) -> np.ndarray:
    """Return what the pressure shows during a fault over rows 10 to 49."""
    values = {name: WELL.copy() for name in PUMP.sensors}
    fault = Fault(10, rows, f"{kind}:pressure", peak=peak, growth=growth)
    shown = sensor_faults.disturb(values, [fault], PUMP, USUAL, np.random.default_rng(0))
    assert np.array_equal(shown["pressure"][:10], WELL[:10])
    assert np.array_equal(shown["pressure"][10 + rows :], WELL[10 + rows :])
    assert all(np.array_equal(shown[name], WELL) for name in PUMP.sensors if name != "pressure")
    return shown["pressure"][10 : 10 + rows]


def test_stuck_repeats_its_first_value() -> None:
    """Forty readings, one value: that of the reading at which it stuck."""
    assert set(_shown("stuck")) == {WELL[10]}


def test_drift_moves_away_evenly() -> None:
    """Fully developed at its end it is off by six deviations of 0.5 bar, half-way by half of that."""
    off = _shown("drift", growth=1.0) - WELL[10:50]
    assert abs(off[-1]) == pytest.approx(3.0)
    assert abs(off[19]) == pytest.approx(1.5)


def test_dropout_falls_silent() -> None:
    """At severity 1 there is no value; at 0.5 about half; the last reading is always lost."""
    assert np.isnan(_shown("dropout")).all()
    half = np.isnan(_shown("dropout", peak=0.5))
    assert 0.3 < half.mean() < 0.7
    assert half[-1]


def test_spikes_are_few_and_far_away() -> None:
    """Some readings are off by 8 to 16 deviations, most are not off at all."""
    off = np.abs(_shown("spike") - WELL[10:50])
    assert ((off == 0) | ((off >= 4) & (off <= 8))).all()
    assert 0 < (off > 0).mean() < 0.4


def test_noise_is_restless() -> None:
    """Four deviations of 0.5 bar more, within sampling error of forty readings."""
    assert (_shown("noise") - WELL[10:50]).std() == pytest.approx(2.0, rel=0.3)


def test_clipped_has_a_ceiling() -> None:
    """Nothing lies above the ceiling, many lie on it, and what is below stays."""
    shown, well = _shown("clipped"), WELL[10:50]
    assert shown.max() == pytest.approx(6.0 - 0.3 * 0.5)
    assert (shown == shown.max()).mean() > 0.3
    assert np.array_equal(shown[well < shown.max()], well[well < shown.max()])


def test_unit_change_is_the_rivals_number() -> None:
    """Bar shown as megapascal are a tenth."""
    assert _shown("unit_change") == pytest.approx(WELL[10:50] / 10)


def _lags(peak: float, growth: float, rows: int = 40, rhythm: int = 4, counter: bool = False) -> list[int]:
    """Return by how many readings each value is late, of a series that counts 0, 1, 2, …"""
    asset_type, sensor = (METER, "energy") if counter else (PUMP, "pressure")
    values = {name: np.arange(200.0) for name in asset_type.sensors}
    usual = dict.fromkeys(asset_type.sensors, Usual(0.0, 1.0, rhythm))
    fault = Fault(100, rows, f"clock_skew:{sensor}", peak=peak, growth=growth)
    shown = sensor_faults.disturb(values, [fault], asset_type, usual, np.random.default_rng(0))[sensor]
    assert np.array_equal(shown[:100], np.arange(100.0))
    assert np.array_equal(shown[100 + rows :], np.arange(100.0 + rows, 200))
    return (np.arange(100, 100 + rows) - shown[100 : 100 + rows]).astype(int).tolist()


def test_a_skewed_clock_falls_behind_evenly() -> None:
    """Two rhythms of four readings are eight; at half the severity four. It gets there when half the fault is over."""
    assert _lags(peak=1.0, growth=0.5)[:20] == [1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 8]
    assert set(_lags(peak=1.0, growth=0.5)[20:]) == {8}
    assert max(_lags(peak=0.5, growth=0.5)) == 4


def test_a_late_clock_never_runs_backwards() -> None:
    """What it shows never falls where the sensor only rises, except once, when it was set wrong."""
    for rhythm in (1, 4, 20):
        lags = np.array(_lags(peak=1.0, growth=0.5, rhythm=rhythm))
        assert (np.diff(lags) <= 1).all()
        assert lags[-1] == 2 * rhythm


def test_what_a_short_fault_cannot_lose_is_lost_at_once() -> None:
    """Forty readings late, but only ten can be lost in twenty: it begins at about thirty."""
    lags = _lags(peak=1.0, growth=0.5, rhythm=20)
    assert lags[0] == 30
    assert lags[19:] == [40] * 21


def test_a_late_counter_counts_slowly_and_never_down() -> None:
    """A meter with a late clock shows half of what was used while it falls behind, and all of it in the end."""
    lags = _lags(peak=1.0, growth=0.5, rhythm=20, counter=True)
    assert lags[0] <= 1
    assert lags[-1] == 10
    assert (np.diff(lags) <= 1).all()


def test_even_the_shortest_skew_is_a_reading_late() -> None:
    """A fault of two readings shows the value before each."""
    assert _lags(peak=0.4, growth=0.4, rows=2, rhythm=1) == [1, 1]


def test_a_sensor_that_does_not_move_is_refused() -> None:
    """Of a sensor without a rhythm nobody could see that its clock is late; the message names it."""
    values = {name: WELL.copy() for name in PUMP.sensors}
    usual = dict.fromkeys(PUMP.sensors, Usual(6.0, 0.5, rhythm=None))
    fault = Fault(10, 40, "clock_skew:pressure", peak=1.0, growth=0.5)
    with pytest.raises(SourceError, match="'clock_skew:pressure': this sensor does not move"):
        sensor_faults.disturb(values, [fault], PUMP, usual, np.random.default_rng(0))


def test_a_rhythm_is_what_lasts() -> None:
    """A wave of 60 readings is half forgotten after 10; noise and a constant have no rhythm; slow noise has its own."""
    at, rng = np.arange(6000), np.random.default_rng(0)
    noise = rng.standard_normal(6000)
    slow = signals.wander(rng, 6000, kept=0.9)
    series = {
        "pressure": np.sin(2 * np.pi * at / 60),
        "flow_rate": noise,
        "current": np.full(6000, 5.0),
        "vibration": slow,
        "temperature": slow + 0.3 * noise,
    }
    usual = sensor_faults.usual_of(series, np.ones(6000, dtype=bool), PUMP)
    assert usual["flow_rate"].rhythm is None
    assert usual["current"].rhythm is None
    assert usual["pressure"].rhythm in (8, 12)
    assert usual["vibration"].rhythm in (8, 12)  # 0.9 to the power of 7.6 is 0.45, half of 0.9
    assert usual["temperature"].rhythm == usual["vibration"].rhythm


def test_a_counter_s_rhythm_is_that_of_its_steps() -> None:
    """A meter that counts evenly moves with every reading; one that never counts does not move."""
    normal = np.ones(100, dtype=bool)
    assert sensor_faults.usual_of({"energy": np.arange(100.0)}, normal, METER)["energy"].rhythm == 1
    assert sensor_faults.usual_of({"energy": np.full(100, 7.0)}, normal, METER)["energy"].rhythm is None


def test_the_truth_names_the_sensor() -> None:
    """A bare kind befalls several sensors, and each stands in the table as kind:sensor."""
    _, faults = simulate(PUMP, WEEK, seed=1, number=1, disturbances=Disturbances(0.2, ("stuck",)))
    kinds = set(faults["kind"])
    assert len(kinds) > 2
    assert {kind.partition(":")[0] for kind in kinds} == {"stuck"}
    assert {kind.partition(":")[2] for kind in kinds} <= set(PUMP.sensors)


def test_machine_and_sensor_faults_come_together() -> None:
    """With three kinds asked for, all come, and what is known of each says which part is broken."""
    disturbances = Disturbances(0.2, ("cavitation", "stuck:pressure", "noise:current"))
    readings, faults = simulate(PUMP, WEEK, seed=1, number=1, disturbances=disturbances)
    parts = {kind: describe(kind, PUMP).part for kind in set(faults["kind"])}
    assert parts == {"cavitation": "machine", "stuck:pressure": "sensor", "noise:current": "sensor"}
    fault = faults[faults["kind"] == "stuck:pressure"].iloc[0]
    assert readings.loc[readings["timestamp"].between(fault["start"], fault["end"]), "pressure"].nunique() == 1


def test_values_stay_within_limits() -> None:
    """Also a drifting, jumping or renamed sensor shows nothing that it cannot show."""
    kinds = ("drift", "spike", "noise", "unit_change")
    readings, _ = simulate(PUMP, WEEK, seed=2, number=1, disturbances=Disturbances(0.4, kinds, overlap=True))
    for name, sensor in PUMP.sensors.items():
        assert readings[name].between(sensor.low, sensor.high).all(), name
