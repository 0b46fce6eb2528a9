"""The keys that changed since a version: from the files that differ, and by content."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper.errors import StoreError
from wheeltapper.store import Store
from wheeltapper.tables import Column, Table

FLOWS = Table(
    name="flows",
    key=("asset_id", "timestamp"),
    time="timestamp",
    more="number",
    volatile=("seen",),
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("timestamp", "time", "when"),
        Column("seen", "time", "when it was stored"),
    ),
)
NOTES = Table(name="notes", key=("number",), columns=(Column("number", "count", "0, 1, …"), Column("x", "number", "")))
START = datetime(2026, 1, 5, tzinfo=UTC)


def flows(*rows: tuple[str, int, float], seen: int = 0) -> pd.DataFrame:
    """Rows of asset, hours after Monday's midnight, and flow."""
    frame = pd.DataFrame(rows, columns=["asset_id", "hour", "flow"])
    times = pd.to_datetime([START + timedelta(hours=int(hour)) for hour in frame.pop("hour")], utc=True)
    seen_at = pd.Timestamp(START + timedelta(days=seen))
    return frame.assign(timestamp=pd.DatetimeIndex(times, tz="UTC"), seen=seen_at)


def keys(frame: pd.DataFrame) -> list[tuple[str, int]]:
    """Asset and hours after Monday's midnight."""
    hours = (frame["timestamp"] - pd.Timestamp(START)) // pd.Timedelta("1h")
    return list(zip(frame["asset_id"], hours, strict=True))


@pytest.fixture
def plant(tmp_path: Path) -> Store:
    plant = Store(tmp_path, "mill")
    plant.upsert(FLOWS, flows(("a", 1, 1), ("b", 1, 1), ("a", 30, 1)), txn="1")
    return plant


def test_added_replaced_and_dropped_rows_are_changes(plant: Store) -> None:
    """One new key, one other value, one row less: three keys, in order; what stayed is not among them."""
    plant.upsert(FLOWS, flows(("a", 1, 9), ("c", 2, 1)), txn="2", drop=flows(("a", 30, 0)))
    found = plant.changes(FLOWS, 0)
    assert keys(found) == [("a", 1), ("a", 30), ("c", 2)]
    assert found.dtypes.astype(str).to_dict() == {"asset_id": "str", "timestamp": "datetime64[us, UTC]"}


def test_since_the_newest_nothing_changed(plant: Store) -> None:
    """An empty frame with the key's dtypes."""
    found = plant.changes(FLOWS, 0)
    assert found.empty
    assert found.dtypes.astype(str).to_dict() == {"asset_id": "str", "timestamp": "datetime64[us, UTC]"}


def test_since_before_the_first_version_everything_is_new(plant: Store) -> None:
    """Version −1 is the empty table."""
    assert keys(plant.changes(FLOWS, -1)) == [("a", 1), ("a", 30), ("b", 1)]


def test_volatile_columns_are_no_change(plant: Store) -> None:
    """The whole table written again at another time of arrival, in other files: nothing changed."""
    parts = [plant.stage(FLOWS, flows(("a", 1, 1), seen=1)), plant.stage(FLOWS, flows(("b", 1, 1), ("a", 30, 1)))]
    plant.upsert(FLOWS, flows(("z", 1, 1)), txn="2")
    plant.replace(FLOWS, parts, txn="3")
    assert plant.changes(FLOWS, 0).empty
    assert keys(plant.changes(FLOWS, 1)) == [("z", 1)]


def test_a_compaction_is_seen_from_the_log_alone(plant: Store) -> None:
    """The same rows in other files: no file is needed to say that nothing changed."""
    parts = [plant.stage(FLOWS, flows(row)) for row in (("a", 1, 1), ("b", 1, 1), ("a", 30, 1))]
    plant.upsert(FLOWS, flows(("z", 1, 1)), txn="2")
    plant.replace(FLOWS, parts, txn="3")
    for path in plant.folder.rglob("*.parquet"):
        path.unlink()
    assert plant.changes(FLOWS, 0).empty


def test_a_value_that_comes_back_is_no_change(plant: Store) -> None:
    """Changed and changed back: since before both, nothing is different."""
    plant.upsert(FLOWS, flows(("a", 1, 5)), txn="2")
    plant.upsert(FLOWS, flows(("a", 1, 1)), txn="3")
    assert plant.changes(FLOWS, 0).empty
    assert keys(plant.changes(FLOWS, 1)) == [("a", 1)]


def test_only_files_that_differ_are_read(plant: Store) -> None:
    """Tuesday changed, so Monday's file may even be gone."""
    plant.upsert(FLOWS, flows(("a", 30, 2)), txn="2")
    for path in plant.folder.rglob("period=2026-01-05/*.parquet"):
        path.unlink()
    assert keys(plant.changes(FLOWS, 0)) == [("a", 30)]


def test_other_columns_change_every_row(plant: Store) -> None:
    """With another sensor, every row is another one."""
    plant.overwrite(FLOWS, flows(("a", 1, 1), ("b", 1, 1)).rename(columns={"flow": "level"}), txn="2")
    assert keys(plant.changes(FLOWS, 0)) == [("a", 1), ("a", 30), ("b", 1)]


def test_a_table_without_a_time(plant: Store) -> None:
    """A table in one piece is compared as one piece."""
    plant.upsert(NOTES, pd.DataFrame({"number": [1, 2], "x": [1.0, 2.0]}), txn="1")
    plant.upsert(NOTES, pd.DataFrame({"number": [2, 3], "x": [2.0, 3.0]}), txn="2")
    assert plant.changes(NOTES, 0)["number"].tolist() == [3]


def test_a_version_that_there_is_not(plant: Store) -> None:
    """The error names it."""
    with pytest.raises(StoreError, match="no version 7"):
        plant.changes(FLOWS, 7)


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(4))
def test_changes_are_those_of_two_whole_reads(tmp_path: Path, turn: int) -> None:
    """Random writes: the changes since each version are the difference of reading both versions whole."""
    chance = random.Random(turn)
    plant = Store(tmp_path, "mill", period=chance.choice(["day", "month"]))
    for txn in range(15):
        rows = {(chance.choice("abc"), chance.randint(0, 60)): chance.choice([1.0, 2.0]) for _ in range(4)}
        drop = flows(*((chance.choice("abc"), chance.randint(0, 60), 0.0) for _ in range(3)))
        frame = flows(*((asset, hour, flow) for (asset, hour), flow in rows.items()), seen=txn)
        plant.upsert(FLOWS, frame, txn=str(txn), drop=drop if txn % 2 else None)
    newest = plant.version(FLOWS)
    assert newest is not None
    facts = [_facts(plant.read(FLOWS, version=version)) for version in range(newest + 1)]
    for since, before in enumerate(facts):
        differing = sorted({key[:2] for key in before ^ facts[-1]})
        found = plant.changes(FLOWS, since)
        assert sorted(zip(found["asset_id"], found["timestamp"], strict=True)) == differing


def _facts(frame: pd.DataFrame) -> set[tuple[str, pd.Timestamp, float]]:
    return set(zip(frame["asset_id"], frame["timestamp"], frame["flow"], strict=True))
