"""The table of flags is written with the readings, changes nothing in them, and follows them."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any

import pytest

from wheeltapper import tables

pytestmark = pytest.mark.slow  # real servers and processes


def test_a_spike_is_flagged_stays_in_the_readings_and_a_second_run_changes_nothing(line_plant: Any) -> None:
    """One value of 25 among 20 to 20.6 has one line in the table of flags, and is stored as it came; twice the same.

    Reference row 003-04.
    """
    line_plant.correct("a", {100: 25.0})
    assert line_plant.run("ingest").code == 0
    flags = line_plant.store.read(tables.FLAGS)
    lines = flags[["asset_id", "sensor", "kind", "count"]].to_numpy().tolist()
    assert ["a", "temperature", "hampel", 1] in lines
    assert "b" not in flags.loc[flags["sensor"] == "temperature", "asset_id"].tolist()
    assert line_plant.store.read(tables.READINGS).loc[100, "temperature"] == 25.0
    before = line_plant.contents()
    assert line_plant.run("ingest").code == 0
    assert line_plant.contents() == before


def test_a_kill_between_the_flags_and_what_is_known_of_them_changes_nothing(line_plant: Any, tmp_path: Any) -> None:
    """`kill -9` after the table is written, then a corrected file: as if a new home had read the corrected file."""
    assert line_plant.run("ingest", "--end", "2026-01-05T02:00:00Z").code == 0
    line_plant.correct("a", {150: 25.0, 60: 26.0})
    killed = line_plant.run("ingest", WHEELTAPPER_FAULT="flag.after_write:1:kill")
    assert killed.code == -signal.SIGKILL, killed
    line_plant.correct("a", {60: 20.4, 90: 27.0})
    assert line_plant.run("ingest").code == 0
    assert line_plant.damage() == []
    fresh = replace(line_plant, folder=tmp_path / "fresh")
    assert fresh.run("ingest").code == 0
    assert line_plant.contents()["readings"] == fresh.contents()["readings"]
    assert line_plant.contents()["flags"] == fresh.contents()["flags"]
    assert len(line_plant.store.read(tables.FLAGS))
