"""Order of arrival never matters, and the later arrival wins: within a file, between files, and between deliveries."""

from __future__ import annotations

import contextlib
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper import faultpoints, tables
from wheeltapper.checks import Findings
from wheeltapper.config import Plant
from wheeltapper.readings.delivery import batches
from wheeltapper.readings.delivery.deliver import Ingested, deliver
from wheeltapper.workspace import Workspace

PLANT = """
asset_type:
  step: 1min
  sensors: {flow: {unit: 1}, speed: {unit: 1}}
  categories: {product: [L, M]}
source: {csv_folder: {path: data, time_column: time, asset_column: asset CHUNK}}
windows: {rows: 2}
features: [latest]
candidates: [lof]
"""
HEADER = "time,asset,flow,speed,product\n"


def line(minute: int, flow: float | str, asset: str = "a", product: str = "L") -> str:
    """Write a row of an asset's minute."""
    return f"2026-01-05T{minute // 60:02d}:{minute % 60:02d}:00Z,{asset},{flow},7.5,{product}\n"


def keep_all(rows: pd.DataFrame, plant: Plant, docs: Path | None) -> Findings:
    """Find nothing wrong."""
    return Findings(True, (), pd.DataFrame({"row": [], "expectation": [], "reason": []}), ())


class Mill:
    """A plant whose files are written and delivered, each time an hour after the time before."""

    def __init__(self, folder: Path, options: str = "") -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        (folder / "mill.yaml").write_text(PLANT.replace(" CHUNK", options), encoding="utf-8")
        self.now = datetime(2026, 2, 1, tzinfo=UTC)

    def deliver(self, **files: str) -> Ingested:
        """Write files, by their name, and deliver all that are there."""
        for name, lines in files.items():
            (self.folder / "data" / f"{name}.csv").write_text(HEADER + lines, encoding="utf-8")
        self.now += timedelta(hours=1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WHEELTAPPER_HOME", str(self.folder / "home"))
            self.space = Workspace.open(str(self.folder / "mill.yaml"))
            return deliver(self.space, None, None, self.now, keep_all)

    def flows(self) -> list[float]:
        """Return the readings' flow by asset and time."""
        return self.space.store.read(tables.READINGS)["flow"].tolist()

    def replaced(self) -> list[float]:
        """Return the flow of the readings that were replaced, by time and, of one time, by arrival."""
        rows = self.space.store.read(tables.CORRECTIONS)
        rows = rows.sort_values(["asset_id", "timestamp", "replaced_at", "arrived_at"], kind="stable")
        return [json.loads(content)["flow"] for content in rows["content"]]

    def state(self) -> dict[str, tuple[int | None, str]]:
        """Return version and content of the tables that a delivery writes."""
        store = self.space.store
        written = (tables.READINGS, tables.CORRECTIONS, tables.MISSING, tables.QUARANTINE)
        return {table.name: (store.version(table), store.digest(table)) for table in written}


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    """Return a plant without files."""
    return Mill(tmp_path)


def test_a_row_that_steps_back_is_a_reading(mill: Mill) -> None:
    """Minute 1 comes after minute 2: it is sorted in, the run says so, and nothing is put aside."""
    ingested = mill.deliver(f=line(0, 1) + line(2, 3) + line(1, 2))
    assert (mill.flows(), ingested.kept, ingested.quarantined) == ([1, 2, 3], 3, 0)
    assert ingested.notes == {"arrived after a later reading of its asset, and was sorted in": 1}


def test_within_a_file_the_later_line_wins(mill: Mill) -> None:
    """Minute 0 comes as 1, 2, 2, 3: 3 stays, 1 and 2 were replaced, once each, however often the file is read."""
    ingested = mill.deliver(f=line(0, 1) + line(0, 2) + line(0, 2) + line(0, 3))
    assert (ingested.rows, ingested.kept, mill.flows(), sorted(mill.replaced())) == (4, 1, [3], [1, 2])
    assert sorted(ingested.notes.values()) == [1, 2]
    before = mill.state()
    mill.deliver()
    assert mill.state() == before


def test_between_files_the_later_file_wins(mill: Mill) -> None:
    """Files are read in natural order: 10 comes after 9, and is what stays, however often they are read."""
    mill.deliver(f9=line(0, 1) + line(1, 1), f10=line(0, 2))
    assert (mill.flows(), mill.replaced()) == ([2, 1], [1])
    before = mill.state()
    mill.deliver()
    assert mill.state() == before


def test_between_deliveries_the_later_one_wins_and_both_arrivals_are_known(mill: Mill) -> None:
    """A corrected file replaces the value; when both arrived stays, and of what they came from as well."""
    mill.deliver(f=line(0, 1) + line(1, 5))
    first = mill.now
    mill.deliver(f=line(0, 2) + line(1, 5))
    assert mill.flows() == [2, 5]
    (entry,) = mill.space.store.read(tables.CORRECTIONS).to_dict("records")
    assert (entry["arrived_at"], entry["replaced_at"]) == (pd.Timestamp(first), pd.Timestamp(mill.now))
    assert (entry["asset_id"], entry["regime"], entry["origin"], entry["by_origin"]) == (
        "a",
        "normal",
        "f.csv",
        "f.csv",
    )
    assert json.loads(entry["content"]) == {"flow": 1, "product_is_L": 1, "product_is_M": 0, "speed": 7.5}
    assert entry["batch_id"] != entry["by_batch"]


def test_a_correction_that_is_taken_back_is_a_correction(mill: Mill) -> None:
    """1, then 2, then 1 again: the first value is back, and both replacements are known."""
    mill.deliver(f=line(0, 1))
    first = mill.state()["readings"][1]
    for flow in (2, 1, 2, 1):
        mill.deliver(f=line(0, flow))
    assert mill.state()["readings"][1] == first
    assert mill.replaced() == [1, 2, 1, 2]


def test_a_file_that_is_read_again_does_not_take_back_what_another_has_corrected(mill: Mill) -> None:
    """File a is read again, unchanged, in a delivery of its own: what b said later stays."""
    mill.deliver(a=line(0, 1), b=line(0, 2))
    (mill.folder / "data" / "b.csv").unlink()
    before = mill.state()
    mill.deliver()
    assert (mill.flows(), mill.state()) == ([2], before)
    mill.deliver(a=line(0, 3))
    assert (mill.flows(), mill.replaced()) == ([3], [1, 2])
    mill.deliver(b=line(0, 2))
    assert (mill.flows(), mill.replaced()) == ([3], [1, 2])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("cut", ["at once", "in pieces", "file by file"])
def test_however_rows_arrive_the_same_readings_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str, seed: int
) -> None:
    """Forty minutes, each twice, the second time with its final value; shuffled, and cut in three ways."""
    ordered = Mill(tmp_path / "ordered")
    ordered.deliver(f="".join(line(minute, minute) for minute in range(40)))
    first, second = list(range(40)), list(range(40))
    random.Random(seed).shuffle(first)
    random.Random(seed + 100).shuffle(second)
    lines = [line(minute, -1) for minute in first] + [line(minute, minute) for minute in second]
    if cut == "in pieces":
        monkeypatch.setattr(batches, "DELIVERY_ROWS", 9)
    mill = Mill(tmp_path / "shuffled", ", chunk_rows: 7")
    if cut == "file by file":
        for number in range(8):
            mill.deliver(**{f"f{number}": "".join(lines[number * 10 : number * 10 + 10])})
    else:
        mill.deliver(f="".join(lines))
    assert mill.state()["readings"][1] == ordered.state()["readings"][1]
    assert mill.replaced() == [-1] * 40
    before = mill.state()
    mill.deliver()
    assert mill.state() == before


@pytest.mark.slow
@pytest.mark.parametrize("point", ["ingest.after_quarantine", "ingest.after_corrections", "store.after_commit"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_delivery_that_is_broken_off_and_repeated_corrects_once(
    mill: Mill, monkeypatch: pytest.MonkeyPatch, point: str, nth: int
) -> None:
    """It fails between two commits; the next run, later and with one more row, ends as if nothing had happened."""
    mill.deliver(f=line(0, 1) + line(1, 5))
    monkeypatch.setenv("WHEELTAPPER_FAULT", f"{point}:{nth}:raise")
    changed = line(0, 2) + line(0, 3) + line(1, 5, product="X") + line(3, 7) + line(3, 8)
    with contextlib.suppress(faultpoints.InjectedFaultError):
        mill.deliver(f=changed)
    monkeypatch.delenv("WHEELTAPPER_FAULT")
    mill.deliver(f=changed + line(2, 9))
    assert mill.flows() == [3, 5, 9, 8]
    assert sorted(mill.replaced()) == [1, 2, 5, 7]
    assert mill.space.store.read(tables.MISSING)["detail"].tolist() == ["product 'X' is none of L, M"]


def test_a_missing_cell_has_a_reason_until_a_value_comes(mill: Mill) -> None:
    """Product X is not listed: the cell has a reason. An empty cell has none; a later value takes the reason away."""
    mill.deliver(f=line(0, 1, product="X") + line(1, 1, product="") + line(2, 1, product="X"))
    cells = mill.space.store.read(tables.MISSING)
    assert cells["timestamp"].dt.minute.tolist() == [0, 2]
    assert cells[["asset_id", "sensor", "why"]].drop_duplicates().to_numpy().tolist() == [
        ["a", "product", "unreadable"]
    ]
    before = mill.state()
    mill.deliver()
    assert mill.state() == before
    mill.deliver(g=line(0, 1, product="M"))
    assert mill.space.store.read(tables.MISSING)["timestamp"].dt.minute.tolist() == [2]
