"""The same again changes nothing; corrected data change what they correct, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wheeltapper import tables

pytestmark = pytest.mark.slow  # real servers and processes


def test_running_twice_changes_nothing(second_run: Any) -> None:
    """A second run, from a plant file that has moved, adds no version, run, ledger entry or model."""
    _, before, after = second_run
    assert after == before


@pytest.fixture
def line(line_plant: Any) -> Any:
    """Return a home with two assets from CSV files, taken in."""
    assert line_plant.run("ingest").code == 0
    return line_plant


def test_a_corrected_file_changes_exactly_the_corrected_rows(line: Any) -> None:
    """Three values are corrected: three rows differ, all others still say when they first came."""
    before = line.store.read(tables.READINGS)
    line.correct("a", {10: 21.5, 11: 21.6, 12: 21.7})
    assert line.run("ingest").code == 0
    after = line.store.read(tables.READINGS)
    changed = (before != after).any(axis=1)
    assert list(after.index[changed]) == [10, 11, 12]
    assert list(after.loc[changed, "temperature"]) == [21.5, 21.6, 21.7]


def test_a_correction_can_be_taken_back(line: Any) -> None:
    """A file that returns to its first content brings readings and features back to theirs."""
    assert line.run("featurize").code == 0
    first = line.contents()
    original = line.file("a").read_text()
    line.correct("a", {10: 21.5})
    assert [line.run(step).code for step in ("ingest", "featurize")] == [0, 0]
    second = line.contents()
    assert second["readings"] != first["readings"]
    assert second["features"] != first["features"]
    line.file("a").write_text(original)
    assert [line.run(step).code for step in ("ingest", "featurize")] == [0, 0]
    third = line.contents()
    changes_for_good = ("corrections", "deliveries")
    assert {name: third[name] for name in third if name not in changes_for_good} == {
        name: first[name] for name in first if name not in changes_for_good
    }
    assert [json.loads(content)["temperature"] for content in line.store.read(tables.CORRECTIONS)["content"]] == [
        line.store.read(tables.READINGS)["temperature"][10],
        21.5,
    ]


def test_a_backfill_gives_the_features_of_a_full_run(line: Any) -> None:
    """The last reading of a span is corrected: windows that end after the span hold it, too, and are made again."""
    assert line.run("featurize").code == 0
    line.correct("a", {100: 25.0, 119: 26.0})  # minutes of the day: 01:40 and 01:59
    span = ("--start", "2026-01-05T01:40Z", "--end", "2026-01-05T02:00Z")
    assert line.run("ingest", *span).code == 0
    assert line.run("featurize", *span).code == 0
    backfilled = line.store.digest(tables.FEATURES)
    assert line.run("featurize").code == 0
    assert line.store.digest(tables.FEATURES) == backfilled


def test_a_corrected_fault_replaces_the_one_it_corrects(line: Any) -> None:
    """A fault's first row is found to be normal: the fault begins a row later, and there is still one fault."""
    assert list(line.store.read(tables.FAULTS)["start"]) == [pd.Timestamp("2026-01-05 02:30", tz="UTC")]
    line.correct("b", {150: "0"}, column="fault")
    assert line.run("ingest").code == 0
    assert list(line.store.read(tables.FAULTS)["start"]) == [pd.Timestamp("2026-01-05 02:31", tz="UTC")]


def test_a_confirmed_fault_can_be_taken_back_and_trained_without(undisturbed: Any, tmp_path: Path) -> None:
    """The faults return to their first content in a later version: the first training is opened again."""
    home = undisturbed.copy(tmp_path / "home")
    (alarm, *_) = home.store.read(tables.ALARMS)["alarm_id"]
    faults = home.store.ref(tables.FAULTS)
    assert home.run("confirm", alarm).code == 0
    assert "trained before" not in home.run("train").out
    assert home.run("confirm", alarm, "--undo").code == 0
    undone = home.store.ref(tables.FAULTS)
    assert (undone.version > faults.version, undone.digest) == (True, faults.digest)
    ended = home.run("train")
    assert (ended.code, ended.err) == (0, "")
    assert "trained before on the same data" in ended.out
