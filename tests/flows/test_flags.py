"""The table of flags is written with the readings, changes nothing in them, and follows them."""

from __future__ import annotations

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
