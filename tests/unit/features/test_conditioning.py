"""Conditioning by hand: on to a grid, stand in, smooth; and what each of them does to windows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config
from wheeltapper.config import Conditioning
from wheeltapper.errors import ConfigError
from wheeltapper.features.compute import compute
from wheeltapper.features.conditioning import NO_HISTORY, Conditioned, Track, condition
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.sets.latest import Latest

MINUTE = 60_000_000
GAP = timedelta(minutes=10)
NAN = np.nan


def track(minutes: list[float], counters: dict[str, list[float]] | None = None, **sensors: list[float]) -> Track:
    """Return readings of one machine at these minutes after the epoch."""
    micros = np.array([round(minute * MINUTE) for minute in minutes], dtype=np.int64)
    values = {name: np.array(given, dtype=float) for name, given in (sensors | (counters or {})).items()}
    return Track(micros, values, np.array(["normal"] * len(minutes), dtype=object))


def done(given: Track, counters: tuple[str, ...] = (), **how: Any) -> Conditioned:
    """Condition readings the way the YAML says it; pauses above ten minutes are gaps."""
    return condition(given, Conditioning.model_validate(how), counters, GAP)


def minutes(found: Conditioned) -> list[float]:
    return (found.micros / MINUTE).tolist()


def same(values: np.ndarray, expected: list[float]) -> None:
    np.testing.assert_array_equal(values, np.array(expected, dtype=float))


# -- on to a grid --------------------------------------------------------------------------------------------------


def test_a_cell_of_the_grid_is_the_mean_of_its_readings() -> None:
    """Readings at 1, 4 and 5 minutes are one value at minute 5, that of minute 7 one at minute 10."""
    found = done(track([1, 4, 5, 7, 11], heat=[1, 3, 5, 7, 9]), resample="5min")
    assert minutes(found) == [5, 10]
    same(found.sensors["heat"], [3, 7])
    assert (found.begin.tolist(), found.end.tolist()) == ([0, 3], [2, 3])


def test_a_cell_is_said_once_it_is_over() -> None:
    """The cell of minute 15 may still grow at minute 14; a reading at minute 15 itself, or after it, ends it."""
    assert minutes(done(track([6, 11, 14], heat=[1, 2, 4]), resample="5min")) == [10]
    ended = done(track([6, 11, 14, 15], heat=[1, 2, 4, 6]), resample="5min")
    assert minutes(ended) == [10, 15]
    same(ended.sensors["heat"], [1, 4])
    same(done(track([6, 11, 14, 15.1], heat=[1, 2, 4, 6]), resample="5min").sensors["heat"], [1, 3])


def test_a_cell_without_a_reading_is_a_pause() -> None:
    """Nothing is invented: the grid has no value at minute 10, and the pause of ten minutes is no gap."""
    found = done(track([3, 12, 16], heat=[1, 2, 3]), resample="5min")
    assert minutes(found) == [5, 15]
    assert found.parts == [slice(0, 2)]


def test_the_last_cell_before_a_gap_is_not_said() -> None:
    """After minute 7 nothing comes for long: whether the cell of minute 10 was over, nobody has shown in time."""
    found = done(track([3, 7, 30, 35], heat=[1, 2, 3, 4]), resample="5min")
    assert minutes(found) == [5, 30, 35]
    assert found.parts == [slice(0, 1), slice(1, 3)]
    same(found.sensors["heat"], [1, 3, 4])


def test_a_missing_value_does_not_count_in_its_cell() -> None:
    """The mean is that of the values that are there; without any there is none."""
    found = done(track([1, 2, 5, 6, 10], heat=[2, NAN, 4, NAN, NAN], load=[1, 1, 1, 1, 1]), resample="5min")
    same(found.sensors["heat"], [3, NAN])
    same(found.sensors["load"], [1, 1])


def test_a_stuck_sensor_stays_stuck_on_the_grid() -> None:
    """Three times 0.1 over three is not 0.1 on a computer; the mean of equal values is that value, to the last bit."""
    given = track(list(range(1, 16)), heat=[0.1] * 15)
    assert set(done(given, resample="3min").sensors["heat"]) == {0.1}
    assert set(done(given, smooth={"heat": {"by": "mean", "rows": 3}}).sensors["heat"][2:]) == {0.1}


def test_a_counter_counts_over_the_time_that_passed() -> None:
    """At minute 4 the meter shows 2, at minute 8 it shows 6: 4 in four minutes are 60 an hour, whatever the grid."""
    found = done(track([1, 4, 6, 8, 10], counters={"energy": [0, 2, 4, 6, NAN]}), ("energy",), resample="5min")
    same(found.levels["energy"], [2, 6])
    same(found.sensors["energy"], [NAN, 60])


def test_a_counter_without_a_value_in_a_cell_shows_none() -> None:
    """What it showed in the cell before is not what it shows now; the rate over both is not known either."""
    found = done(track([4, 5, 9, 10, 15], counters={"energy": [1, 2, NAN, NAN, 6]}), ("energy",), resample="5min")
    same(found.levels["energy"], [2, NAN, 6])
    same(found.sensors["energy"], [NAN, NAN, NAN])


def test_a_counter_s_rate_starts_afresh_after_a_gap() -> None:
    """What was counted in a gap is nobody's: the first reading after it has no rate, the next one its own."""
    found = done(track([0, 1, 12, 13], counters={"energy": [0, 1, 500, 502]}), ("energy",))
    same(found.sensors["energy"], [NAN, 60, NAN, 120])


def test_the_grid_starts_at_the_epoch() -> None:
    """Readings before 1970 lie on the same grid, and where the reading began does not move it."""
    found = done(track([-11, -6, -5, 0], heat=[1, 2, 4, 5]), resample="5min")
    assert minutes(found) == [-10, -5, 0]
    same(found.sensors["heat"], [1, 3, 5])


# -- stand in ------------------------------------------------------------------------------------------------------


def test_the_last_value_stands_in_while_it_is_young() -> None:
    """With two minutes allowed the 5 of minute 1 is used at minutes 2 and 3, not at minute 4, and nothing before it."""
    given = track([0, 1, 2, 3, 4, 5], heat=[NAN, 5, NAN, NAN, NAN, 7])
    found = done(given, fill={"heat": "2min"})
    same(found.sensors["heat"], [NAN, 5, 5, 5, NAN, 7])
    assert found.begin.tolist() == [0, 1, 1, 1, 4, 5]


def test_nothing_stands_in_across_a_gap() -> None:
    """After a pause of eleven minutes the old value is another stretch's, however long it may stand in."""
    same(done(track([0, 11], heat=[5, NAN]), fill={"heat": "1h"}).sensors["heat"], [5, NAN])
    same(done(track([0, 10], heat=[5, NAN]), fill={"heat": "1h"}).sensors["heat"], [5, 5])


def test_only_the_named_sensor_is_stood_in_for() -> None:
    """What the plant does not name stays missing; the readings themselves are not written to."""
    given = track([0, 1], heat=[5, NAN], load=[1, NAN])
    found = done(given, fill={"heat": "5min"})
    same(found.sensors["load"], [1, NAN])
    same(given.sensors["heat"], [5, NAN])


def test_what_is_infinite_was_not_measured() -> None:
    """It is missing, so it may be stood in for, and counts in no mean."""
    same(done(track([0, 1], heat=[5, np.inf]), fill={"heat": "5min"}).sensors["heat"], [5, 5])
    same(done(track([4, 5], heat=[5, -np.inf]), resample="5min").sensors["heat"], [5])


# -- smooth --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "expected"), [("mean", [NAN, NAN, 3, 13, 13]), ("median", [NAN, NAN, 2, 6, 6])])
def test_a_smoothed_value_is_that_of_the_last_readings(by: str, expected: list[float]) -> None:
    """Of 1, 2, 6, 31, 2 the means over three are 3, 13, 13; the median never sees the 31."""
    found = done(track([0, 1, 2, 3, 4], heat=[1, 2, 6, 31, 2]), smooth={"heat": {"by": by, "rows": 3}})
    same(found.sensors["heat"], expected)
    assert found.begin.tolist() == [NO_HISTORY, NO_HISTORY, 0, 1, 2]


@pytest.mark.parametrize("by", ["mean", "median"])
def test_a_missing_value_blanks_what_is_smoothed_from_it(by: str) -> None:
    """No value is smoothed round a hole, and none remembers it afterwards."""
    found = done(track([0, 1, 2, 3, 4, 5], heat=[1, 1, NAN, 1, 1, 1]), smooth={"heat": {"by": by, "rows": 2}})
    same(found.sensors["heat"], [NAN, 1, NAN, NAN, 1, 1])


def test_a_spike_is_forgotten() -> None:
    """A running sum would be wrong for ever after 1e15; here it is gone with its window."""
    found = done(track([0, 1, 2, 3, 4], heat=[0.1, 1e15, 0.1, 0.3, 0.5]), smooth={"heat": {"by": "mean", "rows": 2}})
    assert found.sensors["heat"][3:].tolist() == [(0.1 + 0.3) / 2, (0.3 + 0.5) / 2]


def test_smoothing_starts_afresh_after_a_gap() -> None:
    """The reading after the gap has no smoothed value, the second one has its own stretch's."""
    found = done(track([0, 1, 12, 13], heat=[1, 3, 100, 200]), smooth={"heat": {"by": "mean", "rows": 2}})
    same(found.sensors["heat"], [NAN, 2, NAN, 150])


def test_of_a_counter_the_rate_is_smoothed() -> None:
    """2, 4 and 6 units in a minute are 180 and 300 an hour on average over two; the level stays what it was."""
    given = track([0, 1, 2, 3], counters={"energy": [0, 2, 6, 12]})
    found = done(given, ("energy",), smooth={"energy": {"by": "mean", "rows": 2}})
    same(found.sensors["energy"], [NAN, NAN, 180, 300])
    same(found.levels["energy"], [0, 2, 6, 12])


def test_all_three_in_their_order() -> None:
    """Grid first, then stand-ins, then smoothing: cells 2, missing, 6 become 2, 2, 6 and then 2, 4."""
    given = track([4, 5, 9, 10, 15], heat=[1, 3, NAN, NAN, 6])
    found = done(given, resample="5min", fill={"heat": "5min"}, smooth={"heat": {"by": "mean", "rows": 2}})
    same(found.sensors["heat"], [NAN, 2, 4])
    assert found.begin.tolist() == [NO_HISTORY, 0, 0]


def test_nothing_comes_of_nothing() -> None:
    """No readings are no stretch, whatever is asked for."""
    how = {"resample": "5min", "fill": {"heat": "1h"}, "smooth": {"heat": {"by": "median", "rows": 3}}}
    for found in (done(track([], heat=[])), done(track([], heat=[]), **how), done(track([7], heat=[1]), **how)):
        assert len(found.micros) == len(found.sensors["heat"]) == 0
        assert found.parts == []


# -- what it does to windows ---------------------------------------------------------------------------------------

MILL = """
asset_type:
  step: 1min
  sensors:
    heat: {unit: °C}
    load: {unit: A}
    energy: {unit: kWh, counter: true}
source: {csv_folder: {path: .}}
windows: {rows: 2}
features: [latest]
candidates: [lof]
"""
UNCOUNTED = MILL.replace("    energy: {unit: kWh, counter: true}\n", "")


def plan_of(cleaning: str, text: str = MILL) -> FeaturePlan:
    """Return the plan of a mill that is cleaned like this."""
    plant = config.parse(f"{text}\ncleaning: {cleaning}", name="mill", folder=Path(), where="mill.yaml")
    return FeaturePlan.of(plant)


def readings(at: list[float], heat: list[float], regimes: list[str] | None = None) -> pd.DataFrame:
    """Return readings of one mill at these minutes after the epoch."""
    times = pd.Timestamp(0, tz="UTC") + pd.to_timedelta(at, unit="min")
    frame = pd.DataFrame({"asset_id": "mill-1", "timestamp": times, "regime": regimes or ["normal"] * len(at)})
    return frame.assign(heat=heat, load=1.0, energy=np.arange(len(at), dtype=float))


def at(rows: pd.DataFrame, column: str) -> list[float]:
    return ((rows[column] - pd.Timestamp(0, tz="UTC")) / pd.Timedelta("1min")).tolist()


def test_a_window_begins_with_the_earliest_reading_that_it_is_made_from() -> None:
    """A window of two smoothed over three looks at four readings: it is not learnt from when one lies in a fault."""
    rows = compute(plan_of("{smooth: {heat: {by: mean, rows: 3}}}"), readings([0, 1, 2, 3, 4], [1, 2, 3, 4, 5]))
    assert at(rows, "window_end") == [3, 4]
    assert at(rows, "window_start") == [0, 1]
    assert rows["heat"].tolist() == [3, 4]


def test_a_window_on_the_grid_begins_with_a_reading() -> None:
    """Two cells of five minutes, the first from the reading of minute 1, the second until that of minute 9."""
    rows = compute(plan_of("{resample: 5min}"), readings([1, 4, 8, 9, 12], [1, 3, 5, 7, 9]))
    assert (at(rows, "window_start"), at(rows, "window_end")) == ([1], [10])
    assert rows["heat"].tolist() == [6]


def test_a_window_has_the_regime_of_all_that_it_is_made_from() -> None:
    """One reading at high load inside a cell makes a transition, one while the mill is off makes it unusable."""
    for regime, expected in (("high_load", ("transition", "")), ("off", ("transition", "regime off"))):
        frame = readings([1, 2, 5, 8, 10, 15], [1, 1, 1, 1, 1, 1], ["normal", regime, *["normal"] * 4])
        rows = compute(plan_of("{resample: 5min}", UNCOUNTED), frame)
        assert at(rows, "window_end") == [10, 15]
        assert (rows["regime"][0], rows["why_not"][0]) == expected
        assert (rows["regime"][1], rows["why_not"][1]) == ("normal", "")
        smooth = compute(plan_of("{smooth: {load: {rows: 2}}}"), frame)
        assert smooth["regime"].tolist() == ["transition", "transition", "normal"], "minute 15 is after a gap"


def test_a_missing_value_is_missing_unless_the_plant_says_otherwise() -> None:
    """By default its windows are unusable and say so; with two minutes allowed the last value stands in.

    Reference row 003-03.
    """
    frame = readings([0, 1, 2, 3, 4], [1, 2, NAN, NAN, 5])
    left, filled = compute(plan_of("{}"), frame), compute(plan_of("{fill: {heat: 2min}}"), frame)
    assert left["why_not"].tolist() == ["no value for energy", *["missing heat"] * 3]
    assert filled["why_not"].tolist() == ["no value for energy", "", "", ""]
    assert filled["heat"].tolist() == [2, 2, 2, 5]
    assert at(filled, "window_start") == [0, 1, 1, 1]


# -- the plan ------------------------------------------------------------------------------------------------------


def test_a_plan_that_conditions_is_another_plan() -> None:
    """Each option changes the hash, in JSON and back it stays the same, and doing nothing is the plan without it."""
    plans = [
        plan_of(text)
        for text in (
            "{}",
            "{resample: 5min}",
            "{fill: {heat: 5min}}",
            "{fill: {load: 5min}}",
            "{smooth: {heat: {}}}",
            "{smooth: {heat: {by: mean}}}",
            "{smooth: {heat: {rows: 4}}}",
        )
    ]
    assert len({plan.hash for plan in plans}) == len(plans)
    for plan in plans:
        assert FeaturePlan.model_validate_json(plan.model_dump_json()).hash == plan.hash
        assert plan.shrink(["heat"]).conditioning == plan.conditioning
    assert plan_of("{flags: [iqr]}").hash == plans[0].hash


def test_a_plan_looks_back_as_far_as_it_must() -> None:
    """Windows of two readings and a counter: three readings, two gaps of three minutes; each option adds its own."""
    cases: dict[str, tuple[int, int, int]] = {
        # readings, minutes before, minutes after
        "{}": (3, 6, 0),
        "{fill: {heat: 7min}}": (10, 13, 0),
        "{smooth: {heat: {rows: 4}, load: {rows: 2}}}": (6, 15, 0),
        "{resample: 5min}": (16, 2 * 15 + 5, 15),
    }
    for text, (count, before, after) in cases.items():
        plan = plan_of(text)
        assert plan.readings_needed == count, text
        assert plan.needed_before == timedelta(minutes=before), text
        assert plan.needed_after == timedelta(minutes=after), text


def test_the_grid_is_the_step_that_everything_counts_in() -> None:
    """Three steps of the grid are the longest gap, and every second window comes every ten minutes."""
    text = MILL.replace("{rows: 2}", "{rows: 2, every: 2}") + "\ncleaning: {resample: 5min}"
    plant = config.parse(text, name="mill", folder=Path(), where="mill.yaml")
    assert (plant.step, plant.max_gap) == (timedelta(minutes=5), timedelta(minutes=15))
    rows = compute(FeaturePlan.of(plant), readings(list(range(1, 61)), [1.0] * 60))
    assert at(rows, "window_end") == [10, 20, 30, 40, 50, 60]


def test_feature_sets_are_told_the_grid_s_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set that counts in steps must count in those of the values that it is given."""
    seen: list[timedelta] = []
    plan = plan_of("{resample: 5min}")
    columns = {name: np.zeros(1) for name in plan.columns}
    monkeypatch.setattr(Latest, "compute", lambda _, stretch, machine: seen.append(machine.step) or columns)
    compute(plan, readings([5, 10], [1, 1]))
    assert seen == [timedelta(minutes=5)]


MISTAKES = {
    "unknown sensor to smooth": (
        "{smooth: {haet: {}}}",
        "cleaning.smooth: mill has no sensor 'haet' (it has: heat, load, energy). Did you mean 'heat'?",
    ),
    "unknown sensor to fill": ("{fill: {laod: 5min}}", "cleaning.fill: mill has no sensor 'laod' (it has: heat,"),
    "unknown smoother": ("{smooth: {heat: {by: medain}}}", "by: must be 'mean' or 'median', got 'medain'. Did you mea"),
    "unknown key": ("{smooth: {heat: {row: 3}}}", "unknown key 'row'. Did you mean 'rows'?"),
    "unknown key above": ("{smoth: {heat: {rows: 3}}}", "unknown key 'smoth'. Did you mean 'smooth'?"),
    "nothing to smooth over": ("{smooth: {heat: {rows: 1}}}", "rows: must be greater than or equal to 2, got 1"),
    "finer than the readings": (
        "{resample: 30s}",
        "cleaning.resample must be at least the asset type's step of 1min, or most of the grid is empty; got 30s",
    ),
    "a counter that stands still": ("{fill: {energy: 5min}}", "cleaning.fill: energy is a counter: its last value"),
    "younger than any value": (
        "{resample: 5min, fill: {heat: 4min}}",
        "cleaning.fill: heat: no value is younger than the 5min between readings; got 4min",
    ),
    "no unit of time": ("{fill: {heat: 10}}", "cleaning.fill.heat: expected a duration such as 30s, 5min, 1h or 2d"),
}


@pytest.mark.parametrize(("cleaning", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_when_the_plant_is_read(cleaning: str, message: str) -> None:
    """One line that says what was expected and what came, before any work begins."""
    with pytest.raises(ConfigError) as caught:
        plan_of(cleaning)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_windows_must_fit_the_grid() -> None:
    """A gap or a window that is shorter than the grid's step would leave no window full."""
    for windows, message in (
        (
            "{rows: 2, max_gap: 4min}",
            "windows.max_gap must be at least cleaning.resample of 5min, or no window is ever",
        ),
        ("{length: 5min}", "windows.length must be longer than cleaning.resample of 5min, or no window holds two"),
    ):
        with pytest.raises(ConfigError, match=message):
            plan_of("{resample: 5min}", MILL.replace("{rows: 2}", windows))


def test_a_value_may_stand_in_for_longer_than_a_gap() -> None:
    """One sensor that reports once an hour beside others that report each minute: that is what it is for."""
    assert plan_of("{fill: {heat: 1h}}").max_gap == timedelta(minutes=3)
    minutes = list(range(30))
    rows = compute(plan_of("{fill: {heat: 1h}}"), readings(minutes, [7.0] + [NAN] * 29))
    assert rows["heat"].tolist() == [7.0] * 29
