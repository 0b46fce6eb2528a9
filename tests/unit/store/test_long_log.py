"""A log of many commits: snapshots, archived entries and names of writes change nothing about what a store answers."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.another_process import fresh
from wheeltapper.errors import StoreError
from wheeltapper.store import Store, archive, snapshots, txns, upkeep, verify_all
from wheeltapper.store import log as log_module
from wheeltapper.store.archive import BESIDE
from wheeltapper.tables import Column, Table

NOTES = Table(name="notes", key=("number",), columns=(Column("number", "count", "0, 1, …"), Column("x", "number", "")))
COMMITS = 47


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Let everything that happens after hundreds or thousands of commits happen after a few."""
    for module, name, value in (
        (upkeep, "SNAPSHOT_EVERY", 5),
        (upkeep, "CHECKPOINT_EVERY", 3),
        (upkeep, "SEGMENT", 8),
        (archive, "MERGED", 2),
        (snapshots, "KEPT_APART", 15),
        (txns, "MERGED", 3),
    ):
        patch.setattr(module, name, value)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything that happens after hundreds or thousands of commits happen after a few."""
    shorten(monkeypatch)


def write(plant: Store, first: int, last: int) -> None:
    """One commit for each number: it replaces the value of one of four notes."""
    for number in range(first, last):
        plant.upsert(NOTES, pd.DataFrame({"number": [number % 4], "x": [float(number)]}), txn=f"write {number}")


def expected(version: int) -> list[float]:
    """Values of the notes at a version."""
    newest = {number % 4: float(number) for number in range(version + 1)}
    return [newest[number] for number in sorted(newest)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the commits once for all tests."""
    root = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        write(Store(root, "mill"), 0, COMMITS)
    return root


@pytest.fixture
def plant(tmp_path: Path, written: Path) -> Store:
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return Store(tmp_path, "mill")


def beside(plant: Store, kind: str) -> list[Path]:
    return sorted((plant.folder / "notes" / BESIDE / kind).iterdir())


def log(plant: Store) -> Path:
    return plant.folder / "notes" / "_delta_log"


def check(plant: Store, newest: int = COMMITS - 1) -> None:
    """Every version reads as it was written, every write is known, and nothing is damaged."""
    view = fresh(plant)
    assert view.version(NOTES) == newest
    for version in range(newest + 1):
        assert view.read(NOTES, version=version)["x"].tolist() == expected(version), version
    write(view, 0, newest + 1)
    assert view.version(NOTES) == newest, "each write is known by its name"
    assert view.verify() == []
    assert view.strays() == []


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    path.write_bytes(data)


def test_old_entries_are_archived_and_stay_readable(plant: Store) -> None:
    """Few entries have a file of their own, and every version is there."""
    assert len(list(log(plant).glob("*.json"))) < upkeep.SEGMENT + upkeep.SNAPSHOT_EVERY + 1
    assert [path.name for path in beside(plant, "archive")] == [
        f"{first:020d}-{last:020d}.entries" for first, last in ((0, 15), (16, 31), (32, 39))
    ]
    assert len(beside(plant, "snapshots")) < 6
    assert len(beside(plant, "txns")) < 8
    check(plant)


def test_opening_reads_the_newest_entries_only(plant: Store) -> None:
    """With all archived entries and older snapshots gone, the newest version still reads and the next write works."""
    for path in (*beside(plant, "archive"), *beside(plant, "snapshots")[:-1]):
        path.unlink()
    assert fresh(plant).read(NOTES)["x"].tolist() == expected(COMMITS - 1)
    write(fresh(plant), COMMITS, COMMITS + 1)
    with pytest.raises(StoreError, match="is missing from the log"):
        fresh(plant).read(NOTES, version=3)


def test_delta_opens_a_table_with_archived_entries(plant: Store) -> None:
    """Delta's own reader sees the newest rows, and what another reader of the folder would."""
    deltalake = pytest.importorskip("deltalake")
    table = deltalake.DeltaTable(plant.folder / "notes")
    assert table.version() == COMMITS - 1
    assert table.to_pandas().sort_values("number")["x"].tolist() == expected(COMMITS - 1)
    assert table.metadata().name == "notes"
    assert table.metadata().configuration == {"delta.enableExpiredLogCleanup": "false"}


@pytest.mark.parametrize("kept", [0, 1])
def test_nothing_is_lost_with_the_snapshots(plant: Store, kept: int) -> None:
    """Deleted snapshots are named; everything reads as before, and a later commit heals the table."""
    gone = beside(plant, "snapshots")[kept:]
    for path in gone:
        path.unlink()
    assert {damage.path for damage in plant.verify()} & {str(path) for path in gone}
    assert fresh(plant).read(NOTES)["x"].tolist() == expected(COMMITS - 1)
    assert fresh(plant).read(NOTES, version=20)["x"].tolist() == expected(20)
    write(fresh(plant), 0, COMMITS + 6)
    check(plant, COMMITS + 5)


@pytest.mark.parametrize("harm", [flip, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"{}\n")])
def test_a_damaged_snapshot_is_named_and_not_believed(plant: Store, harm: Callable[[Path], None]) -> None:
    """The log is replayed from the snapshot before it."""
    newest = beside(plant, "snapshots")[-1]
    harm(newest)
    assert str(newest) in [damage.path for damage in plant.verify()]
    assert fresh(plant).read(NOTES)["x"].tolist() == expected(COMMITS - 1)
    write(fresh(plant), COMMITS, COMMITS + 6)
    check(plant, COMMITS + 5)


def test_a_snapshot_of_another_table_is_not_believed(plant: Store) -> None:
    """It is sound in itself, but follows another entry than this log's."""
    stranger = Store(plant.folder.parent, "other")
    stranger.upsert(NOTES, pd.DataFrame({"number": [9], "x": [9.0]}), txn="first")
    write(stranger, 1, COMMITS)
    newest = beside(plant, "snapshots")[-1]
    newest.write_bytes((stranger.folder / newest.relative_to(plant.folder)).read_bytes())
    assert fresh(plant).read(NOTES)["x"].tolist() == expected(COMMITS - 1)
    assert str(newest) in [damage.path for damage in plant.verify()]


def test_a_damaged_segment_is_named(plant: Store) -> None:
    """The versions that need it are refused by its name, all others read; it is named once."""
    path = beside(plant, "archive")[1]
    flip(path)
    assert [damage.path for damage in plant.verify()].count(str(path)) == 1
    assert fresh(plant).read(NOTES)["x"].tolist() == expected(COMMITS - 1)
    with pytest.raises(StoreError, match=path.name):
        fresh(plant).read(NOTES, version=29)


def test_names_of_writes_come_from_the_log_where_their_file_is_damaged(plant: Store) -> None:
    """The files damaged or gone: they are named, each write still counts once, and a later snapshot heals them."""
    files = beside(plant, "txns")
    for path in files[::2]:
        path.unlink()
    for path in files[1::2]:
        flip(path)
    named = {damage.path for damage in plant.verify()}
    assert named
    assert named <= {str(path) for path in files}
    view = fresh(plant)
    write(view, 0, COMMITS)
    assert view.version(NOTES) == COMMITS - 1
    write(view, COMMITS, COMMITS + 6)
    check(plant, COMMITS + 5)


def test_checkpoints_that_are_gone_are_written_again(plant: Store) -> None:
    """Delta cannot open archived entries; the next commit writes a checkpoint from our own state first."""
    for path in (*log(plant).glob("*.checkpoint.parquet"), log(plant) / "_last_checkpoint"):
        path.unlink()
    write(fresh(plant), COMMITS, COMMITS + 1)
    check(plant, COMMITS)


def test_a_log_that_lost_its_end_is_refused(plant: Store) -> None:
    """Entries after the newest snapshot deleted, and the one it follows: the snapshot knows of it."""
    newest = int(beside(plant, "snapshots")[-1].name[:20])
    for version in range(newest, COMMITS):
        (log(plant) / f"{version:020d}.json").unlink()
    with pytest.raises(StoreError, match=rf"{newest:020d}\.json is missing from the log"):
        fresh(plant).read(NOTES)
    assert f"{newest:020d}.json" in str(plant.verify())


def test_a_reader_goes_on_while_entries_are_archived(plant: Store) -> None:
    """Two views of one store take turns; each sees what the other wrote."""
    one, other = fresh(plant), fresh(plant)
    for number in range(COMMITS, COMMITS + 12):
        write(one if number % 2 else other, number, number + 1)
        assert one.read(NOTES)["x"].tolist() == other.read(NOTES)["x"].tolist() == expected(number)
    check(plant, COMMITS + 11)


def test_a_table_of_an_earlier_release_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty entries without any snapshot: the next commit writes what is due, and everything is as it was."""
    plant = Store(tmp_path, "mill")
    with monkeypatch.context() as earlier:
        earlier.setattr(upkeep, "after_commit", lambda *_: None)
        write(plant, 0, 40)
    assert not (plant.folder / "notes" / BESIDE).exists()
    write(fresh(plant), 40, 41)
    assert len(beside(plant, "archive")) == 3
    check(plant, 40)


def test_a_commit_of_many_files_is_followed_by_a_snapshot(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entry would take as long to read as many others, at each opening."""
    newest = plant.version(NOTES)
    assert newest is not None
    write(plant, newest + 1, newest + 2)
    before = beside(plant, "snapshots")
    monkeypatch.setattr(upkeep, "MANY_FILES", 1)
    write(plant, newest + 2, newest + 3)
    assert [path.stem for path in beside(plant, "snapshots") if path not in before] == [f"{newest + 2:020d}"]
    monkeypatch.setattr(log_module, "parse", lambda path, *_: pytest.fail(f"{path} was read"))
    assert fresh(plant).read(NOTES)["x"].tolist() == expected(newest + 2)


POINTS = ("checkpoint", "txns", "snapshot", "segment", "merge", "unlink", "drop")

WRITER = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[3])]!r}
import pytest
from test_long_log import shorten, write
from wheeltapper.store import Store
shorten(pytest.MonkeyPatch())
write(Store(sys.argv[1], "mill"), 0, 30)
"""


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_step_of_the_upkeep(tmp_path: Path, point: str, nth: int) -> None:
    """A kill between any two steps, then the same writes again: as if nothing had happened."""
    environment = {**os.environ, "WHEELTAPPER_FAULT": f"store.after_{point}:{nth}:kill"}
    killed = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], env=environment, check=False)
    assert killed.returncode < 0 or (nth > 1 and point in ("segment", "merge", "unlink"))
    plant = Store(tmp_path, "mill")
    assert plant.verify() == []
    newest = plant.version(NOTES)
    assert newest is not None
    check(plant, newest)
    write(plant, 0, COMMITS)
    check(plant)
    assert verify_all(tmp_path) == []


RACER = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[3])]!r}
import pytest
from test_long_log import race, shorten
from wheeltapper.store import Store
shorten(pytest.MonkeyPatch())
race(Store(sys.argv[1], "mill"), int(sys.argv[2]))
"""


def race(plant: Store, racer: int) -> None:
    """Write twenty-five notes of one's own, each in a commit of its own."""
    for number in range(racer * 100, racer * 100 + 25):
        plant.upsert(NOTES, pd.DataFrame({"number": [number], "x": [float(number)]}), txn=f"write {number}")


@pytest.mark.slow
def test_writers_and_a_reader_at_once(tmp_path: Path) -> None:
    """Two processes write and archive, a third reads all the while: nothing is lost, and no read fails."""
    racers = [subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path), str(racer)]) for racer in (0, 1)]
    plant, seen = Store(tmp_path, "mill"), 0
    while any(racer.poll() is None for racer in racers):
        rows = len(plant.read(NOTES))
        assert rows >= seen
        assert len(fresh(plant).read(NOTES)) >= rows
        seen = rows
    assert [racer.returncode for racer in racers] == [0, 0]
    for racer in (0, 1):
        race(plant, racer)
    assert plant.version(NOTES) == 49
    assert plant.read(NOTES)["number"].tolist() == [*range(25), *range(100, 125)]
    assert plant.verify() == plant.strays() == []
    assert [len(plant.read(NOTES, version=version)) for version in range(50)] == list(range(1, 51))
