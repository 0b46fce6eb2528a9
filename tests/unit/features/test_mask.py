"""The training mask: a fault, a band around it and an unusable window are never learnt as normal."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from wheeltapper import tables
from wheeltapper.features.mask import overlaps, why_masked

NONE = tables.FAULTS.empty()


def at(minute: float) -> pd.Timestamp:
    """Return an instant of the day."""
    return pd.Timestamp("2026-01-05", tz="UTC") + pd.Timedelta(minutes=minute)


def windows(*ends: float, asset: str = "pump-01", **more: object) -> pd.DataFrame:
    """Return windows of two minutes each, named by their ends, with an index that is no plain count."""
    frame = pd.DataFrame(
        {
            "asset_id": asset,
            "window_start": [at(end - 2) for end in ends],
            "window_end": [at(end) for end in ends],
            "usable": True,
            "why_not": "",
        },
        index=[100 + 7 * place for place in range(len(ends))],
    )
    return frame.assign(**more)


def fault(start: float, end: float, asset: str = "pump-01") -> pd.DataFrame:
    """Return one fault."""
    row = {"asset_id": asset, "start": at(start), "end": at(end), "kind": "k", "severity": 1.0, "origin": "person"}
    return tables.FAULTS.check(pd.DataFrame([row]))


def test_a_window_that_touches_a_fault_overlaps_it() -> None:
    """Windows 8-10 to 18-20 against a fault from 11 to 15: those that end at 11 or later and start by 15."""
    rows = windows(10, 10.9, 11, 14, 17, 17.1, 20)
    found = overlaps(rows, fault(11, 15))
    assert found.tolist() == [False, False, True, True, True, False, False]
    assert found.index.equals(rows.index)


def test_the_guard_widens_both_sides() -> None:
    """With one minute of guard, what ends at 10 or starts at 16 is masked too."""
    found = overlaps(windows(9.9, 10, 18, 18.1), fault(11, 15), timedelta(minutes=1))
    assert found.tolist() == [False, True, True, False]


def test_a_fault_masks_its_own_asset_only() -> None:
    """The same minutes of the neighbour are normal; assets may come in any order."""
    rows = pd.concat([windows(12, asset="pump-02"), windows(12, asset="pump-01"), windows(13, asset="pump-02")])
    assert overlaps(rows, fault(11, 15, "pump-02")).tolist() == [True, False, True]


def test_no_faults_mask_nothing_and_no_rows_are_fine() -> None:
    """Empty tables on either side."""
    assert overlaps(windows(1, 2), NONE, timedelta(minutes=1)).tolist() == [False, False]
    assert overlaps(windows(1).iloc[:0], fault(11, 15)).empty


def test_each_row_has_its_reason() -> None:
    """What is unusable keeps its own reason, even inside a fault; an old reason of a usable row does not count."""
    rows = windows(
        5,
        12,
        13,
        14,
        30,
        usable=[True, True, False, False, True],
        why_not=["", "", "regime off", "", "left over"],
    )
    reason = why_masked(rows, fault(11, 15), timedelta(0))
    assert reason.tolist() == ["", "inside a fault", "regime off", "not usable", ""]
