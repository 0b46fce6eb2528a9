"""A long table is read piece by piece for the report, and is the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.reporting import data
from wheeltapper.store import Store


def test_a_table_that_is_read_in_pieces_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines, four days: by machine and time, with the rows that are to be kept."""
    store = Store(tmp_path, "mill")
    times = pd.date_range("2026-01-05", periods=96, freq="h", tz="UTC").astype("datetime64[us, UTC]")
    rows = pd.DataFrame(
        {
            "asset_id": ["b", "a"] * 48,
            "timestamp": times,
            "regime": "normal",
            "load": range(96),
            "ingested_at": times,
            "batch_id": "1",
            "origin": "f",
        }
    ).astype({"load": "float64"})
    store.append(tables.READINGS, rows, txn="all")
    columns = ["asset_id", "timestamp", "load"]
    whole = store.read(tables.READINGS, columns=columns)
    assert len(whole) == 96
    monkeypatch.setattr(data, "AT_ONCE", 30)
    pd.testing.assert_frame_equal(data._in_pieces(store, tables.READINGS, columns), whole)
    heavy = data._in_pieces(store, tables.READINGS, columns, lambda piece: piece[piece["load"] > 40])
    pd.testing.assert_frame_equal(heavy, whole[whole["load"] > 40].reset_index(drop=True))
