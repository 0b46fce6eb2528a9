"""Readings that come late: exactly the windows that they touch change, alarms follow, and the run says so."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import plants, sources, tables
from wheeltapper.scoring.notes import rescored

STEP = pd.Timedelta("2min")
KEY = ["asset_id", "window_end"]


@dataclass(frozen=True)
class Late:
    """A plant that read everything but two stretches, which lie beside it."""

    home: Any
    rows: pd.DataFrame

    def bring(self) -> None:
        """Let the late readings arrive, as a file of their own."""
        self.rows.to_csv(self.home.plant.parent / "data" / "late.csv", index=False)


@pytest.fixture
def late(home: Any, simulated: Path, tmp_path: Path) -> Late:
    """Train on two pumps; ten readings of one pump are missing from the last day, and one of the other."""
    plant = plants.load(str(simulated))
    batches = list(sources.build(plant.source).read(plant))
    rows = pd.concat([batch.rows for batch in batches], ignore_index=True)
    faults_read = pd.concat([batch.faults for batch in batches]).drop_duplicates(list(tables.FAULTS.key), keep="last")
    first, second = sorted(rows["asset_id"].unique())
    begin = rows["timestamp"].max() - pd.Timedelta("5h")
    is_late = (rows["asset_id"] == first) & (rows["timestamp"] >= begin) & (rows["timestamp"] < begin + 10 * STEP)
    is_late |= (rows["asset_id"] == second) & (rows["timestamp"] == begin)
    (tmp_path / "data").mkdir()
    rows[~is_late].to_csv(tmp_path / "data" / "first.csv", index=False)
    faults = {asset: _spans(asset_faults) for asset, asset_faults in faults_read.groupby("asset_id")}
    (tmp_path / "data" / "faults.json").write_text(json.dumps(faults))
    text, options = simulated.read_text(), "path: data, time_column: timestamp, asset_column: asset_id"
    start = text.index("  simulator:")
    ours = f"  csv_folder: {{{options}, regime_column: regime, fault_file: faults.json}}"
    path = tmp_path / "tiny.yaml"
    path.write_text(text.replace(text[start : text.index("\n", start)], ours))
    there = replace(home, plant=path)
    for step in ("ingest", "featurize", "train", "score"):
        ended = there.run(step)
        assert (ended.code, ended.err) == (0, "")
    return Late(there, rows[is_late])


def _spans(faults: pd.DataFrame) -> list[list[str]]:
    return [[row.start.isoformat(), row.end.isoformat(), row.kind] for row in faults.itertuples()]


def changed(before: pd.DataFrame, after: pd.DataFrame, key: list[str]) -> set[tuple[Any, ...]]:
    """Return the keys of rows that are new, gone or different."""
    both = pd.concat([before, after]).drop_duplicates(keep=False)
    return set(both[key].itertuples(index=False, name=None))


@pytest.mark.slow
def test_late_readings_change_the_windows_that_they_touch(late: Late) -> None:
    """Ten late readings touch 14 windows of five, a single one 5: these, their scores and an alarm are what differs."""
    names = (tables.FEATURES, tables.SCORES, tables.ALARMS, tables.FAULTS)
    before = {table.name: late.home.store.read(table) for table in names}
    first, second = sorted(late.rows["asset_id"].unique())
    begin = late.rows["timestamp"].min()
    is_first = late.rows["asset_id"] == first
    spoilt = late.rows.assign(pressure=late.rows["pressure"].mask(is_first, late.rows["pressure"] * 0.3))
    Late(late.home, spoilt).bring()
    out = [late.home.run(step) for step in ("ingest", "featurize", "score")]
    assert [(end.code, end.err) for end in out] == [(0, "")] * 3
    after = {table.name: late.home.store.read(table) for table in names}

    new = {(first, begin + n * STEP) for n in range(14)} | {(second, begin)}
    begun_earlier = {(second, begin + n * STEP) for n in range(1, 5)}
    assert changed(before["features"], after["features"], KEY) == new | begun_earlier
    # The plant's only feature set looks at a window's last reading, so the second pump's other scores stay.
    assert changed(before["scores"], after["scores"], KEY) == new
    assert after["faults"].equals(before["faults"])
    assert "15 windows of a time that was scored before are new or have changed: 14 of" in out[2].out
    opened = after["alarms"][~after["alarms"]["alarm_id"].isin(before["alarms"]["alarm_id"])]
    assert list(opened["asset_id"]) == [first]
    assert opened["opened_at"].between(begin, begin + 14 * STEP).all()

    versions = late.home.versions()
    again = late.home.run("score")
    assert "are new or have changed" not in again.out
    assert late.home.versions() == versions


def test_a_score_that_is_only_rounded_otherwise_has_not_changed() -> None:
    """Five windows were scored before: the score of one has changed, and one between them is new."""
    ends = pd.date_range("2026-01-05", periods=6, freq="1min", tz="UTC").as_unit("us")
    score = np.array([1.0, 1e-7, 0.0, 5.0, 2.0, 3.0])
    now = pd.DataFrame({"asset_id": "a", "window_end": ends, "score": score, "threshold": 1.0, "severity": 1.0})
    now = now.assign(bundle="b", regime="normal", top_sensors="", role="champion")
    before = now.assign(score=score * [1 + 1e-15, 1 + 1e-8, 1, 1, 1 + 1e-6, 1]).drop(index=3)
    (sentence,) = rescored(before, now)
    assert sentence.startswith("2 windows of a time that was scored before are new or have changed: 2 of a between ")
    assert ends[3].isoformat() in sentence and ends[4].isoformat() in sentence
    assert rescored(before, before) == []
