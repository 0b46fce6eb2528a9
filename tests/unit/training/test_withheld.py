"""What is withheld from learning: whose word counts for which time, and what a person's word takes out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wheeltapper import config, tables
from wheeltapper.config import Plant
from wheeltapper.decisions.feedback import Decision
from wheeltapper.readings import exclude
from wheeltapper.readings.exclude import BEFORE, LEARNT, NOT_JUDGED
from wheeltapper.training import parts, withheld

START = pd.Timestamp("2026-01-05", tz="UTC").as_unit("us")
PLANT = """
asset_type: {step: 1min, sensors: {load: {unit: A}}}
source: {csv_folder: {path: x, time_column: t}}
windows: {rows: 3}
features: [latest]
candidates: [k_sigma]
"""
WEEKS = {("old", "a"): (0, 100), ("new", "a"): (100, 9999)}


def at(minute: float) -> pd.Timestamp:
    return START + pd.Timedelta(minutes=minute)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return config.parse(PLANT, name="mill", folder=tmp_path, where="mill.yaml")


def alarm(first: int, last: int, bundle: str = "old", state: str = "closed") -> dict[str, Any]:
    """An alarm whose first anomalous window ended two minutes before it opened."""
    spans = {"opened_at": at(first + 2), "last_at": at(last), "state": state}
    return {"alarm_id": f"{bundle}{first}", "asset_id": "a", "bundle": bundle, **spans}


def minutes(rows: pd.DataFrame) -> list[tuple[int, int]]:
    """Return spans as whole minutes; a tick before a minute is that minute."""
    spans = zip(rows["start"], rows["end"], strict=True)
    return [tuple(round((one - START) / pd.Timedelta("1min")) for one in span) for span in spans]


def found(plant: Plant, *rows: dict[str, Any], decided: tuple[Decision, ...] = ()) -> pd.DataFrame:
    reached = {key: (at(first), at(until)) for key, (first, until) in WEEKS.items()}
    return withheld.withheld(pd.DataFrame(list(rows)), reached, decided, {"old": 1, "new": 5}, plant)


def said(word: str, first: int, last: int | None = None, sequence: int = 3) -> Decision:
    return Decision(sequence, word, "ada", "", "a", at(first), None if last is None else at(last))


def test_an_alarm_withholds_its_windows_and_one_on_each_side(plant: Plant) -> None:
    """Anomalous from 10 to 20; a window takes three minutes."""
    rows = found(plant, alarm(10, 20))
    assert minutes(rows) == [(7, 23)]
    assert list(rows["reason"]) == [NOT_JUDGED]


def test_the_later_champion_knows_better(plant: Plant) -> None:
    """The old one's word counts until 100, where the new one has begun to score."""
    assert minutes(found(plant, alarm(90, 150))) == [(87, 100)]
    assert minutes(found(plant, alarm(110, 150))) == []
    assert minutes(found(plant, alarm(110, 150, "new"), alarm(90, 99))) == [(87, 100), (107, 153)]


def test_an_alarm_never_reaches_into_what_its_champion_has_learnt(plant: Plant) -> None:
    """It opened with the very first windows that were scored."""
    assert minutes(found(plant, alarm(100, 110, "new"))) == [(100, 113)]


def test_an_open_alarm_goes_on_unless_it_was_dismissed(plant: Plant) -> None:
    """Nothing says that it is over; once a person says so, it is."""
    is_open = alarm(10, 20, state="open")
    assert minutes(found(plant, is_open)) == [(7, 100)]
    assert minutes(found(plant, is_open, decided=(said("dismiss", 10, 20),))) == []
    assert minutes(found(plant, is_open, decided=(said("dismiss", 10, 15),))) == [(18, 100)]
    assert minutes(found(plant, is_open, decided=(said("confirm", 10, 20),))) == [(23, 100)]


def test_a_new_normal_silences_older_champions_only(plant: Plant) -> None:
    """From 50 on the old champion's word is empty; the new one, trained after it, has heard of it."""
    rows = found(plant, alarm(40, 90), alarm(110, 120, "new"), decided=(said("rebaseline", 50),))
    alarms, before = rows[rows["reason"] == NOT_JUDGED], rows[rows["reason"] == BEFORE]
    assert minutes(alarms) == [(37, 50), (107, 123)]
    assert withheld.normal_from(before) == {"a": at(50)}
    rows = found(plant, alarm(110, 120, "new"), decided=(said("rebaseline", 50, sequence=9),))
    assert list(rows["reason"]) == [BEFORE]


def test_what_would_not_be_learnt_is_left_out(plant: Plant) -> None:
    """Learning ends at 15: the first alarm is cut there, the second is not written down."""
    rows = withheld.before_learning(found(plant, alarm(10, 20), alarm(40, 60)), pd.Series({"a": at(15)}))
    assert minutes(rows) == [(7, 15)]
    assert rows["end"].max() < at(15)


def test_an_alarm_that_goes_on_where_learning_ends_puts_the_rest_in_doubt(plant: Plant) -> None:
    """Only the second of two alarms reaches the end of what is learnt."""
    until = pd.Series({"a": at(30)})
    assert withheld.in_doubt(withheld.before_learning(found(plant, alarm(10, 20)), until), until) == frozenset()
    both = found(plant, alarm(10, 20), alarm(25, 60))
    assert withheld.in_doubt(withheld.before_learning(both, until), until) == {"a"}


def test_reach_follows_the_order_of_champions() -> None:
    """Rolled back to the first one: it is the last that became live, so its word counts from its own beginning."""
    scores = pd.DataFrame({"asset_id": "a", "window_end": [at(0), at(5), at(9)], "bundle": ["one", "two", "two"]})
    forever = pd.Timestamp("2262-01-01", tz="UTC")
    assert withheld.reach(scores, ["one", "two"]) == {("one", "a"): (at(0), at(5)), ("two", "a"): (at(5), forever)}
    assert withheld.reach(scores, ["two", "one"]) == {("one", "a"): (at(0), forever)}
    assert withheld.reach(scores.iloc[:0], ["one"]) == {}


def test_withheld_windows_are_not_usable_and_are_counted(plant: Plant) -> None:
    """Ten windows of three minutes, three of them touch the span; one lies in a fault and keeps that reason."""
    ends = [at(minute) for minute in range(10)]
    rows = pd.DataFrame({"asset_id": "a", "window_end": ends, "usable": True, "why_not": ""})
    rows["window_start"] = rows["window_end"] - pd.Timedelta("2min")
    span = {"asset_id": "a", "reason": NOT_JUDGED, "start": at(4), "end": at(5), "detail": "x"}
    reason = pd.Series([""] * 5 + ["inside a fault"] + [""] * 4)
    kept = exclude.withhold(rows, rows, reason, tables.WITHHELD.check(pd.DataFrame([span])))
    assert [place for place, why in enumerate(kept["why_not"]) if why] == [4, 6, 7]
    assert list(kept["usable"]) == [not why for why in kept["why_not"]]
    counts = exclude.tally(kept["why_not"].mask(reason != "", reason), pd.Series(["train"] * 8 + ["test"] * 2))
    assert counts == {"train": {LEARNT: 4, NOT_JUDGED: 3, "inside a fault": 1}, "calibrate": {LEARNT: 0}}


def test_a_new_normal_has_parts_of_its_own(plant: Plant) -> None:
    """From minute 100 of 200 on: half trains, a fifth calibrates; the other machine is cut as before."""
    times = [at(minute) for minute in range(201)]
    rows = pd.concat([pd.DataFrame({"asset_id": name, "timestamp": times, "origin": "f"}) for name in "ab"])
    cuts = parts.cuts(rows, plant, {"a": at(100)})
    columns = ["calibrate_from", "validate_from", "test_from"]
    assert list(cuts.loc["a", columns]) == [at(150), at(170), at(185)]
    assert list(cuts.loc["b", columns]) == [at(100), at(140), at(170)]
