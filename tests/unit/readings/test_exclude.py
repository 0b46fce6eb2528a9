"""The training mask: a fault, a band around it and an unusable window are never learnt as normal."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from wheeltapper import tables
from wheeltapper.readings.exclude import IN_LEAD, informative_flags, overlaps, why_masked

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
    is_touched = overlaps(rows, fault(11, 15))
    assert is_touched.tolist() == [False, False, True, True, True, False, False]
    assert is_touched.index.equals(rows.index)


def test_the_guard_widens_both_sides() -> None:
    """With one minute of guard, what ends at 10 or starts at 16 is masked too."""
    is_touched = overlaps(windows(9.9, 10, 18, 18.1), fault(11, 15), timedelta(minutes=1))
    assert is_touched.tolist() == [False, True, True, False]


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


def test_what_lies_in_the_lead_of_a_fault_is_not_learnt_as_normal() -> None:
    """Windows last two minutes; a fault from 20 to 25 with five minutes of lead masks those that touch 15 to 20."""
    rows = windows(14, 15, 19, 20, 28)
    assert why_masked(rows, fault(20, 25), timedelta(0)).tolist() == ["", "", "", "inside a fault", ""]
    reason = why_masked(rows, fault(20, 25), timedelta(0), lead=timedelta(minutes=5))
    assert reason.tolist() == ["", IN_LEAD, IN_LEAD, "inside a fault", ""]


def flags(*rows: tuple[float, float, str, str], asset: str = "pump-01") -> pd.DataFrame:
    """Return flags as start, end, sensor, kind."""
    frame = pd.DataFrame(rows, columns=["start", "end", "sensor", "kind"])
    frame = frame.assign(start=frame["start"].map(at), end=frame["end"].map(at))
    return tables.FLAGS.check(frame.assign(asset_id=asset, count=1, detail="d"))


def test_a_window_with_a_stuck_sensor_is_never_learnt_with_its_reason() -> None:
    """Windows are two minutes long: those that end from minute 10 to 22 touch the span from 10 to 20."""
    rows = windows(8, 9, 10, 20, 22, 23)
    reason = why_masked(rows, NONE, timedelta(0), flags((10, 20, "pressure", "flat")))
    assert reason.tolist() == ["", "", *["sensor pressure stuck"] * 3, ""]
    assert reason.index.tolist() == rows.index.tolist()


def test_each_kind_of_sickness_has_its_words_and_other_assets_are_left_alone() -> None:
    """Silent, clipped and jumping sensors are named; the same span of another machine masks nothing here."""
    rows = windows(10, 20, 30)
    sensor_flags = flags((9, 10, "a", "dropout"), (19, 20, "b", "clipped"), (29, 30, "c", "jump_in_scale"))
    assert why_masked(rows, NONE, timedelta(0), sensor_flags).tolist() == [
        "sensor a silent",
        "sensor b at the end of its range",
        "sensor c on another scale",
    ]
    assert why_masked(rows, NONE, timedelta(0), sensor_flags.assign(asset_id="pump-02")).eq("").all()


def test_unusual_values_and_counter_resets_mask_nothing() -> None:
    """A flagged value is learnt from like any other. Reference row 003-04."""
    rows = windows(10, 20)
    sensor_flags = flags((9, 10, "a", "iqr"), (9, 10, "a", "hampel"), (19, 20, "b", "counter_reset"))
    informative = informative_flags(rows, pd.Series("train", index=rows.index), sensor_flags)
    assert informative.flags.empty
    assert informative.notes == ()
    assert why_masked(rows, NONE, timedelta(0), sensor_flags).eq("").all()


def test_a_sensor_that_is_mostly_like_that_is_taken_as_it_is() -> None:
    """Three of four training windows would go: then the sensor is like that, and it is said; one of four goes."""
    rows = windows(10, 20, 30, 40, 50)
    part = pd.Series(["train"] * 4 + ["test"], index=rows.index)
    often, seldom = (8, 30, "often", "flat"), (38, 40, "seldom", "flat")
    informative = informative_flags(rows, part, flags(often, seldom))
    assert informative.flags["sensor"].tolist() == ["seldom"]
    assert informative.notes == ("pump-01 often is stuck in 75% of what would be learnt from: it is usual",)


def test_sensors_that_are_mostly_like_that_together_are_taken_as_they_are() -> None:
    """Two sensors that mask half and a quarter leave too little: the one that masks most is left out."""
    rows = windows(10, 20, 30, 40)
    part = pd.Series("calibrate", index=rows.index)
    informative = informative_flags(rows, part, flags((8, 20, "a", "flat"), (28, 30, "b", "dropout")))
    assert informative.flags["sensor"].tolist() == ["b"]


def test_windows_outside_training_do_not_count() -> None:
    """What happens in the test part makes no sensor usual."""
    rows = windows(10, 20, 30, 40)
    part = pd.Series(["train", "train", "test", "test"], index=rows.index)
    informative = informative_flags(rows, part, flags((18, 40, "a", "flat")))
    assert informative.flags["sensor"].tolist() == ["a"]
