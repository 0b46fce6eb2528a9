"""Only what is new: read from a cursor, checked alone, and the tables end as if everything had been read at once."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper import faultpoints, tables
from wheeltapper.checks import Findings
from wheeltapper.config import Plant
from wheeltapper.errors import DataError
from wheeltapper.readings.delivery.deliver import Ingested, deliver, deliver_new
from wheeltapper.sources import csv_folder
from wheeltapper.workspace import Workspace

PLANT = """
asset_type: {step: 1min, sensors: {flow: {unit: 1, high: HIGH}}}
source: SOURCE
windows: {rows: 2}
features: [latest]
candidates: [lof]
"""
CSV = "{csv_folder: {path: data, time_column: time, asset_column: asset OPTIONS}}"
HEADER = "time,asset,flow\n"
START = datetime(2026, 1, 5, tzinfo=UTC)


def lines(minutes: range, asset: str = "a") -> str:
    """Write a reading of 0.5 for each minute."""
    return "".join(f"{(START + timedelta(minutes=at)).isoformat()},{asset},0.5\n" for at in minutes)


class Line:
    """A plant that is delivered to an hour later each time; ``checked`` are the rows of each check."""

    def __init__(self, folder: Path, source: str = CSV.replace(" OPTIONS", ""), high: float = 100) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True, exist_ok=True)
        self.write_plant(source, high)
        self.now = datetime(2026, 2, 1, tzinfo=UTC)
        self.checked: list[int] = []
        self.failure = ""

    def write_plant(self, source: str, high: float = 100) -> None:
        """Write the plant's file."""
        text = PLANT.replace("SOURCE", source).replace("HIGH", f"{high:g}")
        (self.folder / "line.yaml").write_text(text, encoding="utf-8")

    def file(self, name: str) -> Path:
        """Return where a file of readings lies."""
        return self.folder / "data" / f"{name}.csv"

    def check(self, rows: pd.DataFrame, plant: Plant, docs: Path | None) -> Findings:
        """Reject values above the limit, and count the rows."""
        self.checked.append(len(rows))
        high = plant.asset_type.sensors["flow"].high
        places = rows["row"][rows["flow"] > (high or 0)]
        rejected = pd.DataFrame({"row": places, "expectation": "flow_within_limits", "reason": "flow is too high"})
        return Findings(not self.failure, (self.failure,) if self.failure else (), rejected, ())

    def new(self) -> Ingested:
        """Deliver what is new."""
        self.now += timedelta(hours=1)
        self.checked.clear()
        with self._home():
            return deliver_new(self.space, self.now, self.check)

    def all(self) -> Ingested:
        """Deliver everything."""
        self.now += timedelta(hours=1)
        self.checked.clear()
        with self._home():
            return deliver(self.space, None, None, self.now, self.check)

    @contextlib.contextmanager
    def _home(self):  # type: ignore[no-untyped-def]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WHEELTAPPER_HOME", str(self.folder / "home"))
            yield

    @property
    def space(self) -> Workspace:
        """The plant, opened anew."""
        with self._home():
            return Workspace.open(str(self.folder / "line.yaml"))

    def digests(self) -> dict[str, str]:
        """Return the content of the tables of readings."""
        with self._home():
            store = self.space.store
            written = (tables.READINGS, tables.CORRECTIONS, tables.QUARANTINE)
            return {table.name: store.digest(table) for table in written}


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """Return a plant with one file of ten readings, delivered as new."""
    line = Line(tmp_path)
    line.file("1").write_text(HEADER + lines(range(10)))
    assert line.new().kept == 10
    return line


def test_nothing_new_is_known_without_reading(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is opened as a table, nothing is checked or written, and it is no error."""
    before = line.digests()
    monkeypatch.setattr(csv_folder, "header", None)
    ingested = line.new()
    assert (ingested.rows, line.checked, ingested.summary()) == (0, [], ["nothing is new"])
    assert line.digests() == before


def test_a_new_file_is_read_alone_however_old_its_readings_are(line: Line) -> None:
    """A week before all others: it is new, and nothing else is read."""
    line.file("2").write_text(HEADER + lines(range(-10_080, -10_075)))
    ingested = line.new()
    assert (ingested.rows, ingested.kept, line.checked) == (5, 5, [5])
    assert line.new().rows == 0


def test_of_a_file_that_grew_only_the_new_lines_are_read(line: Line) -> None:
    """Also the line that was not finished when it was read: its value is corrected."""
    with line.file("1").open("a") as file:
        file.write(lines(range(10, 12)) + "2026-01-05T00:12:00Z,a,0.")
    assert (line.new().rows, line.checked) == (3, [3])
    with line.file("1").open("a") as file:
        file.write("75\n" + lines(range(13, 14)))
    assert (line.new().rows, line.checked) == (2, [2])
    readings = line.space.store.read(tables.READINGS)
    assert readings["flow"].tolist() == [0.5] * 12 + [0.75, 0.5]
    assert len(line.space.store.read(tables.CORRECTIONS)) == 1


def test_a_bad_line_at_the_end_of_a_file_that_grew_is_named_by_its_place(line: Line) -> None:
    """It has a field too few, and is the twelfth line of the file; the run goes on."""
    with line.file("1").open("a") as file:
        file.write("2026-01-05T00:12:00Z,a\n")
    assert line.new().quarantined == 1
    (reason,) = line.space.store.read(tables.QUARANTINE)["reason"]
    assert reason.startswith("row 12 of 1.csv has 2 fields instead of 3")


def test_a_file_that_was_touched_or_written_again_is_not_new(line: Line) -> None:
    """Another time of change, and the same content."""
    os.utime(line.file("1"), (1_000_000_000, 1_000_000_000))
    assert (line.new().rows, line.checked) == (0, [])


def test_a_changed_line_is_the_only_reading_that_is_checked(line: Line) -> None:
    """The file is read whole, with the same size; nine of its readings are stored already."""
    text = line.file("1").read_text()
    line.file("1").write_text(text.replace("00:04:00+00:00,a,0.5", "00:04:00+00:00,a,0.6"))
    assert (line.new().kept, line.checked) == (1, [1])
    assert line.space.store.read(tables.READINGS)["flow"][4] == 0.6


@pytest.mark.parametrize("options", ["", ", separator: ' '", ", shuffled: true", ", layout: wide, skip_lines: 1"])
def test_hour_by_hour_ends_as_all_at_once(tmp_path: Path, options: str) -> None:
    """Three files grow in turn; a fresh plant that reads them once has the same tables."""
    source = CSV.replace(" OPTIONS", options.replace("' '", '";"'))
    grown = Line(tmp_path / "grown", source)
    head = ("a title\n" if "skip" in options else "") + HEADER
    for hour in range(6):
        path = grown.file(str(hour % 3))
        begun = path.read_text() if path.exists() else head.replace(",", ";") if ";" in source else head
        body = lines(range(hour * 5, hour * 5 + 6), "ab"[hour % 2])
        path.write_text(begun + (body.replace(",", ";") if ";" in source else body))
        assert grown.new().rows in (5, 6)
    whole = Line(tmp_path / "whole", source)
    for path in (grown.folder / "data").iterdir():
        whole.file(path.stem).write_text(path.read_text())
    whole.all()
    assert grown.digests() == whole.digests()
    assert whole.new().rows == 0


def test_faults_that_reach_across_files_are_read_with_both(tmp_path: Path) -> None:
    """A fault begins in the first file and ends in the second, which came later: it is one fault."""
    line = Line(tmp_path, CSV.replace(" OPTIONS", ", fault_column: broken"))
    for name, minutes, broken in (("1", range(5), "00011"), ("2", range(5, 10), "11000")):
        rows = zip(lines(minutes).splitlines(), broken, strict=True)
        line.file(name).write_text("time,asset,flow,broken\n" + "".join(f"{row},{flag}\n" for row, flag in rows))
        line.new()
    (fault,) = line.space.store.read(tables.FAULTS).itertuples()
    assert (fault.start.minute, fault.end.minute) == (3, 6)
    assert line.checked == [5]


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("point", ["store.before_commit", "store.after_commit"])
def test_the_cursor_moves_after_the_readings(line: Line, monkeypatch: pytest.MonkeyPatch, nth: int, point: str) -> None:
    """The run fails before or after one of its commits: the next one stores what is missing, once."""
    text = line.file("1").read_text()
    changed = text.replace("00:04:00+00:00,a,0.5", "00:04:00+00:00,a,0.6")
    line.file("1").write_text(changed + lines(range(10, 15)) + "never,a,1\n")
    monkeypatch.setenv("WHEELTAPPER_FAULT", f"{point}:{nth}:raise")
    with contextlib.suppress(faultpoints.InjectedFaultError):
        line.new()
    monkeypatch.delenv("WHEELTAPPER_FAULT")
    line.new()
    assert line.space.store.read(tables.READINGS)["flow"].tolist() == [0.5] * 4 + [0.6] + [0.5] * 10
    assert len(line.space.store.read(tables.CORRECTIONS)) == 1
    assert len(line.space.store.read(tables.QUARANTINE)) == 1
    assert line.new().rows == 0


def test_a_delivery_that_is_refused_comes_again(line: Line) -> None:
    """The check stops it: nothing is passed over."""
    line.file("2").write_text(HEADER + lines(range(20, 25)))
    line.failure = "the clock stands still"
    with pytest.raises(DataError, match="the clock stands still"):
        line.new()
    line.failure = ""
    assert line.new().kept == 5


def test_with_a_tighter_limit_everything_is_checked_again(line: Line) -> None:
    """What was kept is put aside; after that only what is new is read."""
    line.write_plant(CSV.replace(" OPTIONS", ""), high=0.4)
    line.file("2").write_text(HEADER + lines(range(20, 22)).replace("0.5", "0.3"))
    ingested = line.new()
    assert (ingested.kept, ingested.quarantined, line.checked) == (2, 10, [12])
    assert line.space.store.read(tables.READINGS)["flow"].tolist() == [0.3] * 2
    assert line.new().rows == 0


@pytest.mark.slow
def test_nothing_new_does_not_load_what_checks(line: Line) -> None:
    """Neither Great Expectations nor what fits models is imported to learn that nothing is new."""
    code = (
        "import sys, datetime; from expectations import readings; from wheeltapper.workspace import Workspace; "
        "from wheeltapper.readings.delivery.deliver import deliver_new; "
        "now = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC); "
        "rows = deliver_new(Workspace.open(sys.argv[1]), now, readings.check).rows; "
        "print(rows, 'great_expectations' in sys.modules, 'sklearn' in sys.modules)"
    )
    environment = {**os.environ, "WHEELTAPPER_HOME": str(line.folder / "home")}
    command = [sys.executable, "-c", code, str(line.folder / "line.yaml")]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert ended.stdout.split() == ["0", "False", "False"]


@pytest.mark.parametrize("ending", ["parquet", "simulator"])
def test_other_sources_bring_only_what_is_new(tmp_path: Path, ending: str) -> None:
    """Another file, or another hour of the simulation: what was there is not read again."""
    if ending == "parquet":
        line = Line(tmp_path, "{parquet: {path: data, time_column: time}}")
        times = pd.date_range(START, periods=90, freq="min")
        rows = pd.DataFrame({"time": times, "flow": 0.5})
        rows[:60].to_parquet(tmp_path / "data" / "1.parquet")
        assert line.new().kept == 60
        rows[60:].to_parquet(tmp_path / "data" / "2.parquet")
        assert (line.new().rows, line.checked) == (30, [30])
    else:
        line = Line(tmp_path, "{simulator: {start: 2026-01-05, duration: 1h}}")
        text = (tmp_path / "line.yaml").read_text()
        (tmp_path / "line.yaml").write_text(text.replace("{step: 1min, sensors: {flow: {unit: 1, high: 100}}}", "pump"))
        line.check = keep_all  # type: ignore[method-assign]
        assert line.new().kept == 60
    assert line.new().rows == 0


def keep_all(rows: pd.DataFrame, plant: Plant, docs: Path | None) -> Findings:
    """Find nothing wrong."""
    return Findings(True, (), pd.DataFrame({"row": [], "expectation": [], "reason": []}), ())


def test_a_database_brings_what_was_inserted_however_old_it_is(tmp_path: Path) -> None:
    """A row of a week ago and a correction: two rows are new, and the later insert wins."""
    import sqlite3

    with sqlite3.connect(tmp_path / "plant.db") as base:
        base.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, time TEXT, asset TEXT, flow REAL)")
        for at in range(10):
            base.execute("INSERT INTO log VALUES (?, ?, 'a', 0.5)", (at, (START + timedelta(minutes=at)).isoformat()))
    line = Line(
        tmp_path,
        "{sql: {url: 'sqlite:///plant.db', table: log, time_column: time, asset_column: asset, cursor_column: id}}",
    )
    assert line.new().kept == 10
    assert (line.new().rows, line.checked) == (0, [])
    with sqlite3.connect(tmp_path / "plant.db") as base:
        for at, minute, flow in ((10, -10_000, 0.1), (11, 3, 0.9), (12, 3, 0.7)):
            row = (at, (START + timedelta(minutes=minute)).isoformat(), flow)
            base.execute("INSERT INTO log VALUES (?, ?, 'a', ?)", row)
    ingested = line.new()
    assert ingested.kept == 2
    assert line.space.store.read(tables.READINGS)["flow"].tolist() == [0.1, *[0.5] * 3, 0.7, *[0.5] * 6]
    assert line.new().rows == 0
