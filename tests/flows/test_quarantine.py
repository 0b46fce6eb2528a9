"""Rows that cannot be trusted are put aside with their reason; none is lost."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from wheeltapper import tables

pytestmark = pytest.mark.slow  # real servers and processes

DIRTY = {
    20: ("text in a number column", {"temperature": "warm"}, "number_readable"),
    21: ("infinity", {"temperature": "inf"}, "number_finite"),
    22: ("outside its limits", {"temperature": "999"}, "temperature_within_limits"),
    23: ("no value at all", {"temperature": "", "pressure": "NaN"}, "some_value"),
    24: ("no time", {"time": ""}, "timestamp_readable"),
    25: ("no real time", {"time": "2026-13-05T00:25:00Z"}, "timestamp_readable"),
}


def test_every_bad_row_is_put_aside_with_its_reason(line_plant: Any) -> None:
    """Six rows are spoilt, each in its own way: these six are in quarantine, all others are readings.

    A seventh comes late, and an eighth has the time of row 19, which it replaces: both are readings.
    """
    line_plant.correct("a", {27: "2026-01-05T00:05:30Z", 26: "2026-01-05T00:19:00Z"}, column="time")
    for row, (_, cells, _) in DIRTY.items():
        for column, value in cells.items():
            line_plant.correct("a", {row: value}, column=column)
    rows = line_plant.rows()
    ended = line_plant.run("ingest")
    assert (ended.code, ended.err) == (0, "")
    aside = line_plant.store.read(tables.QUARANTINE)
    assert dict(zip(aside["row"], aside["expectation"], strict=True)) == {
        row: expectation for row, (_, _, expectation) in DIRTY.items()
    }
    assert (aside["reason"].str.len() > 10).all()
    (replaced,) = line_plant.store.read(tables.CORRECTIONS)["timestamp"]
    assert replaced == pd.Timestamp("2026-01-05T00:19:00Z")
    assert len(line_plant.store.read(tables.READINGS)) + len(aside) + 1 == rows
    assert f"{rows} rows read: {rows - 7} kept, 6 in quarantine." in ended.out


def test_a_tightened_limit_moves_rows_to_quarantine(line_plant: Any) -> None:
    """With a lower limit what was kept is put aside; a wider one brings it back. Row for row, always."""
    line_plant.correct("a", {30: "80", 31: "81"})
    rows = line_plant.rows()
    assert line_plant.run("ingest").code == 0
    assert len(line_plant.store.read(tables.READINGS)) == rows
    wide = line_plant.plant.read_text()
    line_plant.plant.write_text(wide.replace("high: 100", "high: 60"))
    assert line_plant.run("ingest").code == 0
    kept, aside = line_plant.store.read(tables.READINGS), line_plant.store.read(tables.QUARANTINE)
    assert len(kept) + len(aside) == rows
    assert list(aside["row"]) == [30, 31]
    assert kept["temperature"].max() <= 60
    line_plant.plant.write_text(wide)
    assert line_plant.run("ingest").code == 0
    assert len(line_plant.store.read(tables.READINGS)) == rows


def test_another_file_may_change_while_one_has_rows_in_quarantine(line_plant: Any) -> None:
    """File a has a bad row, then file b is corrected: the bad row is still there, once."""
    line_plant.correct("a", {20: "warm"})
    assert line_plant.run("ingest").code == 0
    line_plant.correct("b", {5: "22.5"})
    ended = line_plant.run("ingest")
    assert (ended.code, ended.err) == (0, "")
    assert list(line_plant.store.read(tables.QUARANTINE)["row"]) == [20]


def test_all_rows_rejected_leaves_nothing_but_quarantine(line_plant: Any) -> None:
    """With limits that nothing keeps: exit code 1, one message with the reason, and no reading, also of before."""
    rows = line_plant.rows()
    assert line_plant.run("ingest").code == 0
    line_plant.plant.write_text(line_plant.plant.read_text().replace("high: 100", "high: 1"))
    ended = line_plant.run("ingest")
    assert ended.code == 1
    assert f"all {rows} rows were rejected and are in quarantine" in ended.err
    assert "temperature_within_limits" in ended.err
    assert "Traceback" not in ended.err + ended.out
    assert len(line_plant.store.read(tables.QUARANTINE)) == rows
    assert line_plant.store.read(tables.READINGS).empty
    assert line_plant.contents()["features"] == line_plant.store.digest(tables.FEATURES, -1)
