"""Parquet files: which are found, what is read of them in which pieces, and what is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wheeltapper import config
from wheeltapper.errors import SourceError
from wheeltapper.readings import clean
from wheeltapper.sources import _parquet
from wheeltapper.sources.parquet import Parquet

LONG = {"layout": "long", "sensor_column": "tag", "value_column": "value"}


def plant(folder):
    """Make a plant with sensors flow and temp."""
    text = "asset_type: {step: 1min, sensors: {flow: {unit: 1}, temp: {unit: °C}}}\nsource: simulator\n"
    text += "features: [latest]\ncandidates: [lof]"
    return config.parse(text, name="tiny", folder=Path(folder), where="tiny.yaml")


def batches(folder, start=None, end=None, **options):
    return list(Parquet(**{"path": "data", "time_column": "time", **options}).read(plant(folder), start, end))


def rows(folder, **options):
    return pd.concat([batch.rows for batch in batches(folder, **options)], ignore_index=True)


def refused(folder, **options):
    with pytest.raises(SourceError) as caught:
        batches(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def readings(count=3, **columns):
    """Return some minutes of readings."""
    times = pd.date_range("2026-01-05", periods=count, freq="1min", tz="UTC")
    return pd.DataFrame({"time": times, "flow": np.arange(count) * 1.0, "temp": 20.0, **columns})


def write(folder, path, frame, **options):
    path = Path(folder) / path
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(frame, pa.Table):
        pq.write_table(frame, path)
    else:
        frame.to_parquet(path, **options)


def test_files_of_a_folder_are_assets_in_natural_order(tmp_path):
    """Each file is an asset named by its path, 2 before 10; what tools leave beside them is left alone."""
    for name in ("line/10", "line/2", "a"):
        write(tmp_path, f"data/{name}.parquet", readings())
    for name in ("_SUCCESS", ".a.parquet.crc", "_temporary/x.parquet", "notes.txt"):
        path = tmp_path / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("no parquet")
    read = batches(tmp_path)
    assert [batch.origin for batch in read] == ["a.parquet", "line/2.parquet", "line/10.parquet"]
    assert [batch.rows["asset_id"][0] for batch in read] == ["a", "line/2", "line/10"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("data", ["a.parquet", "x/b.parquet", "x/y/c.parquet"]),
        ("data/a.parquet", ["a.parquet"]),
        ("data/*.parquet", ["a.parquet"]),
        ("data/**/*.parquet", ["a.parquet", "x/b.parquet", "x/y/c.parquet"]),
        ("data/**/[bc].parquet", ["x/b.parquet", "x/y/c.parquet"]),
        ("data/x/?.parquet", ["b.parquet"]),
    ],
)
def test_paths_and_patterns(tmp_path, path, found):
    """A file, a folder with all below it, and patterns; the same with a URL."""
    for name in ("a", "x/b", "x/y/c"):
        write(tmp_path, f"data/{name}.parquet", readings())
    for place in (path, f"{tmp_path.as_uri()}/{path}"):
        shown = [batch.origin for batch in batches(tmp_path, path=place)]
        assert [one.split("/")[-1] for one in shown] == [one.split("/")[-1] for one in found]


def test_folders_that_say_something_are_columns(tmp_path):
    """pump=P%201 is the column pump of the files below, unless a file has its own."""
    write(tmp_path, "data/site=north/pump=P%201/part.0.parquet", readings())
    write(tmp_path, "data/site=north/pump=2/part.0.parquet", readings(pump="own"))
    assert list(rows(tmp_path, asset_column="pump")["asset_id"].unique()) == ["own", "P 1"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_timestamps_of_any_unit_and_zone(tmp_path, unit, zone):
    """Noon in Berlin is 11 o'clock UTC, however it is stored; without a zone it needs one."""
    local = pd.Timestamp("2026-01-05 12:00", tz="Europe/Berlin")
    stored = local.tz_localize(None) if zone is None else local
    column = pa.array([stored.to_pydatetime()], pa.timestamp(unit, tz=zone))
    write(tmp_path, "data/a.parquet", pa.table({"time": column, "flow": [1], "temp": [2]}))
    options = {"time_zone": "Europe/Berlin"} if zone is None else {}
    assert rows(tmp_path, **options)["timestamp"].tolist() == [pd.Timestamp("2026-01-05T11:00Z")]
    if zone is None:
        assert "Set time_zone in the source" in refused(tmp_path)


def test_nanoseconds_are_cut_to_microseconds(tmp_path):
    """What a clock says below a microsecond is left away, not refused."""
    column = pa.array([1767571200000001999], pa.timestamp("ns", tz="UTC"))
    write(tmp_path, "data/a.parquet", pa.table({"time": column, "flow": [1], "temp": [2]}))
    assert rows(tmp_path)["timestamp"].tolist() == [pd.Timestamp("2026-01-05T00:00:00.000001Z")]


def test_the_hours_of_a_clock_change_are_put_aside_by_row(tmp_path):
    """02:30 on the two days is no single instant in Berlin; the other rows stay."""
    times = pd.to_datetime(["2026-03-29 01:30", "2026-03-29 02:30", "2026-10-25 02:30", "2026-10-25 03:30"])
    write(tmp_path, "data/a.parquet", pd.DataFrame({"time": times, "flow": 1.0, "temp": 1.0}))
    (batch,) = batches(tmp_path, time_zone="Europe/Berlin")
    parsed = clean.parse(batch, plant(tmp_path))
    assert parsed.rows["timestamp"].dt.strftime("%H:%M").tolist() == ["00:30", "02:30"]
    assert ["does not exist" in parsed.rejected["reason"][0], "happens twice" in parsed.rejected["reason"][1]] == [
        True
    ] * 2


def test_every_type_of_column_is_read(tmp_path):
    """Decimals, whole and short numbers, categories, bytes and whole floats as names become numbers and text."""
    frame = pa.table(
        {
            "time": pa.array([0, 60], pa.timestamp("s", tz="UTC")),
            "asset": pa.array([7.0, 7.0]),
            "regime": pa.array(["run", "run"]).dictionary_encode(),
            "flow": pa.array([Decimal("1.25"), None]),
            "temp": pa.array([1, 2], pa.int8()),
        }
    )
    write(tmp_path, "data/a.parquet", frame)
    got = rows(tmp_path, asset_column="asset", regime_column="regime", regimes={"run": "normal"})
    assert got["asset_id"].tolist() == ["7", "7"]
    assert got["regime"].tolist() == ["normal", "normal"]
    assert got["flow"].tolist()[0] == 1.25
    assert got["temp"].tolist() == [1.0, 2.0]


def test_flags_and_words_are_no_measurements(tmp_path):
    """True is not 1: cleaning puts it aside; so it does with words among numbers."""
    frame = pd.DataFrame({**readings(), "flow": [True, False, True], "temp": ["1", "x", "3"]})
    write(tmp_path, "data/a.parquet", frame)
    (batch,) = batches(tmp_path)
    assert len(clean.parse(batch, plant(tmp_path)).rows) == 0


@pytest.mark.parametrize("chunk_rows", [1, 3, 4, 100])
def test_pieces_of_any_size_are_the_same_rows(tmp_path, chunk_rows):
    """Row groups and chunks cut the rows, not what is in them; faults come whole."""
    frame = readings(10, bad=[0, 1, 1, 1, 1, 0, 0, 1, 1, 1])
    write(tmp_path, "data/a.parquet", frame, row_group_size=4)
    read = batches(tmp_path, chunk_rows=chunk_rows, fault_column="bad")
    assert max(len(batch.rows) for batch in read) <= chunk_rows
    assert pd.concat([batch.rows for batch in read])["flow"].tolist() == frame["flow"].tolist()
    faults = pd.concat([batch.faults for batch in read])
    assert faults["start"].dt.minute.tolist() == [1, 7]
    assert faults["end"].dt.minute.tolist() == [4, 9]


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_row_groups_outside_the_span_are_not_read(tmp_path, monkeypatch, zone):
    """Statistics tell where the span lies; without a zone, two days more are read."""
    days = pd.date_range("2026-01-01", periods=100, freq="D", tz=zone)
    write(tmp_path, "data/a.parquet", pd.DataFrame({"time": days, "flow": 1.0, "temp": 1.0}), row_group_size=1)
    seen, may = [], _parquet._may_hold
    monkeypatch.setattr(_parquet, "_may_hold", lambda *a: seen.append(may(*a)) or seen[-1])
    start, end = datetime(2026, 2, 10, tzinfo=UTC), datetime(2026, 2, 12, tzinfo=UTC)
    got = rows(tmp_path, start=start, end=end, time_zone=None if zone else "UTC")
    assert [f"{time:%d}" for time in got["timestamp"]] == ["10", "11"]
    assert sum(seen) == (2 if zone else 6)


def test_long_rows_become_wide(tmp_path):
    """Values of one instant stand in one row, whatever the pieces; two assets may take turns."""
    long = readings(6).melt("time", var_name="tag")
    long = pd.concat([long.assign(asset=asset) for asset in "ab"]).sort_values(["time", "asset"])
    write(tmp_path, "data/a.parquet", long)
    whole = rows(tmp_path, asset_column="asset", **LONG)
    assert len(whole) == 12
    assert whole.loc[whole["asset_id"] == "a", "flow"].tolist() == [0, 1, 2, 3, 4, 5]
    for chunk_rows in (1, 3, 7):
        pd.testing.assert_frame_equal(rows(tmp_path, asset_column="asset", chunk_rows=chunk_rows, **LONG), whole)


def test_long_rows_tag_after_tag_are_refused_unless_they_are_sorted(tmp_path):
    """A dump with one tag after the other cannot be read in pieces; shuffled reads it whole."""
    long = readings(20).melt("time", var_name="tag")
    write(tmp_path, "data/a.parquet", long)
    assert "Set shuffled: true in the source" in refused(tmp_path, chunk_rows=10, **LONG)
    got = rows(tmp_path, chunk_rows=10, shuffled=True, **LONG)
    assert got["flow"].tolist() == list(range(20))
    assert got["temp"].tolist() == [20.0] * 20


def test_rows_without_a_time_come_once(tmp_path):
    """They are put aside when reading from the beginning, and do not come again from a watermark on."""
    frame = readings(3)
    frame.loc[1, "time"] = pd.NaT
    write(tmp_path, "data/a.parquet", frame)
    whole = rows(tmp_path, end=datetime(2026, 2, 1, tzinfo=UTC))
    assert whole["flow"].tolist() == [0.0, 1.0, 2.0]
    assert rows(tmp_path, start=datetime(2026, 1, 5, tzinfo=UTC))["flow"].tolist() == [0.0, 2.0]


def test_unsorted_rows_are_sorted_when_asked_for(tmp_path):
    """Shuffled puts each file in the order of time."""
    write(tmp_path, "data/a.parquet", readings(9).sample(frac=1, random_state=0))
    assert rows(tmp_path, shuffled=True)["flow"].tolist() == list(range(9))


def test_names_with_dots_and_umlauts(tmp_path):
    """A dot in a column's name is no path into a structure."""
    write(tmp_path, "data/Größe.parquet", readings().rename(columns={"flow": "Q.mess [m³/h]"}))
    got = rows(tmp_path, columns={"Q.mess [m³/h]": "flow"})
    assert got["flow"].tolist() == [0, 1, 2]
    assert got["asset_id"][0] == "Größe"


def test_what_cannot_be_read_is_named(tmp_path):
    """A Delta table, a file that is no parquet, a folder without any, a wrong URL, and a missing column."""
    write(tmp_path, "delta/a.parquet", readings())
    write(tmp_path, "delta/_delta_log/0.parquet", readings())
    assert "is a Delta table" in refused(tmp_path, path="delta")
    (tmp_path / "data").mkdir()
    assert "the folder is empty" in refused(tmp_path)
    (tmp_path / "data" / "a.csv").write_text("time\n")
    assert "it holds .csv" in refused(tmp_path)
    (tmp_path / "data" / "a.parquet").write_text("no parquet at all")
    assert "a.parquet cannot be read as parquet" in refused(tmp_path)
    assert "cannot be opened" in refused(tmp_path, path="nosuch://bucket/data")
    assert "no file or folder" in refused(tmp_path, path=f"{tmp_path.as_uri()}/nothing")
    write(tmp_path, "data/a.parquet", readings().rename(columns={"flow": "flov"}))
    assert "has no column 'flow' for sensor flow" in refused(tmp_path)
    assert "Did you mean 'flov'?" in refused(tmp_path)
    write(tmp_path, "data/a.parquet", readings().melt("time", var_name="tag"))
    assert "set layout: long, sensor_column: tag, value_column: value" in refused(tmp_path)
