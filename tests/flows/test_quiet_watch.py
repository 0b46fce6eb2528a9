"""A watch that finds nothing new ends before it opens anything; whatever is new is found by the next one."""

from __future__ import annotations

from typing import Any

import pytest

from wheeltapper import tables

pytestmark = pytest.mark.slow  # real servers and processes

LOOK = "flows._look"
"""The module that opens everything."""
LABELS = ", fault_column: fault"


def test_nothing_new_opens_nothing(line_plant: Any) -> None:
    """Two looks, nothing between them; then ten readings more, and they are stored and scored."""
    assert LABELS in line_plant.plant.read_text()
    assert line_plant.run("run").code == 0
    line_plant.plant.write_text(line_plant.plant.read_text().replace(LABELS, ""))  # what loggers write has no labels
    first = line_plant.run("watch")
    assert first.code == 0, first
    before = line_plant.versions()

    quiet = line_plant.run("watch")
    assert quiet.code == 0, quiet
    assert "nothing is new" in quiet.out
    assert "0 readings read, 0 windows scored, 0 alarms." in quiet.out
    assert LOOK in first.modules
    assert LOOK not in quiet.modules
    assert line_plant.versions() == before

    lines = [f"2026-01-05T03:{minute}:00Z,20.5,5.2,0" for minute in range(20, 30)]
    with line_plant.file("a").open("a") as file:
        file.write("\n".join(lines) + "\n")
    assert "10 readings read, 10 windows scored" in line_plant.run("watch").out
    newest = line_plant.store.newest(tables.SCORES)["a"]
    assert f"{newest:%H:%M}" == "03:29"
