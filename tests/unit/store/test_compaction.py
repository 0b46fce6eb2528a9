"""Many small deliveries: few files stay, each row is written a few times, and nothing changes by it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper.store import Store, compaction
from wheeltapper.store.log import Log
from wheeltapper.tables import Column, Table

FLOWS = Table(
    name="flows",
    key=("asset_id", "timestamp"),
    time="timestamp",
    more="number",
    columns=(Column("asset_id", "text", "the machine"), Column("timestamp", "time", "when")),
)
START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 100


def flows(*hours: int, flow: float = 1.0, assets: str = "ab") -> pd.DataFrame:
    """One row of each asset at each hour of the year."""
    times = pd.to_datetime([START + timedelta(hours=hour) for hour in hours], utc=True)
    return pd.concat([pd.DataFrame({"asset_id": name, "timestamp": times, "flow": flow}) for name in assets])


def hours(frame: pd.DataFrame) -> list[int]:
    """The hours of the first asset."""
    times = frame.loc[frame["asset_id"] == "a", "timestamp"]
    return [int(hour) for hour in (times - pd.Timestamp(START)) // pd.Timedelta("1h")]


def live(plant: Store, period: str = "2026-01") -> list[Path]:
    state = Log(plant.folder / "flows").state()
    return [plant.folder / "flows" / path for path, file in state.files.items() if file.period == period]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A hundred hours, delivered hour by hour; for tests that change nothing."""
    plant = Store(tmp_path_factory.mktemp("month"), "mill", period="month")
    for hour in range(HOURS):
        plant.upsert(FLOWS, flows(hour), txn=str(hour))
    return plant


def test_a_row_is_written_a_few_times_only(month: Store) -> None:
    """Rows of all files ever written, over the rows of the table: at most one more than there are sizes."""
    written = sum(file.rows for entry in Log(month.folder / "flows").entries(0, HOURS - 1) for file in entry.add)
    assert written / (2 * HOURS) < 4.5, "four pieces become one: log4(100) is 3.3"
    assert len(live(month)) < 12
    assert hours(month.read(FLOWS)) == list(range(HOURS))
    assert month.verify() == []


def test_merged_files_are_no_change(month: Store) -> None:
    """Since any version, the changes are the hours that came after it, whatever was merged meanwhile."""
    for since in (-1, 0, 3, 14, 15, 16, 62, 63, 98, 99):
        assert hours(month.changes(FLOWS, since)) == list(range(since + 1, HOURS))


def test_the_month_before_becomes_one_file(tmp_path: Path) -> None:
    """The first delivery of February leaves one file of January, and only its own rows are changes."""
    plant = Store(tmp_path, "mill", period="month")
    for hour in range(740, 744):
        plant.upsert(FLOWS, flows(hour), txn=str(hour))
    plant.upsert(FLOWS, flows(100), txn="late")
    assert len(live(plant)) > 1
    version = plant.upsert(FLOWS, flows(744, 745), txn="next").version
    assert len(live(plant)) == len(live(plant, "2026-02")) == 1
    assert hours(plant.changes(FLOWS, version - 1)) == [744, 745]
    assert hours(plant.read(FLOWS)) == [100, *range(740, 746)]


def test_a_delivery_across_the_end_of_a_month(tmp_path: Path) -> None:
    """Its January rows go into January's one file."""
    plant = Store(tmp_path, "mill", period="month")
    plant.upsert(FLOWS, flows(741), txn="1")
    plant.upsert(FLOWS, flows(742), txn="2")
    plant.upsert(FLOWS, flows(743, 744), txn="3")
    assert len(live(plant)) == len(live(plant, "2026-02")) == 1
    assert hours(plant.read(FLOWS)) == [741, 742, 743, 744]


def test_a_table_in_one_piece_is_merged_by_size_too(tmp_path: Path) -> None:
    """Nine notes one by one: two files of four and one of one."""
    notes = Table(name="notes", key=("number",), columns=(Column("number", "count", "0, 1, …"),))
    plant = Store(tmp_path, "mill")
    for number in range(9):
        plant.upsert(notes, pd.DataFrame({"number": [number]}), txn=str(number))
    state = Log(plant.folder / "notes").state()
    assert sorted(file.rows for file in state.files.values()) == [1, 4, 4]
    assert plant.read(notes)["number"].tolist() == list(range(9))


def test_large_files_stay_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No merged file has more cells than a writer may hold in memory, whether a month goes on or ends."""
    monkeypatch.setattr(compaction, "MOST_CELLS", 4 * 2 * 3)
    plant = Store(tmp_path, "mill", period="month")
    for hour in range(20):
        plant.upsert(FLOWS, flows(hour), txn=str(hour))
    plant.upsert(FLOWS, flows(745), txn="next")
    state = Log(plant.folder / "flows").state()
    assert max(file.rows for file in state.files.values()) == 8
    assert hours(plant.read(FLOWS)) == [*range(20), 745]


def test_a_correction_rewrites_only_the_files_that_hold_it(month: Store, tmp_path: Path) -> None:
    """One value of the newest hour: the file of the first hours is the same afterwards."""
    plant = Store(tmp_path, "mill", period="month")
    plant.overwrite(FLOWS, flows(*range(50)), txn="1")
    plant.upsert(FLOWS, flows(60), txn="2")
    (large,) = [path for path in live(plant) if "part-00000" in path.name]
    plant.upsert(FLOWS, flows(60, flow=2.0, assets="b"), txn="3")
    assert large in live(plant)
    assert plant.read(FLOWS, assets=["b"])["flow"].tolist() == [1.0] * 50 + [2.0]
    plant.upsert(FLOWS, flows(60, flow=3.0, assets="a"), txn="4", drop=flows(7, assets="b"))
    assert large not in live(plant)
    assert plant.rows_per_asset(FLOWS) == {"a": 51, "b": 50}
    assert plant.read(FLOWS, assets=["a"])["flow"].tolist() == [1.0] * 50 + [3.0]


def test_a_late_hour_opens_no_file_without_a_place_for_it(tmp_path: Path) -> None:
    """Hour 10 is before all others, and asset b has none at hour 30: neither file is needed to add them."""
    plant = Store(tmp_path, "mill", period="month")
    plant.upsert(FLOWS, flows(20, 40, assets="a"), txn="1")
    for path in live(plant):
        path.rename(path.with_suffix(".away"))
    plant.upsert(FLOWS, flows(10), txn="2")
    plant.upsert(FLOWS, flows(30, assets="b"), txn="3")
    for path in (plant.folder / "flows").rglob("*.away"):
        path.rename(path.with_suffix(".parquet"))
    assert hours(plant.read(FLOWS)) == [10, 20, 40]
    assert plant.rows_per_asset(FLOWS) == {"a": 3, "b": 2}
