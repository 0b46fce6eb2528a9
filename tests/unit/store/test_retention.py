"""Old versions that are given up: files that only they need go, on record; nothing else does."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.another_process import fresh
from wheeltapper.config import Settings
from wheeltapper.errors import StoreError
from wheeltapper.store import Store
from wheeltapper.tables import Column, Table

COLUMNS = (Column("number", "count", "0, 1, …"), Column("x", "number", ""))
NOTES = Table(name="notes", key=("number",), columns=COLUMNS)
LEDGER = Table(name="ledger", key=("number",), columns=COLUMNS)
VERSIONS = 6


def write(plant: Store, value: float, table: Table = NOTES) -> None:
    """Put one value in place of the table: a version, and a file that only it needs."""
    plant.overwrite(table, pd.DataFrame({"number": [0], "x": [value]}), txn=f"write {value}")


def values(plant: Store, version: int | None = None, table: Table = NOTES) -> list[float]:
    values: list[float] = plant.read(table, version=version)["x"].tolist()
    return values


def files(plant: Store, table: Table = NOTES) -> int:
    return len(list((plant.folder / table.name).glob("*.parquet")))


def now() -> datetime:
    """The clock, after a tick of the milliseconds that Delta records."""
    time.sleep(0.002)
    return datetime.now(UTC)


@pytest.fixture
def plant(tmp_path: Path) -> Store:
    """Versions 0 to 5, each with a value of its own."""
    plant = Store(tmp_path, "mill")
    for version in range(VERSIONS):
        write(plant, float(version))
    return plant


def test_only_the_newest_and_the_kept_versions_stay(plant: Store) -> None:
    """Version 2 is kept, the others are given up; the error says so, and nothing counts as damage or stray."""
    deleted = plant.retain({("notes", 2), ("other", 1)}, now())
    assert len(deleted) == 4
    assert files(plant) == 2
    view = fresh(plant)
    assert values(view) == [5.0]
    assert values(view, 2) == [2.0]
    for version in (0, 1, 3, 4):
        with pytest.raises(StoreError, match=f"version {version} of table notes was given up.*KEEP_VERSIONS"):
            view.read(NOTES, version=version)
    assert view.version(NOTES) == VERSIONS, "it is on record as a version of its own"
    assert view.verify() == view.verify(everything=False) == view.strays() == []
    assert view.digest(NOTES, 0) != view.digest(NOTES, 1), "the log still knows every version"


def test_versions_that_were_the_newest_lately_stay(plant: Store) -> None:
    """What was the newest version at the given instant, and everything after it, stays."""
    instant = now()
    write(plant, 6.0)
    write(plant, 7.0)
    assert len(plant.retain(set(), instant)) == 5
    assert [values(plant, version) for version in (5, 6, 7)] == [[5.0], [6.0], [7.0]]
    with pytest.raises(StoreError, match="version 4"):
        plant.read(NOTES, version=4)


def test_a_version_that_is_no_longer_kept_goes(plant: Store) -> None:
    """Kept once, given up later; what was given up once does not come back."""
    plant.retain({("notes", 1), ("notes", 3)}, now())
    write(plant, 6.0)
    assert len(plant.retain({("notes", 0), ("notes", 3)}, now())) == 2
    assert values(plant, 3) == [3.0]
    for version in (0, 1):
        with pytest.raises(StoreError, match="given up"):
            plant.read(NOTES, version=version)
    assert plant.verify() == []


def test_files_that_a_newer_version_shares_stay(plant: Store) -> None:
    """A file that the newest version still needs is not deleted with an older version."""
    plant.upsert(NOTES, pd.DataFrame({"number": [1], "x": [9.0]}), txn="more")
    plant.retain({("notes", 5)}, now())
    plant.upsert(NOTES, pd.DataFrame({"number": [2], "x": [8.0]}), txn="still more")
    plant.retain(set(), now())
    assert values(plant) == [5.0, 9.0, 8.0]
    assert plant.verify() == []


def test_changes_since_a_version_that_was_given_up(plant: Store) -> None:
    """The error says why the files are gone."""
    plant.retain(set(), now())
    with pytest.raises(StoreError, match="version 0 of table notes was given up"):
        plant.changes(NOTES, 0)


def test_nothing_to_give_up_is_no_commit(plant: Store) -> None:
    """An instant before the first version, and the same call a second time, change nothing."""
    before = plant.version(NOTES)
    assert plant.retain(set(), datetime(2000, 1, 1, tzinfo=UTC)) == []
    assert plant.version(NOTES) == before
    instant = now()
    plant.retain(set(), instant)
    before = plant.version(NOTES)
    assert plant.retain(set(), instant) == []
    assert plant.version(NOTES) == before


@pytest.mark.parametrize("name", ["ledger", "corrections", "missing"])
def test_tables_that_say_what_happened_are_never_touched(plant: Store, name: str) -> None:
    """All versions of the ledger, of corrections and of missing cells stay."""
    table = Table(name=name, key=("number",), columns=COLUMNS)
    for version in range(3):
        write(plant, float(version), table)
    plant.retain(set(), now())
    assert [values(plant, version, table) for version in range(3)] == [[0.0], [1.0], [2.0]]


def test_an_instant_needs_a_time_zone(plant: Store) -> None:
    """A local time is refused before anything is deleted."""
    with pytest.raises(StoreError, match="time zone"):
        plant.retain(set(), datetime(2026, 1, 1))
    assert files(plant) == VERSIONS


WRITER = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[3])]!r}
from test_retention import now
from wheeltapper.store import Store
Store(sys.argv[1], "mill").retain(set(), now())
"""


def test_killed_between_record_and_deletion(plant: Store, tmp_path: Path) -> None:
    """The versions are given up already; the files that are left are strays, and sweeping deletes them."""
    environment = {**os.environ, "WHEELTAPPER_FAULT": "store.after_retain:1:kill"}
    assert subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], env=environment, check=False).returncode < 0
    view = fresh(plant)
    assert files(view) == VERSIONS
    assert view.verify() == []
    assert len(view.sweep()) == VERSIONS - 1
    assert values(view) == [5.0]
    assert view.verify() == view.strays() == []


def test_the_setting_is_a_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    """For ever by default; 90d are ninety days."""
    monkeypatch.delenv("WHEELTAPPER_KEEP_VERSIONS", raising=False)
    assert Settings().keep_versions is None
    monkeypatch.setenv("WHEELTAPPER_KEEP_VERSIONS", "90d")
    assert Settings().keep_versions == timedelta(days=90)
