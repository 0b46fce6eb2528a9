"""The readings suite: which rows are put aside, what stops a batch, what is only noted, and its pages."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from expectations import readings
from wheeltapper import config

PLANT = config.parse(
    """
asset_type:
  step: 1min
  regimes: [normal, "off"]
  sensors:
    pressure: {unit: bar, low: 0, high: 12, description: after the pump}
    power: {unit: kW, low: 0}
    load: {unit: 1, low: 0, high: 1}
    shift: {unit: mm}
source: simulator
features: [latest]
candidates: [lof]
""",
    name="tiny",
    folder=Path(),
    where="tiny.yaml",
)


def frame(**columns):
    """Make four clean readings of one asset, a minute apart, then change columns."""
    rows = pd.DataFrame(
        {
            "row": [10, 11, 12, 13],
            "asset_id": ["a"] * 4,
            "timestamp": pd.date_range("2026-01-05", periods=4, freq="min", tz="UTC").astype("datetime64[us, UTC]"),
            "regime": ["normal"] * 4,
            "pressure": [1.0, 2.0, 3.0, 4.0],
            "power": [1.0, 2.0, 3.0, 4.0],
            "load": [0.1, 0.2, 0.3, 0.4],
            "shift": [-1.0, 1.0, -2.0, 2.0],
        }
    )
    return rows.assign(**columns)


def found(rows):
    """Row → promise and reason, of a batch that may go on."""
    findings = readings.check(rows, PLANT, None)
    assert findings.ok, findings.failures
    return {row.row: (row.expectation, row.reason) for row in findings.rejected.itertuples()}


def test_clean_readings_keep_every_promise():
    """Nothing is put aside, nothing noted."""
    findings = readings.check(frame(), PLANT, None)
    assert (findings.ok, findings.failures, findings.notes, len(findings.rejected)) == (True, (), (), 0)


def test_values_outside_their_limits_are_put_aside_with_the_unit():
    """Both limits belong to the range; the row is named by its column 'row'."""
    assert found(frame(pressure=[0.0, 12.0, 14.2, -0.5])) == {
        12: ("pressure_within_limits", "pressure 14.2 bar is outside 0 to 12 bar"),
        13: ("pressure_within_limits", "pressure -0.5 bar is outside 0 to 12 bar"),
    }


def test_a_pure_number_has_no_unit_in_its_reason():
    """Unit 1 is not written."""
    assert found(frame(load=[0.1, 1.5, 0.2, 0.3])) == {11: ("load_within_limits", "load 1.5 is outside 0 to 1")}


def test_infinity_breaks_an_open_limit():
    """A sensor without an upper limit still has to be finite."""
    assert list(found(frame(power=[1.0, np.inf, 2.0, 3.0]))) == [11]
    below = found(frame(shift=[1.0, -np.inf, 2.0, 3.0]))
    assert below == {11: ("shift_is_finite", "shift -inf mm is not a finite number")}


def test_a_missing_value_is_kept():
    """One missing value is no reason to put a row aside."""
    assert found(frame(pressure=[1.0, np.nan, 3.0, 4.0])) == {}


def test_two_broken_promises_are_one_line():
    """A row is put aside once, with all its reasons."""
    rows = frame(pressure=[1.0, 99.0, 3.0, 4.0], regime=["normal", "party", "off", "normal"])
    assert list(found(rows)) == [11]
    assert found(rows)[11] == (
        "regime_known",
        "regime 'party' is none of normal, off; pressure 99 bar is outside 0 to 12 bar",
    )


def test_of_repeated_readings_the_first_stays():
    """GX names both; only the later one goes, also because it does not move forward."""
    times = frame()["timestamp"].iloc[[0, 1, 1, 2]].reset_index(drop=True)
    assert list(found(frame(timestamp=times))) == [12]
    far = frame()["timestamp"].iloc[[0, 1, 2, 0]].reset_index(drop=True)
    assert list(found(frame(timestamp=far))) == [13]


def test_order_is_promised_for_each_asset():
    """Another asset's clock does not matter."""
    times = frame()["timestamp"].iloc[[2, 0, 3, 1]].reset_index(drop=True)
    assert found(frame(timestamp=times, asset_id=["a", "b", "a", "b"])) == {}
    assert found(frame(timestamp=times))[11] == ("in_order", "lies 120 s behind the asset's previous reading")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (frame().head(0), "at least one reading"),
        (frame().drop(columns="pressure"), "Column pressure (after the pump, in bar) is there"),
        (frame().drop(columns="regime"), "Column regime"),
        (frame(pressure=["1", "2", "3", "x"]), "pressure holds numbers"),
        (frame(pressure=[True, False, True, True]), "pressure holds numbers"),
        (frame(timestamp=frame()["timestamp"].dt.tz_localize(None)), "timestamp holds instants with a time zone"),
    ],
    ids=["empty", "no sensor", "no regime", "text", "flags", "naive"],
)
def test_what_stops_a_batch(rows, words):
    """A batch without rows, a column or its type must not go on."""
    findings = readings.check(rows, PLANT, None)
    assert not findings.ok
    assert any(words in failure for failure in findings.failures)


def test_silent_and_stuck_sensors_are_noted_only():
    """Information neither stops the batch nor puts rows aside."""
    findings = readings.check(frame(pressure=[np.nan, np.nan, 3.0, 4.0], power=[5.0] * 4), PLANT, None)
    assert findings.ok
    assert len(findings.rejected) == 0
    silent, stuck = findings.notes
    assert silent.startswith("At least 95% of the readings have a value of pressure. Not so for 2 of 4 rows")
    assert stuck == "Not so: At least 1% of the readings of power differ from the one before. It is 0."


def test_pages_say_the_promises_with_units_and_load_nothing_from_elsewhere(tmp_path):
    """The start page opens alone, lists what was broken first, and links to the details."""
    findings = readings.check(frame(pressure=[1.0, 99.0, 3.0, 4.0]), PLANT, tmp_path / "docs")
    assert findings.docs == tmp_path / "docs" / "index.html"
    start = findings.docs.read_text(encoding="utf-8")
    assert "pressure lies within 0 to 12 bar." in start
    assert start.index("not so for 1 of 4 rows") < start.index(">kept<")
    links = re.findall(r'href="([^"]+)"', start)
    assert any(link.startswith("validations/") for link in links)
    for link in links:
        page = (tmp_path / "docs" / link).read_text(encoding="utf-8")
        assert not re.search(r"(src|srcset|@import)[^>]{0,20}https?://|<script|<link[^>]*https?://|url\(.https?:", page)
        assert "pressure lies within 0 to 12 bar." in page


def test_runs_in_parallel_do_not_mix():
    """Four tasks at once get their own findings."""
    frames = [frame(pressure=[1.0, 2.0, 3.0, 100.0 + number]) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(found, frames))
    assert [result[13][1].split()[1] for result in results] == ["100", "101", "102", "103"]
