"""Sensor health: stuck, silent, clipped, on another scale, reset; told from a sensor's own past."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.config import AssetType, Sensor
from wheeltapper.readings.health import broken, jumps
from wheeltapper.readings.health.flagging import flag_readings, worst_first
from wheeltapper.readings.health.series import Detector, Piece

BAR = Sensor(unit="bar", low=0, high=10)


def noise(count: int, seed: int = 1) -> np.ndarray:
    """Return values round 5 of which no two are equal."""
    return 5 + np.random.default_rng(seed).normal(scale=0.5, size=count)


Spans = list[tuple[int, int]]


def found(detector: Detector, values: np.ndarray, kind: str) -> Spans:
    """Return first and last place of each flag of a kind."""
    flags = [*detector.advance(Piece(0, np.arange(len(values)), values)), *detector.growing()]
    runs = [one.runs for one in flags if one.kind == kind]
    return [pair for run in runs for pair in zip(run.first[1].tolist(), run.last[1].tolist(), strict=True)]


def flat(values: np.ndarray, low: float = np.nan, high: float = np.nan) -> Spans:
    """Return where a sensor is stuck inside its range."""
    return found(broken.Unchanged("bar", low, high), values, "flat")


def clipped(values: np.ndarray, low: float = np.nan, high: float = np.nan) -> Spans:
    """Return where a sensor is stuck at an end of its range."""
    return found(broken.Unchanged("bar", low, high), values, "clipped")


def dropout(values: np.ndarray) -> Spans:
    """Return where a sensor is silent."""
    return found(broken.Dropout(), values, "dropout")


def jump_in_scale(values: np.ndarray) -> Spans:
    """Return where a sensor is on another scale."""
    return found(jumps.Jumps("bar"), values, "jump_in_scale")


def test_a_sensor_that_stands_still_is_stuck() -> None:
    """Twenty equal readings may be chance, the twenty-first tells; the span begins with the first of them."""
    values = noise(700)
    values[600:620] = values[600]
    assert flat(values) == []
    values[600:640] = values[600]
    assert flat(values) == [(600, 639)]


def test_a_sensor_that_often_stands_still_is_not_stuck() -> None:
    """Where every value comes thirty times, eighty times is nothing to speak of; two hundred times is."""
    values = np.repeat(noise(50), 30)
    values[1200:1280] = values[1200]
    assert flat(values) == []
    values[1200:1400] = values[1200]
    assert flat(values) == [(1200, 1399)]


def test_without_a_past_nothing_is_stuck() -> None:
    """Fewer than five hundred readings tell no habit."""
    values = noise(600)
    values[400:500] = values[400]
    assert flat(values) == []


def test_a_sensor_that_sits_at_its_end_is_clipped_and_not_stuck() -> None:
    """At a limit, or at the highest value so far, standing still has another name."""
    for end in (10.0, 9.5, 0.0):
        values = noise(700)
        values[600:640] = end
        assert clipped(values, 0, 10) == [(600, 639)]
        assert flat(values, 0, 10) == []


def test_a_sensor_that_falls_silent_while_others_speak() -> None:
    """Ten missing values are passed over, the eleventh tells."""
    values = noise(700)
    values[600:610] = np.nan
    assert dropout(values) == []
    values[600:650] = np.nan
    assert dropout(values) == [(600, 649)]


def test_a_sensor_that_is_read_less_often_is_not_silent() -> None:
    """A sensor that speaks every twentieth time has not fallen silent between; one that never spoke is not there."""
    values = np.full(2000, np.nan)
    assert dropout(values) == []
    values[::20] = 5.0
    assert dropout(values) == []


def test_another_unit_is_a_jump_in_scale() -> None:
    """Bar become millibar for a while: a thousand times as large, and so is the noise."""
    values = noise(1500)
    values[1000:1200] *= 1000
    (span,) = jump_in_scale(values)
    assert span == (1000, 1199)
    assert jump_in_scale(values[:1049]) == []  # known with the first block that is all on the new scale
    assert jump_in_scale(values[:1050]) == [(1000, 1049)]


def test_a_machine_that_is_switched_off_is_no_jump_in_scale() -> None:
    """The level falls to nothing, but noise stays what it is."""
    values = noise(1500)
    values[1000:1200] = np.random.default_rng(2).normal(scale=0.02, size=200)
    assert jump_in_scale(values) == []


def test_the_new_scale_is_the_usual_one_after_a_while() -> None:
    """A source that was changed for good is not on another scale for ever: after as long as before, it is the rule."""
    values = noise(3000)
    values[900:] *= 1000
    ((start, end),) = jump_in_scale(values)
    assert start == 900
    assert 1799 <= end < 1799 + jumps.BLOCK


def test_a_counter_that_falls_was_reset() -> None:
    """Only where it shows less than before, with a gap or without."""
    values = np.array([1.0, 2.0, np.nan, 0.0, 1.0, 1.0])
    assert found(broken.CounterResets("kWh"), values, "counter_reset") == [(3, 3)]


@pytest.mark.parametrize("find", [flat, clipped, dropout, jump_in_scale])
def test_changing_the_future_changes_nothing_that_was_known(find: Any) -> None:
    """What is known at a reading is known from any series that goes on otherwise; only a last run may grow."""
    values = noise(6000, seed=5)
    values[3200:3250] = values[3200]
    values[3500:3550] = 10.0
    values[3800:3850] = np.nan
    values[4500:4700] *= 1000
    assert len(find(values))
    for until in (3225, 3530, 3830, 4600, 5500):
        before = find(values[:until])
        for rest in (values[until:], noise(500, seed=6) * 7):
            then = dict(find(np.append(values[:until], rest)))
            assert before[:-1] == list(then.items())[: max(len(before) - 1, 0)], until
            assert all(start in then and then[start] >= end for start, end in before), until


def table(values: np.ndarray, asset: str = "pump-01", **more: Any) -> pd.DataFrame:
    """Return readings of one asset, a minute apart."""
    times = pd.date_range("2026-01-01", periods=len(values), freq="min", tz="UTC").as_unit("us")
    return pd.DataFrame({"asset_id": asset, "timestamp": times, "regime": "normal", "pressure": values} | more)


def kind(**sensors: Sensor) -> AssetType:
    """Return a type of machine."""
    return AssetType(name="t", step="1min", sensors={"pressure": BAR, **sensors})  # type: ignore[arg-type]


def test_the_table_says_it_in_words() -> None:
    """One row a span: sensor, kind, first and last reading, how many, and a sentence."""
    values = noise(700)
    values[600:661] = 4.25
    flagged = flag_readings(table(values), kind(), ())
    assert flagged.drop(columns=["start", "end"]).to_dict("records") == [
        {
            "asset_id": "pump-01",
            "sensor": "pressure",
            "kind": "flat",
            "count": 61,
            "detail": "unchanged at 4.25 bar for 1 h (61 readings)",
        }
    ]
    assert str(flagged.loc[0, "start"]) == "2026-01-01 10:00:00+00:00"
    assert str(flagged.loc[0, "end"]) == "2026-01-01 11:00:00+00:00"


def test_other_assets_change_nothing() -> None:
    """What is said of one machine is said of it alone, whatever stands beside it and in whatever order."""
    values = noise(700)
    values[600:661], values[100] = 4.25, 9.0
    flagged = flag_readings(table(values), kind(), ["iqr", "hampel"])
    other = table(np.full(700, 3.0), asset="pump-00")
    mixed = pd.concat([other, table(values)]).sample(frac=1, random_state=1)
    both = flag_readings(mixed, kind(), ["iqr", "hampel"])
    pd.testing.assert_frame_equal(both[both["asset_id"] == "pump-01"].reset_index(drop=True), flagged)
    assert set(flagged["kind"]) == {"flat", "iqr", "hampel"}


def test_nobody_watches_a_machine_that_is_off() -> None:
    """Sensors that stand still while the machine is off are not stuck."""
    values = noise(700)
    values[600:661] = 4.25
    readings = table(values)
    readings.loc[600:660, "regime"] = "off"
    assert flag_readings(readings, kind(), ()).empty


def test_a_counter_may_stand_still_at_its_highest_value_and_may_be_reset() -> None:
    """A counter is stuck, never clipped; where it falls, it counts from the beginning."""
    values = np.cumsum(np.abs(noise(900)))
    values[600:700] = values[600]
    values[800:] -= values[800]
    flagged = flag_readings(table(values), kind(pressure=Sensor(unit="kWh", counter=True)), ())
    assert sorted(flagged[["kind", "count"]].to_numpy().tolist()) == [["counter_reset", 1], ["flat", 100]]
    assert flagged.set_index("kind").loc["counter_reset", "detail"].startswith("fell from")


def test_unusual_values_in_a_row_are_one_line() -> None:
    """Three spikes in a row are one line with their number, the first value and what was usual."""
    values = np.resize([1.0, 2.0, 3.0, 4.0, 5.0], 63)
    values[60:63] = 9.0
    (row,) = flag_readings(table(values), kind(), ["hampel"]).to_dict("records")
    assert (row["kind"], row["count"]) == ("hampel", 3)
    assert row["detail"] == "9 bar, usual was -1.4478 to 7.4478"


def test_flags_know_no_label() -> None:
    """A column that tells the truth about faults changes nothing: it is not looked at."""
    values = noise(700)
    values[600:661] = 4.25
    plain = flag_readings(table(values), kind(), ["hampel"])
    labelled = flag_readings(table(values, fault=np.arange(700) > 350), kind(), ["hampel"])
    pd.testing.assert_frame_equal(plain, labelled)


def test_no_readings_no_flags() -> None:
    """An empty table is an empty table."""
    assert flag_readings(table(noise(0)), kind(), ["iqr"]).empty


def test_the_longest_comes_first() -> None:
    """The worst is what lasted longest."""
    at = [pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(hours=h) for h in (0, 1, 5)]
    rows = [("b", at[0], at[1]), ("a", at[0], at[1]), ("c", at[0], at[2])]
    flags = pd.DataFrame(rows, columns=["asset_id", "start", "end"]).assign(
        sensor="s", kind="flat", count=1, detail="d"
    )
    assert worst_first(tables.FLAGS.check(flags))["asset_id"].tolist() == ["c", "a", "b"]


def test_a_sensor_that_mostly_shows_nothing_has_no_scale() -> None:
    """Some work, a long time of nothing, then a burst: there is no level to be ten times as large as."""
    work = 1.0 + (np.arange(jumps.BLOCK) % 3) / 10
    values = np.concatenate([np.tile(work, 10), np.zeros(60 * jumps.BLOCK), 50 * work])
    assert jump_in_scale(values) == []
