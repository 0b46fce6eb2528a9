"""Delivery without an orchestrator: any check can be passed in, and the summary names what matters."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.checks import Findings, TableCheck
from wheeltapper.config import Plant
from wheeltapper.errors import DataError
from wheeltapper.readings.delivery.deliver import Ingested, deliver
from wheeltapper.store import Ref
from wheeltapper.workspace import Workspace

NOW = datetime(2026, 2, 1, tzinfo=UTC)
PLANT = """
asset_type: {step: 1min, sensors: {flow: {unit: 1}}}
source: {csv_folder: {path: data.csv, time_column: time}}
windows: {rows: 2}
features: [latest]
candidates: [lof]
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A plant whose file has five readings, one a minute; the second value is no number."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    values = ["1", "warm", "3", "4", "5"]
    rows = "".join(f"2026-01-05T00:0{minute}:00Z,{value}\n" for minute, value in enumerate(values))
    (tmp_path / "data.csv").write_text("time,flow\n" + rows, encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(PLANT, encoding="utf-8")
    return Workspace.open(str(tmp_path / "tiny.yaml"))


def rejecting(*places: int, failure: str = "") -> TableCheck:
    """Return a check that rejects rows by their place, or refuses the delivery."""

    def check(rows: pd.DataFrame, plant: Plant, docs: Path | None) -> Findings:
        rejected = pd.DataFrame({"row": list(places), "expectation": "too_high", "reason": "flow is too high"})
        return Findings(not failure, (failure,) if failure else (), rejected.head(len(places)), ())

    return check


def test_every_row_is_a_reading_or_put_aside(space: Workspace) -> None:
    """Cleaning rejects one row, the check rejects the last one: three of five are kept."""
    ingested = deliver(space, None, None, NOW, rejecting(3))
    assert (ingested.rows, ingested.kept, ingested.quarantined) == (5, 3, 2)
    assert space.store.read(tables.READINGS)["flow"].tolist() == [1.0, 3.0, 4.0]
    assert space.store.read(tables.QUARANTINE)["expectation"].tolist() == ["number_readable", "too_high"]
    assert ingested.readings == space.store.ref(tables.READINGS)


def test_a_delivery_that_breaks_a_critical_promise_stores_no_reading(space: Workspace) -> None:
    """The run ends with the check's own sentence; what cleaning rejected is in quarantine."""
    with pytest.raises(DataError, match="tiny: the clock stands still"):
        deliver(space, None, None, NOW, rejecting(failure="the clock stands still"))
    assert space.store.read(tables.READINGS).empty
    assert len(space.store.read(tables.QUARANTINE)) == 1


def test_the_result_travels_between_processes(space: Workspace) -> None:
    """A cluster's workers send results as bytes."""
    ingested = deliver(space, None, None, NOW, rejecting())
    assert pickle.loads(pickle.dumps(ingested)) == ingested


def test_the_summary_names_the_first_lost_files_and_counts_the_rest() -> None:
    """Of twelve lost files ten are named; of four reasons three."""
    reasons = {"order": 4, "number": 3, "limits": 2, "time": 1}
    lost = tuple(f"file {number}" for number in range(12))
    summary = Ingested(1010, 1000, 10, reasons, lost, {"product is missing": 7}, Ref("p", "readings", 0, "x")).summary()
    assert summary[:4] == [
        "1,000 readings kept, 10 put aside",
        "  put aside: order (4 rows)",
        "  put aside: number (3 rows)",
        "  put aside: limits (2 rows)",
    ]
    assert summary[4:14] == [f"  note: file {number}" for number in range(10)]
    assert summary[14:] == ["  note: 2 more files were put aside as a whole", "  note: product is missing (7 rows)"]
