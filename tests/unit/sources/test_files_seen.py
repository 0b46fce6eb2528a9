"""Which rows of a folder of CSV files are handed over as new: of a file that only grew, its new lines."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from wheeltapper import plants, sources
from wheeltapper.sources import Cursor

PLANT = """
asset_type: {{step: 1min, sensors: {{flow: {{unit: 1}}}}}}
source: {{csv_folder: {{path: data, files: "*", time_zone: UTC{options}}}}}
features: [latest]
candidates: [lof]
"""
WIDE = ", time_column: time"


def minutes(*numbers: int) -> str:
    """Write a line for each minute."""
    return "".join(f"2026-01-05 00:{at:02d},{at}\n" for at in numbers)


def new(folder: Path, cursor: Cursor | None, options: str = WIDE) -> tuple[list[Any], Cursor]:
    """Return the flows of what is new, and the next cursor."""
    plant = plants.parse(PLANT.format(options=options), name="tiny", folder=folder, where="tiny.yaml")
    news = sources.build(plant.source).read_new(plant, cursor, None)
    batches = list(news.batches)
    assert news.is_empty == (cursor is not None and not batches)
    return [int(flow) for batch in batches for flow in batch.rows["flow"]], news.cursor


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with a file of three minutes."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("time,flow\n" + minutes(0, 1, 2))
    return folder


def test_of_a_file_that_grew_only_the_new_lines_are_handed_over(data: Path) -> None:
    """Of another file all lines; of one that did not change none."""
    flows, cursor = new(data.parent, None)
    assert flows == [0, 1, 2]
    (data / "a.csv").write_text("time,flow\n" + minutes(0, 1, 2, 3))
    (data / "b.csv").write_text("time,flow\n" + minutes(9))
    flows, cursor = new(data.parent, cursor)
    assert flows == [3, 9]
    assert new(data.parent, cursor)[0] == []


def test_a_line_without_an_end_is_handed_over_again(data: Path) -> None:
    """It may have been half a line."""
    (data / "a.csv").write_text("time,flow\n" + minutes(0) + "2026-01-05 00:01,1")
    flows, cursor = new(data.parent, None)
    assert flows == [0, 1]
    (data / "a.csv").write_text("time,flow\n" + minutes(0) + "2026-01-05 00:01,17\n")
    assert new(data.parent, cursor)[0] == [17]


@pytest.mark.parametrize(
    "text", ["time,flow\n" + minutes(5, 1, 2, 3), "time,flow\n" + minutes(0, 1), "flow,time\n" + "4,2026-01-05 00:04\n"]
)
def test_a_file_that_changed_where_it_was_read_is_handed_over_whole(data: Path, text: str) -> None:
    """A changed line, a shorter file, another header."""
    _, cursor = new(data.parent, None)
    (data / "a.csv").write_text(text)
    assert len(new(data.parent, cursor)[0]) == text.count("\n") - 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (WIDE + ", fault_from_row: 9", [0, 1, 2, 3]),
        (", first: 2026-01-05", [0, 1, 2, 3]),
        (WIDE + ", encoding: utf-16", [0, 1, 2, 3]),
        (WIDE + ", skip_after_header: 1", [3]),
        (WIDE + ", header: false, names: [time, flow]", [3]),
    ],
)
def test_a_file_whose_lines_need_those_before_them_is_handed_over_whole(
    data: Path, options: str, expected: list[int]
) -> None:
    """Lines that are counted from the file's beginning, or written in more than a byte a letter."""
    encoding = "utf-16" if "utf-16" in options else "utf-8"
    above = "" if "header: false" in options else "time,flow\n" + ("UTC,m\n" if "after_header" in options else "")
    (data / "a.csv").write_text(above + minutes(0, 1, 2), encoding)
    _, cursor = new(data.parent, None, options)
    (data / "a.csv").write_text(above + minutes(0, 1, 2, 3), encoding)
    assert new(data.parent, cursor, options)[0] == expected


def test_a_packed_file_that_grew_is_handed_over_whole(data: Path) -> None:
    """What was appended is packed by itself, as loggers do."""
    (data / "a.csv").unlink()
    packed = data / "a.csv.gz"
    packed.write_bytes(gzip.compress(("time,flow\n" + minutes(0, 1)).encode()))
    _, cursor = new(data.parent, None)
    with packed.open("ab") as file:
        file.write(gzip.compress(minutes(2).encode()))
    assert new(data.parent, cursor)[0] == [0, 1, 2]


def test_a_quoted_field_that_is_not_closed_is_never_cut(data: Path) -> None:
    """The file ended inside a field of several lines: it is read whole once it goes on."""
    (data / "a.csv").write_text('time,flow,note\n2026-01-05 00:00,0,"first\n')
    (data / "b.csv").write_text("time,flow,note\n2026-01-05 00:09,9,x\n")
    plant = plants.parse(PLANT.format(options=WIDE), name="tiny", folder=data.parent, where="tiny.yaml")
    cursor = sources.build(plant.source).read_new(plant, None, None).cursor
    (data / "a.csv").write_text("time,flow,note\n2026-01-05 00:00,0,first\n2026-01-05 00:01,1,x\n")
    assert new(data.parent, cursor)[0] == [0, 1]
    (data / "a.csv").write_text('time,flow,note\n2026-01-05 00:00,0,"first\nsecond"\n')
    cursor = new(data.parent, cursor)[1]
    (data / "a.csv").write_text('time,flow,note\n2026-01-05 00:00,0,"first\nsecond"\n2026-01-05 00:01,1,x\n')
    assert new(data.parent, cursor)[0] == [1]
