"""After a look, the files of a source tell whether something is new, where nothing else can be."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper import unchanged
from wheeltapper.checks import Findings
from wheeltapper.config import Plant
from wheeltapper.readings.delivery import quiet
from wheeltapper.readings.delivery.deliver import deliver_new
from wheeltapper.unchanged import Look
from wheeltapper.workspace import Workspace

PLANT = """
description: one line
asset_type: {step: 1min, sensors: {flow: {unit: 1}}}
source: {csv_folder: {path: PATH, time_column: time OPTIONS}}
windows: {rows: 2}
features: [latest]
candidates: [lof]
"""
ROWS = "time,flow,bad\n2026-01-05T00:00Z,1,0\n2026-01-05T00:01Z,2,0\n"
LONG_AGO = 1_700_000_000


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))


def _accept(_rows: pd.DataFrame, _plant: Plant, _docs: Path | None) -> Findings:
    return Findings(True, (), pd.DataFrame({"row": [], "expectation": [], "reason": []}).astype({"row": "int64"}), ())


def _looked_at(folder: Path, path: str = "data", options: str = "") -> Path:
    """Look at a plant with one old file, and return the plant's file."""
    file, plant = folder / "data" / "line [1].csv", folder / "line.yaml"
    file.parent.mkdir()
    file.write_text(ROWS)
    os.utime(file, (LONG_AGO, LONG_AGO))
    plant.write_text(PLANT.replace("PATH", path).replace("OPTIONS", options))
    space = Workspace.open(str(plant))
    look = Look.begin(space.settings, str(plant))
    deliver_new(space, datetime(2026, 2, 1, tzinfo=UTC), _accept)
    quiet.end(space, look)
    return plant


@pytest.mark.parametrize("path", ["data", '"data/line [1].csv"'])
def test_the_files_tell_that_nothing_is_new(tmp_path: Path, path: str) -> None:
    """A folder and a single file alike; a file that grew afterwards is new."""
    plant = _looked_at(tmp_path, path)
    assert unchanged.title(str(plant)) == "line: one line"
    with (tmp_path / "data" / "line [1].csv").open("a") as file:
        file.write("2026-01-05T00:02Z,3,0\n")
    assert unchanged.title(str(plant)) is None


def test_files_with_faults_in_them_are_looked_at(tmp_path: Path) -> None:
    """What is faulty may reach from one file into the next."""
    assert unchanged.title(str(_looked_at(tmp_path, options=", fault_column: bad"))) is None
