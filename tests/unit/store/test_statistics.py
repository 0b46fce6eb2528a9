"""What the log alone answers of assets and times, and which files a read opens."""

import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper.errors import StoreError
from wheeltapper.store import Staged, Store, files, statistics
from wheeltapper.tables import Column, Table

FLOWS = Table(
    name="flows",
    key=("asset_id", "timestamp"),
    time="timestamp",
    more="number",
    columns=(Column("asset_id", "text", "the machine"), Column("timestamp", "time", "when")),
)
NOTES = Table(name="notes", key=("number",), columns=(Column("number", "count", "0, 1, …"),))
START = datetime(2026, 1, 5, tzinfo=UTC)


def flows(asset: str, *hours: float) -> pd.DataFrame:
    """Rows of one asset so many hours after Monday's midnight; the flow is the hour."""
    times = pd.to_datetime([START + timedelta(hours=hour) for hour in hours], utc=True)
    return pd.DataFrame({"asset_id": asset, "timestamp": times, "flow": list(hours)})


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


@pytest.fixture
def plant(tmp_path: Path) -> Store:
    """Two assets over two days in three versions, each in a file of its own; c appears later."""
    plant = Store(tmp_path, "mill")
    plant.upsert(FLOWS, pd.concat([flows("a", 1, 2, 3), flows("b", 2)]), txn="1")
    plant.upsert(FLOWS, flows("a", 25, 26), txn="2")
    plant.upsert(FLOWS, flows("c", 27), txn="3")
    return plant


def data_files(plant: Store) -> list[Path]:
    return sorted((plant.folder / "flows").rglob("*.parquet"))


def keep_only(plant: Store, is_kept: Callable[[Path], bool]) -> None:
    """Delete all other data files: what still works has not opened them."""
    for path in data_files(plant):
        if not is_kept(path):
            path.unlink()


def test_newest_and_rows_come_from_the_log(plant: Store) -> None:
    """With no data file left, the log still knows the newest time and the rows of each asset."""
    keep_only(plant, lambda path: False)
    assert plant.newest(FLOWS) == {"a": at(26), "b": at(2), "c": at(27)}
    assert plant.rows_per_asset(FLOWS) == {"a": 5, "b": 1, "c": 1}


def test_newest_follows_corrections(plant: Store) -> None:
    """A dropped row and a replaced one leave what is there."""
    plant.upsert(FLOWS, flows("b", 5).assign(flow=9.0), txn="4", drop=pd.concat([flows("a", 26), flows("c", 27)]))
    assert plant.newest(FLOWS) == {"a": at(25), "b": at(5)}
    assert plant.rows_per_asset(FLOWS) == {"a": 4, "b": 2}


def test_a_table_that_is_not_there_has_no_assets(tmp_path: Path) -> None:
    """Nothing was written, so nothing is the newest."""
    assert Store(tmp_path, "mill").newest(FLOWS) == {}


def test_a_table_without_assets_is_refused(plant: Store) -> None:
    """Numbered notes have no asset: the error says so."""
    with pytest.raises(StoreError, match="notes has no assets"):
        plant.newest(NOTES)
    with pytest.raises(StoreError, match="notes has no assets"):
        plant.rows_per_asset(NOTES)


def test_files_with_very_many_assets_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With at most two listed, a file of three assets is read for its answer and leaves the log short."""
    monkeypatch.setattr(statistics, "MOST_ASSETS", 2)
    plant = Store(tmp_path, "mill")
    plant.upsert(FLOWS, pd.concat([flows("a", 1), flows("b", 2), flows("c", 3)]), txn="1")
    plant.upsert(FLOWS, flows("d", 4), txn="2")
    assert plant.newest(FLOWS) == {"a": at(1), "b": at(2), "c": at(3), "d": at(4)}
    keep_only(plant, lambda path: "part-00000" in path.name)
    assert plant.rows_per_asset(FLOWS) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert '\\"d\\":[1,' in (plant.folder / "flows" / "_delta_log" / f"{1:020d}.json").read_text()
    assert '\\"a\\":[1,' not in (plant.folder / "flows" / "_delta_log" / f"{0:020d}.json").read_text()


def test_files_of_earlier_releases_are_read(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries without statistics answer the same from the key columns."""
    monkeypatch.setattr(statistics, "MOST_ASSETS", 0)
    old = Store(plant.folder.parent, "old")
    old.upsert(FLOWS, plant.read(FLOWS), txn="1")
    monkeypatch.undo()
    old.upsert(FLOWS, flows("b", 50), txn="2")
    assert old.newest(FLOWS) == plant.newest(FLOWS) | {"b": at(50)}
    assert old.rows_per_asset(FLOWS) == {"a": 5, "b": 2, "c": 1}
    assert old.read(FLOWS, assets=["b"])["flow"].tolist() == [2, 50]


def test_staged_files_carry_their_statistics(plant: Store) -> None:
    """A staged part travels as JSON between tasks and keeps what it holds of each asset."""
    part = Staged.from_dict(json.loads(json.dumps(plant.stage(FLOWS, flows("z", 1, 7)).as_dict())))
    plant.replace(FLOWS, [part], txn="4")
    keep_only(plant, lambda path: False)
    assert plant.newest(FLOWS) == {"z": at(7)}


def test_a_read_of_assets_opens_only_their_files(plant: Store) -> None:
    """The file of c alone is enough to read c, and none is needed for an asset that is in none."""
    keep_only(plant, lambda path: "part-00002" in path.name)
    assert plant.read(FLOWS, assets=["c"])["flow"].tolist() == [27]
    assert plant.read(FLOWS, assets=["nobody"]).empty
    with pytest.raises(StoreError, match=r"part-0000[01]"):
        plant.read(FLOWS, assets=["a"])


def test_a_read_of_a_span_opens_only_the_files_of_the_asset_in_it(plant: Store) -> None:
    """On Monday from two o'clock b is in one file; on Tuesday it is in none."""
    keep_only(plant, lambda path: "part-00000" in path.name)
    assert plant.read(FLOWS, assets=["b"], start=at(2))["flow"].tolist() == [2]
    assert plant.read(FLOWS, assets=["b"], start=at(25)).empty


@pytest.mark.parametrize("turn", range(8))
def test_selected_rows_are_those_of_a_whole_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int) -> None:
    """Whatever the size of row groups and files: a selection equals reading everything and selecting in the frame."""
    chance = random.Random(turn)
    monkeypatch.setattr(files, "ROWS_PER_GROUP", chance.choice([1, 3, 100]))
    plant = Store(tmp_path, "mill", period=chance.choice(["day", "month"]))
    for batch in range(4):
        parts = [flows(asset, *chance.sample(range(60), chance.randint(0, 9))) for asset in ("é", "b", "pump 1")]
        plant.upsert(FLOWS, pd.concat(parts), txn=str(batch))
    everything = plant.read(FLOWS)
    for _ in range(10):
        assets = chance.sample(["é", "b", "pump 1", "none"], chance.randint(0, 3))
        start, end = at(chance.randint(0, 40)), at(chance.randint(10, 70))
        times = everything["timestamp"]
        wanted = everything[everything["asset_id"].isin(assets) & (times >= start) & (times < end)]
        got = plant.read(FLOWS, assets=assets, start=start, end=end)
        pd.testing.assert_frame_equal(got, wanted.reset_index(drop=True))


def test_a_file_is_hashed_once_and_again_when_it_changes(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second read hashes nothing; a flipped bit afterwards is seen in the same process."""
    monkeypatch.setattr(files, "SETTLED_NS", 0)
    hashed: list[str] = []
    real = files.trusted_bytes

    def watch(folder: Path, file: files.File) -> bytes:
        hashed.append(file.path)
        return real(folder, file)

    monkeypatch.setattr(files, "trusted_bytes", watch)
    first, second = plant.read(FLOWS), plant.read(FLOWS)
    pd.testing.assert_frame_equal(first, second)
    assert len(hashed) == len(set(hashed)) == 3
    path = data_files(plant)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    time.sleep(0.02)  # a clock tick of the file system
    path.write_bytes(data)
    with pytest.raises(StoreError, match=path.name):
        plant.read(FLOWS)
