"""Suspicions: each has evidence that can be checked by hand, and sound readings raise none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config
from wheeltapper.config import Sensor
from wheeltapper.readings import clean
from wheeltapper.readings.survey import suspicions
from wheeltapper.sources import Batch

N = 120


def series(values, asset="a"):
    return pd.Series([asset] * len(values), dtype="str"), pd.Series(values, dtype="float64")


def swing(low, high):
    """Return values between two, up and down."""
    return low + (high - low) * (np.arange(N) % 5) / 4


def suspected_unit(values, **sensor):
    (suspicion,) = suspicions.units(*series(values), "x", Sensor(**sensor))
    return suspicion.said


@pytest.mark.parametrize(
    ("unit", "limits", "values", "hint"),
    [
        ("°C", (0, 100), swing(140, 200), "look like °F instead of °C"),
        ("°C", (0, 100), swing(300, 360), "look like K instead of °C"),
        ("bar", (0, 10), swing(300, 800), "look like kPa or mbar instead of bar"),
        ("bar", (0.5, 10), swing(60000, 90000), "look like Pa instead of bar"),
        ("kWh", (1, 20), swing(2000, 9000), "look like Wh instead of kWh"),
        ("1", (0, 1), swing(20, 90), "look like % instead of 1"),
        ("lux", (100, 900), swing(0.2, 0.8), "times 1000 it would fit"),
        ("lux", (1, 2), swing(-5, -3), "no usual unit or factor would fit either"),
    ],
)
def test_a_wrong_unit_is_named(unit, limits, values, hint):
    """Readings outside the limits that fit after a conversion are named after the unit that they look like."""
    assert hint in suspected_unit(values, unit=unit, low=limits[0], high=limits[1])


def test_readings_inside_their_limits_are_not_suspected():
    """A few readings outside are faults, not units; a single limit and few readings say nothing."""
    values = swing(10, 90)
    values[:20] = 500
    assert suspicions.units(*series(values), "x", Sensor(unit="°C", low=0, high=100)) == []
    assert suspicions.units(*series(swing(300, 400)), "x", Sensor(unit="°C", high=100)) == []
    assert suspicions.units(*series([500.0] * 5), "x", Sensor(unit="°C", low=0, high=100)) == []


def test_only_the_asset_with_the_wrong_unit_is_named():
    """One machine in kPa among machines in bar is found."""
    good, bad = series(swing(2, 8), "good"), series(swing(200, 800), "bad")
    both = [pd.concat(pair, ignore_index=True) for pair in zip(good, bad, strict=True)]
    (suspicion,) = suspicions.units(*both, "pressure", Sensor(unit="bar", low=0, high=10))
    assert "bad (100% outside, median 500)" in suspicion.said
    assert "good" not in suspicion.said


def test_a_counter_is_told_from_a_measurement():
    """What only rises is a counter, also if it is reset once; noise, a constant and a rare step are none."""
    rising = np.arange(N, dtype=float)
    reset = np.concatenate([rising, rising])
    assert "cumulative counter" in suspicions.counters(*series(rising), "energy")[0].said
    assert len(suspicions.counters(*series(reset), "energy")) == 1
    for values in (swing(0, 5), np.ones(N), (np.arange(N) > 60).astype(float)):
        assert suspicions.counters(*series(values), "energy") == []


def readings(times):
    """Clean readings of one asset; return the rows of distinct instants and, as the survey does, the repeated ones."""
    text = (
        "asset_type: {step: 15min, sensors: {x: {unit: 1}}}\nsource: simulator\nfeatures: [latest]\ncandidates: [lof]"
    )
    plant = config.parse(text, name="tiny", folder=Path(), where="tiny.yaml")
    rows = pd.DataFrame({"asset_id": "a", "timestamp": times, "x": 1.0})
    parsed = clean.parse(Batch("here", rows), plant)
    assert parsed.rejected.empty
    is_repeated = parsed.rows.duplicated(["asset_id", "timestamp"])
    unordered = parsed.rows[is_repeated].assign(expectation=suspicions.UNORDERED, reason="")
    return parsed.rows[~is_repeated], unordered.assign(timestamp=unordered["timestamp"].astype("str"))


def wall_clock(zone, first, last):
    """Return what a wall clock shows every 15 minutes, wrongly called UTC."""
    true = pd.date_range(first, last, freq="15min", tz=zone)
    return true.tz_localize(None).tz_localize("UTC")


@pytest.mark.parametrize(
    ("zone", "day", "hint"),
    [
        ("Europe/Berlin", "2026-03-29", "no reading from 02:00 to 03:00 on 2026-03-29"),
        ("Europe/Berlin", "2026-10-25", "the readings from 02:00 to 03:00 on 2026-10-25 come twice"),
        ("America/New_York", "2026-03-08", "no reading from 02:00 to 03:00 on 2026-03-08"),
        ("Europe/London", "2026-10-25", "the readings from 01:00 to 02:00 on 2026-10-25 come twice"),
    ],
)
def test_wall_clock_times_read_as_utc_are_suspected(zone, day, hint):
    """The hour that clocks skip is missing, the one that they repeat comes twice; the zone is named."""
    first = pd.Timestamp(day) - pd.Timedelta(days=2)
    (suspicion,) = suspicions.clocks(*readings(wall_clock(zone, first, first + pd.Timedelta(days=4))))
    assert hint in suspicion.said
    assert f"time_zone: {zone}" in suspicion.said


def test_true_utc_and_other_gaps_are_not_suspected():
    """Real UTC has no such hour; an hour missing elsewhere, or the whole day, is an ordinary gap."""
    times = pd.date_range("2026-03-27", "2026-03-31", freq="15min", tz="UTC")
    assert suspicions.clocks(*readings(times)) == []
    for begin, end in (("2026-03-28T05:00Z", "2026-03-28T06:00Z"), ("2026-03-29T00:00Z", "2026-03-30T00:00Z")):
        gap = (times >= pd.Timestamp(begin)) & (times < pd.Timestamp(end))
        assert suspicions.clocks(*readings(times[~gap])) == []


def test_utc_read_as_wall_clock_is_suspected():
    """Readings in the hour that never was, put aside by the source, tell that the times are no wall clock."""
    rejected = pd.DataFrame(
        {"reason": ["timestamp 2026-03-29 02:15:00 does not exist in Europe/Berlin (the clocks change)"]}
    )
    rows, _ = readings(pd.date_range("2026-03-27", periods=4, freq="15min", tz="UTC"))
    (suspicion,) = suspicions.clocks(rows, rejected)
    assert "the times may be UTC" in suspicion.said


def test_years_that_cannot_be_are_suspected():
    """Milliseconds read as seconds end long after 2100, seconds read as milliseconds in 1970."""
    assert suspicions.years(pd.Series(pd.to_datetime(["2026-01-05"], utc=True))) == []
    (suspicion,) = suspicions.years(pd.Series(pd.to_datetime(["1970-01-21", "2026-01-05"], utc=True)))
    assert "1 of 2 readings" in suspicion.said
    assert "unix_ms" in suspicion.said


def test_unsorted_rows_are_suspected():
    """Many steps back mean that a file is not sorted; a few are a clock's mistakes."""
    assert suspicions.order(0.05) == []
    assert "40% of all rows come after a later one of their asset. They are sorted in" in suspicions.order(0.4)[0].said


def test_all_is_looked_at():
    """The list for a whole plant names the wrong unit, the order, and a counter that is not called one."""
    text = (
        "asset_type: {step: 1min, sensors: {t: {unit: °C, low: 0, high: 100}, e: {unit: kWh}, fine: {unit: A}}}\n"
        "source: simulator\nfeatures: [latest]\ncandidates: [lof]"
    )
    plant = config.parse(text, name="tiny", folder=Path(), where="tiny.yaml")
    times = pd.date_range("2026-01-05", periods=N, freq="1min", tz="UTC")
    rows = pd.DataFrame(
        {"asset_id": "a", "timestamp": times, "t": swing(140, 190), "e": np.arange(N) * 1.0, "fine": swing(0, 5)}
    )
    rejected = pd.DataFrame({name: pd.Series(dtype="str") for name in clean.REJECTED})
    suspected = suspicions.suspect(rows, plant, rejected, backward_share=0.5)
    assert [(suspicion.kind, suspicion.where) for suspicion in suspected] == [
        ("unit", "t"),
        ("counter", "e"),
        ("order", "timestamp"),
    ]
    aware = config.parse(text.replace("kWh", "kWh, counter: true"), name="tiny", folder=Path(), where="tiny.yaml")
    assert "counter" not in [suspicion.kind for suspicion in suspicions.suspect(rows, aware, rejected)]


def experiments(**values):
    """Return readings of several assets, one a second from the same instant."""
    length = len(next(iter(values.values())))
    times = pd.date_range("2026-01-05", periods=length, freq="1s", tz="UTC").astype("datetime64[us, UTC]")
    return pd.concat(
        [pd.DataFrame({"asset_id": name, "timestamp": times, "x": own}) for name, own in values.items()],
        ignore_index=True,
    )


def one_sensor():
    """Return a plant with the sensor x."""
    text = "asset_type: {step: 1s, sensors: {x: {unit: 1}}}\nsource: simulator\nfeatures: [latest]\ncandidates: [lof]"
    return config.parse(text, name="tiny", folder=Path(), where="tiny.yaml")


def test_two_assets_that_share_readings_are_suspected():
    """Twenty readings of b are those of a; half of them lie in a fault of a alone."""
    walk = [float(value) for value in range(100)]
    rows = experiments(a=walk, b=[*walk[:20], *(-value - 1 for value in walk[20:])])
    start = rows["timestamp"].min()
    fault = {"asset_id": "a", "start": start + pd.Timedelta(seconds=10), "end": start + pd.Timedelta(seconds=19)}
    (suspicion,) = suspicions.copies(rows, one_sensor(), pd.DataFrame([fault]))
    assert "a and b (19 readings, 10 of them with opposite labels)" in suspicion.said


def test_machines_that_stand_still_together_are_not_one():
    """Equal values that do not change tell nothing."""
    assert suspicions.copies(experiments(a=[0.0] * 100, b=[0.0] * 100), one_sensor(), None) == []


def test_a_sensor_that_never_moves_is_suspected():
    """On every asset; one that moves on a single one is alive."""
    assert "x (5) never moves" in suspicions.constants(experiments(a=[5.0] * 200), one_sensor())[0].said
    assert suspicions.constants(experiments(a=[5.0] * 200, b=[6.0] * 200), one_sensor()) == []
    assert suspicions.constants(experiments(a=[5.0] * 20), one_sensor()) == []


def test_another_step_than_the_type_s_is_suspected():
    """A jitter of a tenth is none."""
    minute = pd.Timedelta(minutes=1).to_pytimedelta()
    assert suspicions.step(66.0, minute) == []
    assert suspicions.step(None, minute) == []
    assert "every 5s, but the asset type's step is 1min" in suspicions.step(5.0, minute)[0].said
