"""The quarantine follows what is new: rows are found by their day, and one of an earlier release goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.checks import Findings
from wheeltapper.config import Plant
from wheeltapper.readings.delivery.deliver import deliver
from wheeltapper.store import Store
from wheeltapper.tables import QUARANTINE
from wheeltapper.workspace import Workspace

NOW = datetime(2026, 2, 1, tzinfo=UTC)
PLANT = """
asset_type: {step: 1min, sensors: {flow: {unit: 1}}}
source: {csv_folder: {path: data, time_column: time}}
windows: {rows: 2}
features: [latest]
candidates: [lof]
"""
EARLIER = replace(
    QUARANTINE,
    key=("batch_id", "row"),
    time=None,
    volatile=("ingested_at",),
    columns=tuple(column for column in QUARANTINE.columns if column.name != "measured_at"),
)
"""The table as earlier releases wrote it."""


def keep_all(rows: pd.DataFrame, plant: Plant, docs: Path | None) -> Findings:
    """Find nothing wrong."""
    return Findings(True, (), pd.DataFrame({"row": [], "expectation": [], "reason": []}), ())


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A plant with a good and a bad row a day, and one that names no time."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    (tmp_path / "data").mkdir()
    rows = "".join(f"2026-01-0{day}T00:00Z,1\n2026-01-0{day}T00:01Z,warm\n" for day in range(1, 6))
    (tmp_path / "data" / "f.csv").write_text("time,flow\n" + rows + "never,2\n", encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(PLANT, encoding="utf-8")
    return Workspace.open(str(tmp_path / "tiny.yaml"))


def bring(space: Workspace, *lines: str) -> None:
    """Let the file grow, and deliver all of it."""
    with (space.plant.folder / "data" / "f.csv").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))
    deliver(space, None, None, NOW, keep_all)


def test_only_the_days_of_rejected_rows_are_written(space: Workspace) -> None:
    """Another bad row of the fifth day: the file's other rows are there already, and only that day changes."""
    bring(space)
    before = space.store.version(QUARANTINE)
    bring(space, "2026-01-05T00:02Z,hot")
    assert before is not None
    assert len(space.store.read(QUARANTINE)) == 7
    changed = space.store.changed(QUARANTINE, before)
    assert changed is not None
    assert {instant.date() for instant in changed} == {datetime(2026, 1, 5).date()}


def test_a_bad_row_that_was_put_aside_once_is_not_put_aside_again(space: Workspace) -> None:
    """Another good row and another name of the delivery: no row is put aside twice, whichever assets a day has."""
    bring(space)
    (space.plant.folder / "data" / "g.csv").write_text("time,flow\n2026-01-05T00:01Z,cold\n", encoding="utf-8")
    bring(space)
    bring(space, "2026-01-05T00:03Z,3")
    rows = space.store.read(QUARANTINE)
    assert sorted(rows["asset_id"].unique()) == ["f", "g"]
    assert len(rows) == 7


def test_a_good_row_leaves_the_quarantine_alone(space: Workspace) -> None:
    """Its version stays."""
    bring(space)
    before = space.store.version(QUARANTINE)
    bring(space, "2026-01-05T00:02Z,3")
    assert space.store.version(QUARANTINE) == before


def test_a_quarantine_of_an_earlier_release_is_read_and_goes_on(space: Workspace, tmp_path: Path) -> None:
    """It was written in two commits; its rows are known, and none of them is put aside twice."""
    bring(space)
    rows = space.store.read(QUARANTINE)
    store = Store(tmp_path / "earlier", space.plant.name)
    for number, part in enumerate((rows[:4], rows[4:])):
        store.upsert(EARLIER, part.drop(columns="measured_at"), txn=f"part {number}")
    assert store.read(QUARANTINE, columns=["expectation"])["expectation"].tolist() == rows["expectation"].tolist()
    old = Workspace.open(str(tmp_path / "tiny.yaml"))
    (old.store.folder / "quarantine").rename(tmp_path / "aside")
    (store.folder / "quarantine").rename(old.store.folder / "quarantine")
    bring(old, "2026-01-05T00:02Z,hot")
    after = old.store.read(QUARANTINE)
    assert len(after) == 7
    assert old.store.digest(QUARANTINE) != old.store.digest(QUARANTINE, 0)
    assert after["measured_at"].dt.day.tolist().count(5) == 2
    assert tables.QUARANTINE.check(after).equals(after)
