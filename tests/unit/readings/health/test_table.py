"""The table of flags follows the table of readings, at a cost that follows what is new, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.readings.health.plants import KINDS, TYPE, readings
from wheeltapper import faultpoints, tables
from wheeltapper.readings.health import stored_readings
from wheeltapper.readings.health.flagging import HEALTH, flag_readings
from wheeltapper.readings.health.table import Flagged, update_flags
from wheeltapper.store import Ref, Store
from wheeltapper.workspace import Workspace

NOON = pd.Timestamp(datetime(2026, 1, 5, 12, tzinfo=UTC))
PLANT = """
asset_type: {step: 1min, sensors: {flow: {unit: 1}}}
source: {csv_folder: {path: data.csv, time_column: time}}
windows: {rows: 2}
features: [latest]
candidates: [lof]
"""
BUSY = """
asset_type:
  step: 10min
  sensors:
    pressure: {unit: bar, low: 0, high: 10}
    voltage: {unit: V}
    energy: {unit: kWh, counter: true}
cleaning: {flags: [iqr, hampel]}
source: {csv_folder: {path: data.csv, time_column: time}}
windows: {rows: 2}
features: [latest]
candidates: [lof]
"""
KEY = list(tables.READINGS.key)


class Mill:
    """A plant of two assets whose readings come little by little."""

    def __init__(self, folder: Path, yaml: str = BUSY) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "mill.yaml").write_text(yaml, encoding="utf-8")
        self.file = folder / "mill.yaml"
        self.writes = 0

    @property
    def space(self) -> Workspace:
        """The plant, as a new process opens it."""
        return Workspace.open(str(self.file))

    def bring(self, rows: pd.DataFrame, drop: pd.DataFrame | None = None) -> None:
        """Store readings, and delete others."""
        self.writes += 1
        fixed = {"origin": "o", "batch_id": f"b{self.writes}", "ingested_at": NOON}
        self.space.store.upsert(
            tables.READINGS, tables.READINGS.check(rows.assign(**fixed)), drop=drop, txn=str(self.writes)
        )

    def check(self) -> Flagged:
        """Update the flags; they must be those that all stored readings have, and so must what is said of them."""
        flagged = update_flags(self.space)
        store = self.space.store
        expected = flag_readings(store.read(tables.READINGS), TYPE, KINDS)
        pd.testing.assert_frame_equal(store.read(tables.FLAGS), expected)
        assert flagged.flags == store.ref(tables.FLAGS)
        assert flagged.flagged == expected["kind"].value_counts().to_dict()
        health = expected[expected["kind"].isin(HEALTH)]
        assert flagged.sensor_spans == len(health)
        lasting = (health["end"] - health["start"]).nlargest(3)
        starts = [f"{health['start'][place]:%Y-%m-%d %H:%M}" for place in lasting.index]
        assert all(start in sentence for start, sentence in zip(starts, flagged.longest, strict=True))
        return flagged

    @property
    def cache(self) -> Path:
        """The file of what is remembered."""
        return self.space.store.folder / "cache" / "flags" / "memory"


@pytest.fixture
def mill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mill:
    """An empty plant."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    return Mill(tmp_path / "conf")


def two_assets(seed: int) -> pd.DataFrame:
    """Return about two months of readings of two assets, in order of time."""
    both = [readings(2 * seed, asset="a"), readings(2 * seed + 1, asset="b")]
    return pd.concat(both).sort_values(["timestamp", "asset_id"], ignore_index=True)


@pytest.fixture
def read_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect how many readings each read returns."""
    counts: list[int] = []
    read: Callable[..., pd.DataFrame] = Store.read

    def counted(self: Store, table: tables.Table, **options: Any) -> pd.DataFrame:
        rows = read(self, table, **options)
        counts.append(len(rows) if table is tables.READINGS else 0)
        return rows

    monkeypatch.setattr(Store, "read", counted)
    return counts


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_late_corrected_and_removed_readings_end_like_all_at_once(mill: Mill, seed: int) -> None:
    """Readings come in pieces; some a day, a month or much later, some are corrected, some are taken back."""
    chance = np.random.default_rng(seed)
    rows = two_assets(seed)
    is_late = chance.random(len(rows)) < 0.01
    late = rows[is_late]
    cuts = np.sort(chance.integers(100, len(rows), 8))
    for piece in np.split(np.arange(len(rows)), cuts):
        part = rows.iloc[piece]
        mill.bring(part[~is_late[piece]])
        mill.check()
        if len(part) and chance.random() < 0.5:  # what is late comes, with a correction and something taken back
            come = late[late["timestamp"] <= part["timestamp"].max()].sample(frac=0.5, random_state=seed)
            wrong = part[~is_late[piece]].sample(3, random_state=seed).assign(pressure=3.25)
            gone = part[~is_late[piece]].sample(2, random_state=seed + 1)
            mill.bring(pd.concat([come, wrong]).drop_duplicates(KEY), drop=gone[KEY])
            mill.check()
    mill.bring(rows)
    mill.check()


def test_a_few_readings_cost_a_few_readings(mill: Mill, read_rows: list[int]) -> None:
    """After six weeks, ten new readings are examined without reading more than theirs; nothing new reads nothing."""
    rows = two_assets(1)
    mill.bring(rows[:-10])
    update_flags(mill.space)
    before = mill.space.store.version(tables.FLAGS)
    read_rows.clear()
    update_flags(mill.space)
    assert sum(read_rows) == 0
    assert mill.space.store.version(tables.FLAGS) == before
    mill.bring(rows[-10:])
    update_flags(mill.space)
    assert sum(read_rows) == 10
    mill.check()


def test_a_late_reading_costs_the_time_since(mill: Mill, read_rows: list[int]) -> None:
    """A reading that is two days late is followed from the evening before, of its asset only."""
    rows = readings(5)
    other = readings(6, asset="b")
    mill.bring(pd.concat([rows.drop(index=2700), other]))
    update_flags(mill.space)
    read_rows.clear()
    mill.bring(rows[2700:2701])
    update_flags(mill.space)
    day_before = rows["timestamp"][2700].normalize() - pd.Timedelta(days=2)
    assert 300 <= sum(read_rows) <= (rows["timestamp"] >= day_before).sum()
    mill.check()


def test_memory_is_bounded_by_pieces_of_time(mill: Mill, read_rows: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """All readings are examined again in pieces of about a set size, and each of them is read once."""
    monkeypatch.setattr(stored_readings, "ROWS", 500)
    rows = two_assets(2)
    mill.bring(rows)
    update_flags(mill.space)
    assert sum(read_rows) == len(rows)
    assert max(read_rows) < 700  # cut by time, which has gaps
    mill.check()


@pytest.mark.parametrize("point", ["flag.before_write", "flag.after_write", "store.after_data", "store.after_commit"])
def test_a_run_that_dies_changes_nothing(mill: Mill, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Whether it dies before the table is written or before what is known is kept, the next run ends the same.

    What changes between the two runs (more readings, and one that is taken back again) does not matter.
    """
    rows = two_assets(3)
    mill.bring(rows[:4000])
    update_flags(mill.space)
    mill.bring(pd.concat([rows[4000:5000], rows[2000:2001].assign(pressure=900.0)]))
    with monkeypatch.context() as dying:
        dying.setenv(faultpoints.VARIABLE, f"{point}:1:raise")
        with pytest.raises(faultpoints.InjectedFaultError):
            update_flags(mill.space)
    mill.bring(pd.concat([rows[5000:5060], rows[2000:2001]]))
    mill.check()


def test_a_cache_that_is_damaged_gone_or_old_is_made_again(mill: Mill) -> None:
    """One bit is wrong, a file is missing, or it belongs to tables that were put back: the flags are right."""
    rows = two_assets(4)
    mill.bring(rows[:3000])
    update_flags(mill.space)
    old = mill.cache.read_bytes()
    mill.bring(rows[3000:4000])
    mill.check()
    data = bytearray(mill.cache.read_bytes())
    data[len(data) // 2] ^= 1
    mill.cache.write_bytes(data)
    mill.bring(rows[4000:4500])
    mill.check()
    mill.cache.write_bytes(old)
    mill.check()
    mill.cache.unlink()
    mill.check()
    for path in mill.cache.parent.iterdir():
        if path != mill.cache:
            path.write_bytes(b"torn")
    mill.bring(rows[3500:3501].assign(voltage=123.0))
    mill.check()
    assert mill.space.store.verify() == []


def test_versions_that_are_gone_are_not_needed(mill: Mill) -> None:
    """Where the files of the readings before are deleted, everything is examined again."""
    rows = two_assets(4)
    mill.bring(rows[:3000])
    update_flags(mill.space)
    store = mill.space.store
    before = {path for path in (store.folder / "readings").rglob("*.parquet") if "_delta_log" not in path.parts}
    fixed = {"origin": "o", "batch_id": "b", "ingested_at": NOON}
    store.overwrite(tables.READINGS, tables.READINGS.check(rows[:4000].assign(**fixed)), txn="anew")
    for path in before:
        path.unlink()
    mill.check()


def test_flags_that_someone_else_changed_are_put_right(mill: Mill) -> None:
    """The table itself is the truth about what it holds: a row too few or too many does not stay."""
    rows = two_assets(0)
    mill.bring(rows[:5000])
    update_flags(mill.space)
    store = mill.space.store
    store.overwrite(tables.FLAGS, store.read(tables.FLAGS).iloc[5:].assign(detail="?"), txn="someone")
    mill.bring(rows[5000:5060])
    mill.check()


def test_other_settings_are_other_flags(mill: Mill) -> None:
    """With one kind of flag less, its rows are gone; with it again, they are back."""
    mill.bring(two_assets(2)[:3000])
    mill.check()
    mill.file.write_text(BUSY.replace("[iqr, hampel]", "[iqr]"), encoding="utf-8")
    assert "hampel" not in update_flags(mill.space).flagged
    mill.file.write_text(BUSY, encoding="utf-8")
    mill.check()


def test_a_table_of_an_earlier_release_stays_right(mill: Mill) -> None:
    """Earlier releases kept all flags in one piece, without times in the log."""
    rows = two_assets(1)
    mill.bring(rows[:4000])
    uncut = replace(tables.FLAGS, time=None)
    store = mill.space.store
    store.overwrite(uncut, flag_readings(rows[:3000], TYPE, KINDS), txn="earlier")
    mill.check()
    mill.bring(rows[4000:4060])
    mill.check()
    mill.bring(rows[4060:])
    mill.check()
    assert store.verify() == []


def test_an_asset_whose_readings_are_gone_has_no_flags(mill: Mill) -> None:
    """An asset may vanish and come back."""
    rows = two_assets(1)
    mill.bring(rows)
    mill.check()
    gone = rows[rows["asset_id"] == "b"]
    mill.bring(rows[:0], drop=gone[KEY])
    mill.check()
    assert set(mill.space.store.read(tables.FLAGS)["asset_id"]) == {"a"}
    mill.bring(gone)
    mill.check()


def test_no_readings_no_flags(mill: Mill) -> None:
    """Before the first delivery there is nothing to flag."""
    assert update_flags(mill.space).flagged == {}


def test_a_stuck_sensor_is_named_with_its_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two pumps one shows the same value for forty minutes."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    tiny = Mill(tmp_path / "conf", PLANT)
    flow = 5 + np.random.default_rng(1).normal(size=(2, 700))
    flow[0, 600:641] = flow[0, 600]
    times = NOON + pd.to_timedelta(np.arange(700), unit="min")
    rows = pd.concat(
        pd.DataFrame({"asset_id": name, "timestamp": times, "flow": values})
        for name, values in zip(("a", "b"), flow, strict=True)
    )
    tiny.bring(rows.assign(regime="normal"))
    flagged = update_flags(tiny.space)
    assert flagged.flagged["flat"] == 1
    assert flagged.flags == tiny.space.store.ref(tables.FLAGS)
    assert flagged.summary() == ["  note: a flow stuck from 2026-01-05 22:00 to 2026-01-05 22:40 (40 min)"]


def test_spans_beyond_the_longest_are_counted() -> None:
    """Of 1,203 spans three are named."""
    flagged = Flagged(Ref("p", "flags", 0, "x"), {"flat": 1203}, 1203, ("a", "b", "c"))
    named = ["  note: a", "  note: b", "  note: c"]
    assert flagged.summary() == [*named, "  note: 1,200 more such spans are in the report"]
