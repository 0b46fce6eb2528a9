"""What the report reads of a run: the run is invented, the store contains readings of one pump."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.reporting import data
from wheeltapper.reporting.data import ReportData, gather
from wheeltapper.scoring.calibration import ANY, Calibration
from wheeltapper.scoring.promise import Promise
from wheeltapper.workspace import Workspace

PLANT = """\
asset_type: pump
source: {simulator: {start: 2026-01-05, duration: 1d}}
features: [latest]
candidates: [lof]
"""


@pytest.fixture
def judged() -> dict[str, Any]:
    """The fields of a refused run that the report reads."""
    empty: dict[str, Any] = {"leaderboard": [], "test": [], "reasons": [], "gates": [], "curves": {}, "tables": {}}
    return empty | {"verdict": "refuse", "candidate": "lof", "bundle": "", "run": "r", "run_id": "m"}


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    (tmp_path / "station.yaml").write_text(PLANT, encoding="utf-8")
    space = Workspace.open(str(tmp_path / "station.yaml"))
    times = pd.date_range("2026-01-05", periods=2000, freq="1min", tz="UTC")
    rows = pd.DataFrame({"asset_id": "pump-01", "timestamp": times, "flow_rate": 191.0})
    rows = rows.assign(regime="normal", batch_id="d1", origin="made", ingested_at=times[-1])
    space.store.upsert(tables.READINGS, tables.READINGS.check(rows), txn="d1")
    return space


def gathered(space: Workspace, judged: dict[str, Any]) -> ReportData:
    return gather(space, judged, datetime(2026, 2, 4, tzinfo=UTC))


def test_the_report_knows_what_ranked_the_candidates(space: Workspace, judged: dict[str, Any]) -> None:
    """As the leaderboard names it; empty for runs of earlier versions, which have not recorded it."""
    assert gathered(space, judged | {"ranked_by": "self-test"}).ranked_by == "self-test"
    assert gathered(space, judged).ranked_by == ""


def test_a_machine_that_was_never_calibrated_has_a_maturity_too() -> None:
    """Two machines have readings, one of them only after the training; without a live model there is no maturity."""
    calibration = Calibration({}, {}, {ANY: 1.0}, weeks={"old": 9.0}, promise=Promise(1.0, 1.0, 0.1, 1.0, 9.0))
    champion: Any = SimpleNamespace(calibration=calibration)
    readings = pd.DataFrame({"asset_id": ["old", "new", "new"]})
    assert data._maturity(champion, readings) == {"new": "learning", "old": "trusted"}
    assert data._maturity(None, readings) == {}


def test_the_report_adds_what_the_leaderboard_leaves_out(space: Workspace, judged: dict[str, Any]) -> None:
    """Rows of the validation part get the fields of the judgement; the remarks of the row stay."""
    row = {"candidate": "lof", "part": "validate", "is_baseline": False, "notes": ["few faults"]}
    judgements = {"lof": {"candidate": "lof", "part": "validate", "false_alarms_by_asset": {"pump-01": 2}}}
    (board_row,) = gathered(space, judged | {"leaderboard": [row], "judgements": judgements}).leaderboard
    assert board_row["false_alarms_by_asset"] == {"pump-01": 2}
    assert (board_row["is_baseline"], board_row["notes"][0]) == (False, "few faults")


def test_the_report_reads_only_what_it_shows(space: Workspace, judged: dict[str, Any]) -> None:
    """Where a reading came from takes more memory than its values, and no figure shows it."""
    readings = gathered(space, judged).readings
    assert list(readings.columns) == ["asset_id", "timestamp", "regime", "flow_rate"]
    assert len(readings) == 2000
