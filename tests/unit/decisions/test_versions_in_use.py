"""Old versions of tables are given up by age, but never those that a decision or a step needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.decisions import ledger
from wheeltapper.decisions.versions_in_use import give_up_old
from wheeltapper.errors import StoreError
from wheeltapper.scoring.followed import Mark
from wheeltapper.store import Store

NOW = datetime(2126, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store whose readings were corrected four times: each version needs a file that no other has."""
    store = Store(tmp_path, "mill")
    for version in range(5):
        rows = pd.DataFrame({"asset_id": ["a"], "timestamp": [pd.Timestamp("2026-01-05", tz="UTC")], "speed": version})
        rows = rows.assign(regime="normal", batch_id="b", origin="o", ingested_at=pd.Timestamp("2026-01-05", tz="UTC"))
        store.upsert(tables.READINGS, rows.astype({"speed": "float64"}), txn=f"version {version}")
    return store


def speed(store: Store, version: int) -> float:
    return float(store.read(tables.READINGS, version=version)["speed"].iloc[0])


def test_versions_that_were_decided_on_or_followed_stay(store: Store) -> None:
    """A model was promoted on version 1, scores have followed version 3: 0 and 2 are given up, the newest stays."""
    ledger.append(
        store,
        now=datetime(2026, 1, 5, tzinfo=UTC),
        actor="pipeline",
        objective="detect",
        verdict="promote",
        bundle="b",
        version="1",
        run="r",
        data={"readings": 1, "withheld": -1},
        gates={},
        reason="better",
    )
    Mark(store, "scores", tables.READINGS).move(3)
    assert give_up_old(store, None, NOW) == []
    assert len(give_up_old(store, timedelta(days=90), NOW)) == 2
    assert [speed(store, version) for version in (1, 3, 4)] == [1, 3, 4]
    for version in (0, 2):
        with pytest.raises(StoreError):
            speed(store, version)
    assert store.verify() == []


def test_versions_that_are_young_enough_stay(store: Store) -> None:
    """They were written a moment ago: nothing is deleted."""
    assert give_up_old(store, timedelta(days=1), datetime.now(UTC)) == []
    assert speed(store, 0) == 0
