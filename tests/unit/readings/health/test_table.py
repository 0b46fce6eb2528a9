"""The table of flags from all stored readings, and the lines that name the longest spans."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.readings.health import table
from wheeltapper.readings.health.table import Flagged, flag_all
from wheeltapper.store import Ref
from wheeltapper.workspace import Workspace

NOON = pd.Timestamp(datetime(2026, 1, 5, 12, tzinfo=UTC))
PLANT = """
asset_type: {step: 1min, sensors: {flow: {unit: 1}}}
source: {csv_folder: {path: data.csv, time_column: time}}
windows: {rows: 2}
features: [latest]
candidates: [lof]
"""


def test_a_stuck_sensor_is_named_with_its_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two pumps one shows the same value for forty minutes; each pump is flagged in a group of its own."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(table, "GROUP_ROWS", 700)
    (tmp_path / "tiny.yaml").write_text(PLANT, encoding="utf-8")
    space = Workspace.open(str(tmp_path / "tiny.yaml"))
    flow = 5 + np.random.default_rng(1).normal(size=(2, 700))
    flow[0, 600:641] = flow[0, 600]
    times = NOON + pd.to_timedelta(np.arange(700), unit="min")
    rows = pd.concat(
        pd.DataFrame({"asset_id": name, "timestamp": times, "flow": values})
        for name, values in zip(("a", "b"), flow, strict=True)
    )
    fixed = {"regime": "normal", "origin": "o", "batch_id": "b", "ingested_at": NOON}
    space.store.upsert(tables.READINGS, tables.READINGS.check(rows.assign(**fixed)), txn="1")
    flagged = flag_all(space)
    assert flagged.flagged["flat"] == 1
    assert flagged.flags == space.store.ref(tables.FLAGS)
    assert flagged.summary() == ["  note: a flow stuck from 2026-01-05 22:00 to 2026-01-05 22:40 (40 min)"]


def test_spans_beyond_the_longest_are_counted() -> None:
    """Of 1,203 spans three are named."""
    flagged = Flagged(Ref("p", "flags", 0, "x"), {"flat": 1203}, 1203, ("a", "b", "c"))
    named = ["  note: a", "  note: b", "  note: c"]
    assert flagged.summary() == [*named, "  note: 1,200 more such spans are in the report"]
