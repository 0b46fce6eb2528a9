"""Every row that came is either a reading or put aside with its reason."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config
from wheeltapper.errors import DataError
from wheeltapper.readings import clean
from wheeltapper.readings.order import in_time, seconds_behind
from wheeltapper.sources import Batch

PLANT = config.parse(
    """
asset_type:
  step: 1min
  regimes: [normal, "off"]
  sensors:
    pressure: {unit: bar, low: 0, high: 12}
    current: {unit: A}
source: simulator
features: [latest]
candidates: [lof]
""",
    name="tiny",
    folder=Path(),
    where="tiny.yaml",
)


def batch(times, pressure, current=None, asset="a", **more):
    """Make a batch; times are minutes after noon (numbers) or given as they are."""
    noon = pd.Timestamp("2026-01-05T12:00:00Z")
    stamps = [(noon + pd.Timedelta(minutes=t)).isoformat() if isinstance(t, int) else t for t in times]
    assets = [asset] * len(stamps) if isinstance(asset, str) else asset
    columns = {"asset_id": assets, "timestamp": stamps, "pressure": pressure}
    columns["current"] = [1.0] * len(stamps) if current is None else current
    return Batch("tiny.csv", pd.DataFrame({**columns, **more}))


def parsed(*args, **kwargs):
    """Parse, and check what must hold always."""
    delivered = batch(*args, **kwargs)
    result = clean.parse(delivered, PLANT)
    assert len(result.rows) + len(result.rejected) == len(delivered.rows)
    assert sorted([*result.rows["row"], *result.rejected["row"]]) == list(range(len(delivered.rows)))
    return result


def reasons(result):
    """Row → promise and reason."""
    return {row.row: (row.expectation, row.reason) for row in result.rejected.itertuples()}


def test_clean_rows_pass_with_exact_dtypes():
    """Rows without a fault come out whole, typed, and 'normal' where the source knows no regime."""
    result = parsed([0, 1], ["1.5", " 2 "])
    assert list(result.rows.columns) == ["row", "asset_id", "timestamp", "regime", "pressure", "current"]
    assert result.rows["row"].dtype == "int64"
    assert str(result.rows["timestamp"].dtype) == "datetime64[us, UTC]"
    assert result.rows["pressure"].tolist() == [1.5, 2.0]
    assert result.rows["regime"].tolist() == ["normal", "normal"]


@pytest.mark.parametrize(
    ("text", "value"),
    [(" 7 ", 7), ("+7", 7), ("-7.", -7), (".5", 0.5), ("1e3", 1000), ("1E-3", 0.001), ("007", 7)],
)
def test_number_like_text_is_a_number(text, value):
    """Blanks, signs and exponents round a number do not matter."""
    assert parsed([0], [text]).rows["pressure"].tolist() == [value]


@pytest.mark.parametrize("word", ["", " ", "nan", "NaN", "null", "NULL", "NA", "N/A", "none", None])
def test_words_for_nothing_are_missing(word):
    """One missing value stays NaN; the row is kept for its other sensor."""
    result = parsed([0, 1], [word, "1"])
    assert np.isnan(result.rows["pressure"][0])
    assert len(result.rejected) == 0


@pytest.mark.parametrize("word", ["abc", "1,5", "12 bar", "0x1A", "1_000", "True", "1.2.3", "--1", "٣"])
def test_text_in_a_number_column_is_put_aside(word):
    """Text is no number, and the reason quotes it."""
    assert reasons(parsed([0, 1], ["1", word])) == {1: ("number_readable", f"pressure: '{word}' is not a number")}


def test_a_flag_is_not_a_number():
    """True is not 1, neither alone nor between numbers."""
    assert list(reasons(parsed([0, 1], [True, False]))) == [0, 1]
    assert list(reasons(parsed([0, 1, 2], pd.Series([1.0, True, None], dtype=object)))) == [1]


@pytest.mark.parametrize("value", [np.inf, -np.inf, "inf", "-Infinity"])
def test_infinity_is_put_aside(value):
    """An infinite value is no reading."""
    ((promise, reason),) = reasons(parsed([0], [value])).values()
    assert promise == "number_finite"
    assert "is not finite" in reason


def test_a_row_without_any_value_is_put_aside():
    """All sensors missing says nothing about the machine."""
    rejected = reasons(parsed([0, 1], [None, 1.0], current=[np.nan, np.nan]))
    assert rejected == {0: ("some_value", "no sensor has a value")}


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (None, "timestamp is missing"),
        ("", "timestamp is missing"),
        ("yesterday", "timestamp 'yesterday' cannot be read"),
        ("2026-02-30T00:00:00Z", "timestamp '2026-02-30T00:00:00Z' cannot be read"),
        ("2026-01-05 12:00:00", "timestamp '2026-01-05 12:00:00' names no time zone"),
        ("2026-01-05", "timestamp '2026-01-05' names no time zone"),
    ],
)
def test_a_time_without_one_meaning_is_put_aside(time, reason):
    """A timestamp must be there, readable, and name its zone."""
    assert reasons(parsed([time, 1], [1, 1])) == {0: ("timestamp_readable", reason)}


def test_naive_timestamps_are_put_aside():
    """Timestamps that pandas read without a zone mean nothing certain."""
    delivered = Batch("x", pd.DataFrame({"asset_id": ["a"], "timestamp": pd.to_datetime(["2026-01-05"])}))
    delivered = Batch("x", delivered.rows.assign(pressure=1.0, current=1.0))
    assert "names no time zone" in clean.parse(delivered, PLANT).rejected["reason"][0]


def test_offsets_are_turned_into_utc():
    """13:00 at +01:00 is noon UTC."""
    result = parsed(["2026-01-05T13:00:00+01:00"], [1])
    assert result.rows["timestamp"][0] == pd.Timestamp("2026-01-05T12:00:00Z")


def test_of_equal_timestamps_the_last_to_arrive_stays():
    """A repeated timestamp is no reason to put a row aside; other assets do not matter."""
    result = parsed([0, 1, 1, 0, 0], [1, 2, 3, 4, 5], asset=["a", "a", "a", "a", "b"])
    assert reasons(result) == {}
    assert in_time(result.rows)["pressure"].tolist() == [4, 3, 5]


def test_a_step_back_is_a_reading_like_any_other():
    """It keeps its place in the order of arrival, which tells how far it lies behind; nothing is put aside."""
    result = parsed([0, 10, 4, 11, 10], [1, 2, 3, 4, 5])
    assert reasons(result) == {}
    assert result.rows["pressure"].tolist() == [1, 2, 3, 4, 5]
    assert seconds_behind(result.rows).tolist() == [0, 0, 360, 0, 60]


def test_one_stray_time_in_the_future_does_not_cost_the_rest():
    """The row that runs ahead is a reading, and so are the three after it."""
    result = parsed([0, 5000, 1, 2, 3], [1, 2, 3, 4, 5])
    assert reasons(result) == {}
    assert in_time(result.rows)["pressure"].tolist() == [1, 3, 4, 5, 2]


@pytest.mark.parametrize("time", ["1899-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_a_year_that_no_reading_has_is_put_aside(time):
    """A clock that is that wrong says nothing about when."""
    assert [promise for promise, _ in reasons(parsed([0, time, 1], [1, 2, 3])).values()] == ["timestamp_readable"]


def test_a_row_put_aside_for_another_reason_does_not_move_the_clock():
    """A garbled row far in the future leaves the others alone, and none of them is behind it."""
    result = parsed([0, 5000, 1], [1, "?", 3])
    assert list(reasons(result)) == [1]
    assert seconds_behind(result.rows).tolist() == [0, 0]


@pytest.mark.parametrize("seed", range(20))
def test_in_any_order_the_same_readings_stay(seed):
    """Nine distinct instants of two assets, shuffled: sorted they are always the same rows."""
    order = np.random.default_rng(seed).permutation(9)
    assets = np.array(list("abababaab"))
    result = parsed(order.tolist(), [float(at) for at in order], asset=assets[order].tolist())
    expected = parsed(list(range(9)), [float(at) for at in range(9)], asset=assets.tolist())
    pd.testing.assert_frame_equal(in_time(result.rows).drop(columns="row"), in_time(expected.rows).drop(columns="row"))


def test_unknown_and_missing_regimes_are_put_aside():
    """An operating state that the asset type does not have is not guessed."""
    rejected = reasons(parsed([0, 1, 2], [1, 2, 3], regime=["off", "party", None]))
    assert rejected[1] == ("regime_known", "regime 'party' is none of normal, off")
    assert "regime is missing" in rejected[2][1]
    assert 0 not in rejected


def test_a_row_without_an_asset_is_put_aside():
    """Nobody knows to which machine it belongs."""
    assert list(reasons(parsed([0, 1, 2], [1, 2, 3], asset=["a", None, " "]))) == [1, 2]


def test_a_defect_named_by_the_source_is_the_reason():
    """What the source already found is not said twice."""
    rejected = reasons(parsed([0, "13:00"], [1, 2], defect=["", "row 3 has 2 fields instead of 4"]))
    assert rejected == {1: ("row_readable", "row 3 has 2 fields instead of 4")}


def test_several_reasons_become_one_line():
    """A row is put aside once, with everything that is wrong with it."""
    rejected = reasons(parsed(["never"], ["abc"], regime=["party"]))
    assert list(rejected) == [0]
    assert rejected[0][1].startswith("timestamp 'never' cannot be read; ")
    assert rejected[0][1].endswith("pressure: 'abc' is not a number")


def test_content_is_the_row_as_it_came():
    """The quarantined row can be read back."""
    result = parsed([0, "never"], ["1", " abc "])
    content = json.loads(result.rejected["content"][0])
    assert content == {"asset_id": "a", "timestamp": "never", "pressure": " abc ", "current": 1.0}
    assert list(result.rejected.columns) == list(clean.REJECTED)


def test_nothing_in_nothing_out():
    """A batch without rows is no error."""
    result = parsed([], [])
    assert len(result.rows) == len(result.rejected) == 0


def test_a_missing_column_is_the_sources_fault():
    """A sensor's column must be there, even if empty."""
    delivered = Batch("x.csv", batch([0], [1]).rows.drop(columns="current"))
    with pytest.raises(DataError, match=r"x\.csv lacks column \['current'\]"):
        clean.parse(delivered, PLANT)
