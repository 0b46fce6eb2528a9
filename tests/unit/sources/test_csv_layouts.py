"""The layouts of CSV files: a row a value, a column a machine; lines above the header, thousands, parts of times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from wheeltapper import config
from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.readings import clean
from wheeltapper.readings.order import in_time
from wheeltapper.sources import Batch
from wheeltapper.sources.csv_folder import CsvFolder

METERS = [
    *("area_offices", "area_room_1", "area_room_2", "area_room_3", "area_room_4", "compressor", "cooling_aggregate"),
    *("cooling_pumps", "dishwasher", "ev", "grid_import", "machine_1", "machine_2", "machine_3", "machine_4"),
    *("machine_5", "pv_facade", "pv_roof", "refrigerator", "ventilation"),
]


def plant(folder: Path, *sensors: str) -> Plant:
    """Make a plant with these sensors, whose file lies in ``folder``."""
    listed = ", ".join(f"{name}: {{unit: 1}}" for name in sensors)
    text = (
        f"asset_type: {{step: 1min, sensors: {{{listed}}}}}\nsource: simulator\nfeatures: [latest]\ncandidates: [lof]"
    )
    return config.parse(text, name="tiny", folder=folder, where="tiny.yaml")


def read(folder: Path, text: str | bytes, *sensors: str, **options: Any) -> list[Batch]:
    """Write one file and read it."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "a.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    options = {"path": "data", "time_column": "time", "time_zone": "UTC", **options}
    own = plant(folder, *sensors)
    source = CsvFolder(**options)
    source.check(own)
    return list(source.read(own))


def told(batches: list[Batch], *sensors: str) -> list[tuple[Any, ...]]:
    """Return asset, minute after midnight and the sensors' values; None where there is none."""
    rows = pd.concat([batch.rows for batch in batches], ignore_index=True)
    minutes = pd.to_datetime(rows["timestamp"], utc=True).dt.minute
    values = [rows[name].astype(object).where(rows[name].notna(), None) for name in sensors]
    return list(zip(rows["asset_id"], minutes, *values, strict=True))


LONG = """time,machine,tag,value
2026-01-05 00:00,p,flow,1
2026-01-05 00:00,p,temp,20
2026-01-05 00:00,q,temp,30
2026-01-05 00:01,p,flow,2
2026-01-05 00:01,p,other,9
2026-01-05 00:01,q,flow,3
"""
AS_LONG: dict[str, Any] = {"layout": "long", "sensor_column": "tag", "value_column": "value"}


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 100])
def test_rows_of_values_become_rows_of_instants(tmp_path: Path, chunk_rows: int) -> None:
    """Each machine and minute is one row, through the borders of chunks; other sensors are left out."""
    found = read(tmp_path, LONG, "flow", "temp", asset_column="machine", chunk_rows=chunk_rows, **AS_LONG)
    assert sorted(told(found, "flow", "temp")) == [
        ("p", 0, 1.0, 20.0),
        ("p", 1, 2.0, None),
        ("q", 0, None, 30.0),
        ("q", 1, 3.0, None),
    ]


def test_a_tag_may_name_machine_and_sensor(tmp_path: Path) -> None:
    """As historians write it: P1.FT is the flow of P1; a tag that does not fit is left out."""
    text = "time,tag,value\n2026-01-05 00:00,P1.FT,1\n2026-01-05 00:00,P2.FT,2\n2026-01-05 00:00,weather,9\n"
    options = {"tag_pattern": r"(?P<asset>.+)\.(?P<sensor>.+)", "columns": {"FT": "flow"}}
    assert told(read(tmp_path, text, "flow", **AS_LONG, **options), "flow") == [("P1", 0, 1.0), ("P2", 0, 2.0)]


def test_a_sensor_that_no_row_names_is_refused(tmp_path: Path) -> None:
    """With what is there, and the near miss."""
    with pytest.raises(SourceError, match=r"column 'tag' never names 'tmp'.*flow, other, temp.*Did you mean 'temp'"):
        read(tmp_path, LONG, "flow", "tmp", asset_column="machine", **AS_LONG)


def test_wide_options_on_long_rows_name_the_layout(tmp_path: Path) -> None:
    """And the two columns that it needs."""
    with pytest.raises(SourceError, match="set layout: long, sensor_column: tag, value_column: value"):
        read(tmp_path, LONG, "flow", "temp")


@pytest.mark.parametrize("chunk_rows", [1, 7, 100])
def test_twenty_meters_side_by_side_are_twenty_assets(tmp_path: Path, chunk_rows: int) -> None:
    """A table of two times and twenty counters: each counter is an asset of its own, with its own values in order."""
    lines = ["utc_timestamp,cet_cest_timestamp," + ",".join(METERS)]
    for minute in range(3):
        values = [str(100 * place + minute) for place in range(20)]
        lines.append(f"2026-01-05T00:0{minute}:00Z,2026-01-05T01:0{minute}:00+0100," + ",".join(values))
    options = {"time_column": "utc_timestamp", "tag_pattern": "(?P<asset>.*)(?<!timestamp)", "chunk_rows": chunk_rows}
    found = told(read(tmp_path, "\n".join(lines), "energy", **options), "energy")
    assert found == [(meter, at, 100.0 * place + at) for at in range(3) for place, meter in enumerate(METERS)]


def test_five_of_twenty_may_be_meant(tmp_path: Path) -> None:
    """Columns that do not fit the pattern are not read."""
    text = "time,machine_1,machine_2,ev\n2026-01-05 00:00,1,2,3\n"
    found = read(tmp_path, text, "energy", tag_pattern=r"(?P<asset>machine_\d+)")
    assert told(found, "energy") == [("machine_1", 0, 1.0), ("machine_2", 0, 2.0)]


def test_an_empty_field_is_no_reading_and_a_word_is_one(tmp_path: Path) -> None:
    """A meter that was installed later has no rows before; one that says 'err' has a row for quarantine."""
    text = "time,m1,m2\n2026-01-05 00:00,1,\n2026-01-05 00:01,err,2\n"
    (batch,) = read(tmp_path, text, "energy", tag_pattern="(?P<asset>m.)")
    assert batch.rows["asset_id"].tolist() == ["m1", "m1", "m2"]
    parsed = clean.parse(batch, plant(tmp_path, "energy"))
    assert parsed.rows["energy"].tolist() == [1.0, 2.0]
    assert "'err' is not a number" in parsed.rejected["reason"][0]


def test_a_torn_row_comes_out_once_and_names_no_machine(tmp_path: Path) -> None:
    """Nobody can say whose it was; it is not lost."""
    text = "time,m1,m2\n2026-01-05 00:00,1,2\n2026-01-05 00:01\n2026-01-05 00:02,3,4\n"
    (batch,) = read(tmp_path, text, "energy", tag_pattern="(?P<asset>m.)")
    parsed = clean.parse(batch, plant(tmp_path, "energy"))
    assert (len(parsed.rows), len(parsed.rejected)) == (4, 1)
    assert "row 3 of a.csv has 1 fields instead of 3" in parsed.rejected["reason"][0]


def test_machines_side_by_side_may_have_several_sensors(tmp_path: Path) -> None:
    """A machine without one of them has it missing; a flag is everybody's."""
    text = "time,P1 flow,P1 temp,P2 flow,bad\n2026-01-05 00:00,1,20,2,0\n2026-01-05 00:01,3,21,4,1\n"
    options = {"tag_pattern": "(?P<asset>[^ ]+) (?P<sensor>.+)", "fault_column": "bad"}
    found = read(tmp_path, text, "flow", "temp", **options)
    assert told(found, "flow", "temp") == [
        ("P1", 0, 1.0, 20.0),
        ("P2", 0, 2.0, None),
        ("P1", 1, 3.0, 21.0),
        ("P2", 1, 4.0, None),
    ]
    assert sorted(pd.concat([batch.faults for batch in found])["asset_id"]) == ["P1", "P2"]


def test_shuffled_rows_of_machines_side_by_side_are_sorted(tmp_path: Path) -> None:
    """By time, each machine for itself."""
    text = "time,m1,m2\n2026-01-05 00:01,3,4\n2026-01-05 00:00,1,2\n"
    found = told(read(tmp_path, text, "energy", tag_pattern="(?P<asset>m.)", shuffled=True), "energy")
    assert found == [("m1", 0, 1.0), ("m2", 0, 2.0), ("m1", 1, 3.0), ("m2", 1, 4.0)]


def test_a_pattern_that_fits_nothing_or_leaves_the_sensor_open_is_refused(tmp_path: Path) -> None:
    """With what is there, and what is missing."""
    text = "time,m1,m2\n2026-01-05 00:00,1,2\n"
    with pytest.raises(SourceError, match=r"no name fits tag_pattern .* \(there are: m1, m2\)"):
        read(tmp_path, text, "energy", tag_pattern="(?P<asset>x.)")
    with pytest.raises(SourceError, match=r"names no sensor, but tiny has 2: flow, temp\. Add a group"):
        read(tmp_path, text, "flow", "temp", tag_pattern="(?P<asset>m.)")


def test_lines_round_the_header_are_skipped(tmp_path: Path) -> None:
    """Titles and blank lines above, units below; a torn row is still named by its line in the file."""
    text = "Logger;XR-5\n\nSerial 1\ntime;flow\n;m3/h\n2026-01-05 00:00;1\n2026-01-05 00:01;2;3\n"
    (batch,) = read(tmp_path, text, "flow", separator=";", skip_lines=3, skip_after_header=1)
    assert float(batch.rows["flow"][0]) == 1.0
    assert batch.rows["defect"].tolist() == ["", "row 7 of a.csv has 3 fields instead of 2: '2026-01-05 00:01;2;3'"]


@pytest.mark.parametrize(
    ("decimal", "thousands", "fields", "values"),
    [
        (".", ",", ["1,234.5", "12", "1,234,567", "-1,000"], [1234.5, 12, 1234567, -1000]),
        (",", ".", ["1.234,5", "12,25", "1.234.567", "7"], [1234.5, 12.25, 1234567, 7]),
        (",", " ", ["1 234,5", "1\u00a0234,5", "1\u202f234", "3,5"], [1234.5, 1234.5, 1234, 3.5]),
        (".", "'", ["1'234.5", "1\u2019234", "2.5", "0"], [1234.5, 1234, 2.5, 0]),
    ],
)
def test_thousands_are_read(
    tmp_path: Path, decimal: str, thousands: str, fields: list[str], values: list[float]
) -> None:
    """In groups of three digits, in all the ways in which programs write them."""
    body = "".join(f"2026-01-05 00:0{at};{field}\n" for at, field in enumerate(fields))
    found = read(tmp_path, "time;flow\n" + body, "flow", separator=";", decimal=decimal, thousands=thousands)
    assert [value for _, _, value in told(found, "flow")] == values


@pytest.mark.parametrize(("decimal", "thousands", "field"), [(".", ",", "1,23"), (",", ".", "1.23"), (",", " ", "1.5")])
def test_a_mark_in_the_wrong_place_is_not_guessed(tmp_path: Path, decimal: str, thousands: str, field: str) -> None:
    """It may be a factor of a thousand or of ten: the row is put aside with its reason."""
    text = f"time;flow\n2026-01-05 00:00;{field}\n2026-01-05 00:01;7\n"
    (batch,) = read(tmp_path, text, "flow", separator=";", decimal=decimal, thousands=thousands)
    parsed = clean.parse(batch, plant(tmp_path, "flow"))
    assert parsed.rows["flow"].tolist() == [7.0]
    assert f"flow: '{field}' does not have the decimal mark '{decimal}'" in parsed.rejected["reason"][0]


def test_a_time_may_stand_in_two_columns(tmp_path: Path) -> None:
    """Day and time of day, read together; where one is missing, there is no time."""
    text = "Date,Time,flow\n05/01/2026,00:01:00,1\n05/01/2026,,2\n05/01/2026,00:03:00,3\n"
    options = {"time_column": ["Date", "Time"], "time_format": "%d/%m/%Y %H:%M:%S"}
    (batch,) = read(tmp_path, text, "flow", **options)
    parsed = clean.parse(batch, plant(tmp_path, "flow"))
    assert parsed.rows["timestamp"].dt.minute.tolist() == [1, 3]
    assert parsed.rejected["reason"].tolist() == ["timestamp is missing"]


def test_rows_out_of_order_are_readings_with_and_without_the_option(tmp_path: Path) -> None:
    """None is put aside; in time order they are the same, and shuffled only hands them over so."""
    text = "time,flow\n2026-01-05 00:02,1\n2026-01-05 00:01,2\n2026-01-05 00:03,3\n"
    (batch,) = read(tmp_path, text, "flow")
    parsed = clean.parse(batch, plant(tmp_path, "flow"))
    assert (len(parsed.rejected), parsed.rows["flow"].tolist()) == (0, [1.0, 2.0, 3.0])
    (batch,) = read(tmp_path, text, "flow", shuffled=True)
    assert clean.parse(batch, plant(tmp_path, "flow")).rows["flow"].tolist() == [2.0, 1.0, 3.0]
    assert in_time(parsed.rows)["flow"].tolist() == [2.0, 1.0, 3.0]


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "long"},
        {"layout": "long", "sensor_column": "tag", "value_column": "value", "fault_from_row": 3},
        {"sensor_column": "tag"},
        {"tag_pattern": "machine_(.*)"},
        {"tag_pattern": "(?P<asset>.*)(?P<colour>.)"},
        {"tag_pattern": "(?P<asset>.*)", "asset_column": "machine"},
        {"decimal": ",", "separator": ";", "thousands": ","},
        {"thousands": "x"},
        {"skip_lines": -1},
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    """Before anything is read."""
    with pytest.raises(ValidationError):
        CsvFolder(path=Path("data"), time_column="time", **options)
