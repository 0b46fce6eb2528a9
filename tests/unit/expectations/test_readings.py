"""The readings suite: which rows are put aside, what stops a batch, what is only noted, and its pages."""

import gc
import re
import weakref
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


def rejected(rows):
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
    assert rejected(frame(pressure=[0.0, 12.0, 14.2, -0.5])) == {
        12: ("pressure_within_limits", "pressure 14.2 bar is outside 0 to 12 bar"),
        13: ("pressure_within_limits", "pressure -0.5 bar is outside 0 to 12 bar"),
    }


def test_a_pure_number_has_no_unit_in_its_reason():
    """Unit 1 is not written."""
    assert rejected(frame(load=[0.1, 1.5, 0.2, 0.3])) == {11: ("load_within_limits", "load 1.5 is outside 0 to 1")}


def test_infinity_breaks_an_open_limit():
    """A sensor without an upper limit still has to be finite."""
    assert list(rejected(frame(power=[1.0, np.inf, 2.0, 3.0]))) == [11]
    below = rejected(frame(shift=[1.0, -np.inf, 2.0, 3.0]))
    assert below == {11: ("shift_is_finite", "shift -inf mm is not a finite number")}


def test_a_missing_value_is_kept():
    """One missing value is no reason to put a row aside."""
    assert rejected(frame(pressure=[1.0, np.nan, 3.0, 4.0])) == {}


def test_two_broken_promises_are_one_line():
    """A row is put aside once, with all its reasons."""
    rows = frame(pressure=[1.0, 99.0, 3.0, 4.0], regime=["normal", "party", "off", "normal"])
    assert list(rejected(rows)) == [11]
    assert rejected(rows)[11] == (
        "regime_known",
        "regime 'party' is none of normal, off; pressure 99 bar is outside 0 to 12 bar",
    )


def notes_on(rows):
    """Return the notes on a batch of which no row is put aside."""
    findings = readings.check(rows, PLANT, None)
    assert (findings.ok, len(findings.rejected)) == (True, 0)
    return list(findings.notes)


def test_repeated_readings_are_noted_and_stay():
    """GX names both; the note counts the one behind which another arrived."""
    times = frame()["timestamp"].iloc[[0, 1, 1, 2]].reset_index(drop=True)
    (note,) = notes_on(frame(timestamp=times))
    assert note.startswith("1 readings are of an instant for which another one arrived later: a (1).")
    far = frame()["timestamp"].iloc[[0, 1, 2, 0]].reset_index(drop=True)
    repeated, late = notes_on(frame(timestamp=far))
    assert (repeated, "up to 2 min behind" in late) == (note, True)


def test_order_is_noted_for_each_asset():
    """Another asset's clock does not matter; what is rejected keeps its number although rows are sorted."""
    times = frame()["timestamp"].iloc[[2, 0, 3, 1]].reset_index(drop=True)
    assert notes_on(frame(timestamp=times, asset_id=["a", "b", "a", "b"])) == []
    (note,) = notes_on(frame(timestamp=times))
    assert note == "2 readings arrived after a later one of their asset, up to 2 min behind: a (2). They are sorted in."
    assert list(rejected(frame(timestamp=times, pressure=[1.0, 99.0, 3.0, 4.0]))) == [11]


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


METERS = config.parse(
    """
asset_type:
  step: 1min
  regimes: [normal, "off"]
  sensors:
    pressure: {unit: bar}
    energy: {unit: kWh, counter: true}
source: simulator
features: [latest]
candidates: [lof]
""",
    name="meters",
    folder=Path(),
    where="meters.yaml",
)


def asset(name, rows=400, **columns):
    """Make a minute-by-minute series in which the pressure swings about 6 bar and the energy counts up by 1 kWh."""
    at = np.arange(rows)
    table = pd.DataFrame(
        {
            "asset_id": [name] * rows,
            "timestamp": pd.date_range("2026-01-05", periods=rows, freq="min", tz="UTC").as_unit("us"),
            "regime": ["normal"] * rows,
            "pressure": 6 + np.sin(at),
            "energy": 100.0 + at,
        }
    )
    return table.assign(**columns)


def notes(*assets):
    """Return what is noted of these assets; information neither stops the batch nor puts rows aside."""
    findings = readings.check(pd.concat(assets, ignore_index=True), METERS, None)
    assert findings.ok, findings.failures
    assert len(findings.rejected) == 0
    return findings.notes


def test_healthy_sensors_are_not_noted():
    """Swinging and counting assets, one of them off at 0 half of the time, and one that stands still all day."""
    at = np.arange(400)
    standing = asset("c", regime="off", pressure=0.0, energy=7.0)
    nightly = asset("b", pressure=np.where(at % 100 < 50, 0.0, 6 + np.sin(at)))
    assert notes(asset("a"), nightly, standing) == ()


def test_a_silent_sensor_is_noted_with_its_asset():
    """100 of 400 values of b are missing: a quarter; a has one in a hundred missing, which is usual."""
    at = np.arange(400)
    few = asset("a", pressure=np.where(at % 100 == 0, np.nan, 6 + np.sin(at)))
    (note,) = notes(few, asset("b", pressure=np.where(at < 100, np.nan, 6 + np.sin(at))))
    assert note.startswith("Often silent: pressure of b (25% of 400 readings without). Check cable")


def test_a_stuck_sensor_is_noted_with_its_asset():
    """The pressure of b never changes, that of a does; over both assets together it would not show."""
    (note,) = notes(asset("a"), asset("b", pressure=6.1))
    assert note.startswith("Mostly stuck: pressure of b (0.0% of 400 readings differ).")


def test_the_worst_are_named_and_the_rest_counted():
    """Five assets fall silent, each for 40 minutes longer than the one before: the last three are named."""
    at = np.arange(400)
    silent = [asset(f"p{n}", pressure=np.where(at < 40 * n, np.nan, 6 + np.sin(at))) for n in range(1, 6)]
    (note,) = notes(*silent)
    named = note.partition(". ")[0]
    assert named.startswith("Often silent: pressure of p5 (50% of 400 readings without), pressure of p4 (40%")
    assert named.endswith("pressure of p3 (30% of 400 readings without) and 2 more")


def test_a_clipped_sensor_is_noted_and_a_switch_is_not():
    """A sine cut at 6.5 bar lies there a third of the time; a switch shows 1 or 6 and is as it should be."""
    at = np.arange(400)
    clipped = asset("b", pressure=np.minimum(6 + np.sin(at), 6.5))
    switch = asset("c", pressure=np.where(at % 40 < 20, 1.0, 6.0))
    (note,) = notes(asset("a"), clipped, switch)
    share = (6 + np.sin(at) >= 6.5).mean()
    assert note.startswith(f"Clipped: pressure of b ({share:.0%} of 400 readings at its largest value 6.5).")


@pytest.mark.parametrize("way", [0.1, 14.5])
def test_another_unit_is_noted_with_its_instant(way):
    """The last quarter of b comes in MPa (a tenth) or in psi: the note says since when, to a sixteenth of the time."""
    at = np.arange(400)
    changed = asset("b", pressure=(6 + np.sin(at)) * np.where(at >= 300, way, 1.0))
    (note,) = notes(asset("a"), changed)
    assert note.startswith("On another scale: pressure of b (")
    assert "until about 2026-01-05 05:00 UTC" in note


def test_a_kelvin_is_seen_by_its_level_and_a_lost_amplifier_by_its_spread():
    """Level 6 becomes 279 at the same spread; in the other the spread falls to a twentieth at the same level."""
    at = np.arange(400)
    kelvin = asset("a", pressure=6 + np.sin(at) + np.where(at >= 200, 273.15, 0.0))
    quiet = asset("b", pressure=6 + np.sin(at) * np.where(at >= 200, 0.05, 1.0))
    (note,) = notes(kelvin, quiet)
    assert "pressure of a (" in note
    assert "pressure of b (spread " in note


def test_a_machine_that_starts_and_stops_is_on_no_other_scale():
    """It runs at 60 and idles at 2, to and fro, and in the end it is back where it was."""
    at = np.arange(800)
    assert notes(asset("a", 800, pressure=np.where(at // 100 % 2 == 0, 60.0, 2.0) + np.sin(at))) == ()


def test_a_counter_that_was_set_back_is_noted_and_kept():
    """The meter of b falls to 0 at 03:20 and again at 05:00; no row is wrong, and the rows stay."""
    at = np.arange(400)
    energy = np.where(at < 200, 100.0 + at, np.where(at < 300, at - 200.0, at - 300.0))
    (note,) = notes(asset("a"), asset("b", energy=energy))
    assert note.startswith(
        "Counters that were set back: energy of b (at 2026-01-05 03:20 UTC by 299 and 2026-01-05 05:00 UTC by 99)."
    )


def test_a_meter_that_was_changed_to_another_unit_is_noted():
    """It counts 1 kWh a minute, then 1000 Wh a minute, and never falls: only its steps tell."""
    at = np.arange(400)
    (note,) = notes(asset("a", energy=np.where(at < 200, 100.0 + at, (100.0 + at) * 1000)))
    assert note.startswith("On another scale: energy of a (1 kWh until about")


def test_long_pauses_are_noted_per_asset():
    """The longest that may be is max_gap, three minutes, as in a; b is away for 61 and for 11."""
    whole = asset("b")
    away = whole.drop(index=[*range(100, 160), *range(200, 210)])
    short = asset("a").drop(index=[50, 51])
    (note,) = notes(short, away)
    assert note == ("Pauses longer than 3min: b (2 times, the longest 1 h 1 min). No window reaches across them.")


def test_a_short_delivery_says_nothing_of_habits():
    """Ten readings of a sensor that stands still are no stuck sensor."""
    assert notes(asset("a", 10, pressure=6.1)) == ()


def test_everything_at_once_is_at_most_eight_lines():
    """However many machines go wrong, a delivery has one line for each kind of thing, the unit first."""
    at = np.arange(400)
    swing = 6 + np.sin(at)
    wrong = [
        asset("unit", pressure=swing * np.where(at < 200, 1, 10.0)),
        asset("reset", energy=(100.0 + at) % 150),
        asset("stuck", pressure=6.1),
        asset("silent", pressure=np.where(at < 300, np.nan, swing)),
        asset("clipped", pressure=np.minimum(swing, 6.0)),
        asset("away").drop(index=range(100, 200)),
    ]
    observations = notes(*wrong, *(rows.assign(asset_id=rows["asset_id"] + " 2") for rows in wrong))
    kinds = [note.partition(":")[0] for note in observations]
    assert kinds == [
        "On another scale",
        "Counters that were set back",
        "Mostly stuck",
        "Often silent",
        "Clipped",
        "Pauses longer than 3min",
    ]


def test_pages_name_assets_where_gx_would_number_rows(tmp_path):
    """The start page says the note; the details of the sensors name sensor and asset, marked as information."""
    findings = readings.check(pd.concat([asset("a"), asset("b", pressure=6.1)]), METERS, tmp_path / "docs")
    start = findings.docs.read_text(encoding="utf-8")
    assert "Mostly stuck: pressure of b" in start
    (details,) = (tmp_path / "docs").glob("validations/**/*sensors.html")
    page = details.read_text(encoding="utf-8")
    assert "pressure of b" in page
    assert "fa-exclamation-triangle" in page
    assert "fa-times text-danger" not in page


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
        assert ("pressure lies within 0 to 12 bar." in page) == ("sensors" not in link)


@pytest.mark.slow
def test_runs_in_parallel_do_not_mix():
    """Four tasks at once get their own findings."""
    frames = [frame(pressure=[1.0, 2.0, 3.0, 100.0 + number]) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(rejected, frames))
    assert [result[13][1].split()[1] for result in results] == ["100", "101", "102", "103"]


def test_pages_of_earlier_runs_stay_up_to_a_number(tmp_path, monkeypatch):
    """A plant that is watched for years does not fill its disk with outcomes; the newest ones are linked."""
    monkeypatch.setattr("expectations._pages.KEPT", 2)
    for hour in range(3):
        rows = frame(pressure=[1.0, 2.0, 3.0, 4.0])
        rows["timestamp"] += pd.Timedelta(hours=hour)
        findings = readings.check(rows, PLANT, tmp_path / "docs")
    outcomes = sorted(path.parent.name for path in (tmp_path / "docs").glob("validations/readings/*/*/*.html"))
    assert len(outcomes) == 2
    start = findings.docs.read_text(encoding="utf-8")
    assert all(f"/{outcome}/" in start for outcome in outcomes)
    assert outcomes[-1].startswith(f"{rows['timestamp'].max():%Y%m%dT%H%M}")


def test_a_table_that_was_checked_is_free_at_once():
    """Python looks for garbage rarely in a run: GX's objects refer to each other and would keep it."""
    values = np.array([0.1, 0.2, 0.3, 0.4])
    kept = weakref.ref(values)
    rows = frame(load=pd.Series(values, copy=False))
    del values
    gc.collect()
    gc.disable()
    try:
        assert readings.check(rows, PLANT, None).ok
        assert kept() is not None
        del rows
        assert kept() is None
    finally:
        gc.enable()
