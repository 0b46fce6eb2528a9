"""Verification reads what is new since it last found no damage, and everything when asked."""

import os
import time
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper.store import Store, files, verified
from wheeltapper.store.archive import BESIDE
from wheeltapper.tables import Column, Table

FLOWS = Table(
    name="flows",
    key=("asset_id", "timestamp"),
    time="timestamp",
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("timestamp", "time", "when"),
        Column("flow", "number", "m³/h"),
    ),
)


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once."""
    monkeypatch.setattr(verified, "SETTLED_NS", 0)


def write(plant: Store, *days: int) -> None:
    for day in days:
        rows = {"asset_id": "a", "timestamp": pd.Timestamp(f"2026-01-{day:02}", tz="UTC"), "flow": 1.0}
        plant.upsert(FLOWS, pd.DataFrame([rows]), txn=str(day))


@pytest.fixture
def plant(tmp_path: Path) -> Store:
    """Three days in three versions, verified."""
    plant = Store(tmp_path, "mill")
    write(plant, 1, 2, 3)
    time.sleep(0.02)  # a clock tick of the file system
    assert plant.verify(everything=False) == []
    return plant


def data(plant: Store, day: int) -> Path:
    (path,) = plant.folder.rglob(f"period=2026-01-{day:02}/*.parquet")
    return path


def flip(path: Path, *, keeps_time: bool) -> None:
    """Change one bit; a disk that fails does so without another time."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if keeps_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def named(plant: Store, *, everything: bool) -> list[str]:
    return [damage.path for damage in plant.verify(everything=everything)]


def test_the_first_look_reads_everything(tmp_path: Path) -> None:
    """Nothing was verified yet, so that a damaged file is found however old it is."""
    plant = Store(tmp_path, "mill")
    write(plant, 1, 2)
    flip(data(plant, 1), keeps_time=True)
    assert named(plant, everything=False) == [str(data(plant, 1))]
    assert named(plant, everything=False) == [str(data(plant, 1))], "damage is not noted as verified"


def test_a_later_look_reads_what_is_new(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four files only the new one is read."""
    write(plant, 4)
    read: list[str] = []
    real = files.damage

    def watch(folder: Path, file: files.File) -> str | None:
        read.append(file.path)
        return real(folder, file)

    monkeypatch.setattr(files, "damage", watch)
    assert plant.verify(everything=False) == []
    assert read == [str(data(plant, 4).relative_to(plant.folder / "flows"))]
    assert plant.verify() == []
    assert len(read) == 5


def test_what_a_failing_disk_does_is_found_when_everything_is_read(plant: Store) -> None:
    """A bit that flips under the same size and time needs a look at everything."""
    flip(data(plant, 1), keeps_time=True)
    assert named(plant, everything=False) == []
    assert named(plant, everything=True) == [str(data(plant, 1))]


def test_a_file_with_another_time_is_read_again(plant: Store) -> None:
    """Somebody wrote to an old file, or deleted it."""
    flip(data(plant, 1), keeps_time=False)
    path = data(plant, 2)
    path.unlink()
    assert named(plant, everything=False) == [str(data(plant, 1)), str(path)]


def test_a_new_file_that_is_damaged_is_found(plant: Store) -> None:
    """Also one that a newer version no longer needs."""
    write(plant, 4)
    flip(data(plant, 4), keeps_time=True)
    assert named(plant, everything=False) == [str(data(plant, 4))]
    plant.overwrite(FLOWS, plant.read(FLOWS, end=pd.Timestamp("2026-01-02", tz="UTC")), txn="less")
    assert named(plant, everything=False) == [str(data(plant, 4))]


def test_a_damaged_entry_is_found(plant: Store) -> None:
    """A new one, and the one that was verified last."""
    write(plant, 4)
    for version in (3, 2):
        entry = plant.folder / "flows" / "_delta_log" / f"{version:020d}.json"
        intact = entry.read_bytes()
        entry.write_bytes(intact[:-3])
        assert str(entry) in named(plant, everything=False)
        entry.write_bytes(intact)


def test_another_history_is_read_whole(plant: Store) -> None:
    """Entries that were deleted and written anew are not those that were verified."""
    for version in (1, 2):
        (plant.folder / "flows" / "_delta_log" / f"{version:020d}.json").unlink()
    for day in (2, 3):
        data(plant, day).unlink()
    flip(data(plant, 1), keeps_time=True)
    plant = Store(plant.folder.parent, "mill")
    write(plant, 12, 13, 14)
    assert named(plant, everything=False) == [str(data(plant, 1))]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"facts": "{}", "sha256": ""}\n'])
def test_a_damaged_note_means_that_nothing_was_verified(plant: Store, content: bytes) -> None:
    """Everything is read."""
    (plant.folder / "flows" / BESIDE / "verified").write_bytes(content)
    flip(data(plant, 1), keeps_time=True)
    assert named(plant, everything=False) == [str(data(plant, 1))]
