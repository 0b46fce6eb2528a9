"""Alarms: what a row of severities folds into can be counted by eye."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from wheeltapper.config import Alarms
from wheeltapper.errors import DataError
from wheeltapper.scoring import alarms

RULE = Alarms(open_after=2, close_after=2)
GAP = timedelta(minutes=3)
MIDNIGHT = pd.Timestamp("2026-01-05", tz="UTC")


def scores(severities: str, asset: str = "a", first: int = 0, regime: str = "normal") -> pd.DataFrame:
    """Return windows a minute apart; a digit is the severity, a full stop a normal window, a blank a missing one."""
    rows = [(MIDNIGHT + pd.Timedelta(minutes=first + at), sign) for at, sign in enumerate(severities) if sign != " "]
    return pd.DataFrame(
        {
            "asset_id": asset,
            "window_end": pd.DatetimeIndex([when for when, _ in rows]).as_unit("us"),
            "severity": [0.5 if sign == "." else float(sign) for _, sign in rows],
            "regime": regime,
        }
    )


def folded(severities: str, rule: Alarms = RULE) -> list[tuple[int, int, str]]:
    """Return first minute, last minute and state of each alarm of one asset."""
    return spans(alarms.fold(scores(severities), rule, GAP))


def spans(found: pd.DataFrame) -> list[tuple[int, int, str]]:
    minute = pd.Timedelta("1min")
    return [
        (round((row.opened_at - MIDNIGHT) / minute), round((row.last_at - MIDNIGHT) / minute), row.state)
        for row in found.itertuples()
    ]


CASES = {
    "calm": ("......", []),
    "a blip": ("..5...", []),
    "exactly at the threshold is normal": ("..1111..", []),
    "opens with the second in a row": ("..22....", [(3, 3, "closed")]),
    "lasts": ("..2222..", [(3, 5, "closed")]),
    "one quiet window does not close it": ("22.22...", [(1, 4, "closed")]),
    "a blip keeps it open": ("22.2.2..", [(1, 5, "closed")]),
    "two quiet windows close it": ("22..22..", [(1, 1, "closed"), (5, 5, "closed")]),
    "a blip after it has closed is nothing": ("22..2...", [(1, 1, "closed")]),
    "open at the end": ("....22", [(5, 5, "open")]),
    "still open after one quiet window": ("...22.", [(4, 4, "open")]),
    "not open before the second": ("....2", []),
    "a gap closes it": ("22    ....", [(1, 1, "closed")]),
    "a gap is no row": ("..2    2..", []),
    "a pause at the limit is no gap": ("..2  2..", [(5, 5, "closed")]),
    "two alarms round a gap": ("22    22", [(1, 1, "closed"), (7, 7, "open")]),
    "all of it": ("2222", [(1, 3, "open")]),
}


@pytest.mark.parametrize(("severities", "expected"), CASES.values(), ids=CASES)
def test_windows_fold_into_alarms(severities: str, expected: list[tuple[int, int, str]]) -> None:
    """Two anomalous windows in a row open an alarm, two normal ones or more than three minutes of silence close it."""
    assert folded(severities) == expected


def test_one_window_may_be_enough() -> None:
    """With both counts at one, each run is an alarm of its own."""
    assert folded(".2.2..22", Alarms(open_after=1, close_after=1)) == [
        (1, 1, "closed"),
        (3, 3, "closed"),
        (6, 7, "open"),
    ]


def test_assets_do_not_touch_each_other() -> None:
    """The last windows of one asset and the first of the next are not in a row; each has its own newest window."""
    both = pd.concat([scores("...2", "a"), scores("2..22..", "b"), scores("..22", "c")])
    found = alarms.fold(both, RULE, GAP)
    assert found["asset_id"].tolist() == ["b", "c"]
    assert spans(found) == [(4, 4, "closed"), (3, 3, "open")]


def test_the_order_of_rows_does_not_matter() -> None:
    """Shuffled rows of two assets give the same alarms."""
    both = pd.concat([scores("..2322..22", "b"), scores(".22...22", "a")], ignore_index=True)
    shuffled = both.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(alarms.fold(shuffled, RULE, GAP), alarms.fold(both, RULE, GAP))


def test_what_held_is_the_lower_of_two_in_a_row() -> None:
    """Two windows open an alarm: 4 lasted for one only, 3 and 4 for two; what came before it opened counts as well."""
    assert alarms.fold(scores("..2342..22."), RULE, GAP)["held_severity"].tolist() == [3.0, 2.0]


def test_the_peak_is_inside_the_alarm() -> None:
    """Severity 9 came before the alarm was open; 4 is the peak, in the regime that held there."""
    found = scores("92342..")
    found.loc[3, "regime"] = "high_load"
    alarm = alarms.fold(found, RULE, GAP).iloc[0]
    assert (alarm.peak_severity, alarm.peak_at, alarm.regime) == (4.0, MIDNIGHT + pd.Timedelta("3min"), "high_load")
    assert alarm.tier == "critical"


def test_a_closed_alarm_ends_with_its_last_anomalous_window() -> None:
    """``closed_at`` is that window's end, and empty while the alarm is open."""
    found = alarms.fold(scores("22..22"), RULE, GAP)
    assert found["closed_at"].isna().tolist() == [False, True]
    assert found["closed_at"].iloc[0] == found["last_at"].iloc[0] == MIDNIGHT + pd.Timedelta("1min")


def test_nothing_folds_into_nothing() -> None:
    """No windows, and no anomalous ones, give an empty table with the same columns."""
    none, calm = alarms.fold(scores(""), RULE, GAP), alarms.fold(scores("..."), RULE, GAP)
    some = alarms.fold(scores("222"), RULE, GAP)
    assert len(none) == len(calm) == 0
    assert list(none.columns) == list(calm.columns) == list(some.columns)


def test_a_window_without_severity_is_refused() -> None:
    """NaN is not above 1 and would pass for normal."""
    broken = scores("..22")
    broken.loc[2, "severity"] = np.nan
    with pytest.raises(DataError, match=r"1 windows have no severity, first a at 2026-01-05 00:02:00"):
        alarms.fold(broken, RULE, GAP)


@pytest.mark.parametrize(("severity", "tier"), [(1.01, "medium"), (1.5, "high"), (2.99, "high"), (3.0, "critical")])
def test_tiers(severity: float, tier: str) -> None:
    """Half as much again is high, three times the threshold critical."""
    assert alarms.tier(severity) == tier


def test_an_alarm_keeps_its_name() -> None:
    """The same asset, opening and bundle give the same name, in any process; each of the three changes it."""
    name = alarms.alarm_id("a", MIDNIGHT, "b")
    assert name == "6e8acc237670"
    others = {
        alarms.alarm_id("x", MIDNIGHT, "b"),
        alarms.alarm_id("a", MIDNIGHT + pd.Timedelta("1us"), "b"),
        alarms.alarm_id("a", MIDNIGHT, "x"),
    }
    assert len(others | {name}) == 4


def test_more_windows_later_move_no_alarm() -> None:
    """Reading on leaves what was found: the open alarm keeps its opening, and so its name, and is closed."""
    before, after = scores("22..222"), scores("22..222....22")
    assert spans(alarms.fold(before, RULE, GAP)) == [(1, 1, "closed"), (5, 6, "open")]
    assert spans(alarms.fold(after, RULE, GAP)) == [(1, 1, "closed"), (5, 6, "closed"), (12, 12, "open")]


def test_an_alarm_that_hovers_stays_one() -> None:
    """Severity 2, 2, 0.9, 0.9, 0.9, 2, 2: with close_below 0.8 one alarm, with 0.95 or 1 two."""
    found = scores("22...22...")
    found.loc[2:4, "severity"] = 0.9
    for share, expected in (
        (0.8, [(1, 6, "closed")]),
        (0.95, [(1, 1, "closed"), (6, 6, "closed")]),
        (1.0, [(1, 1, "closed"), (6, 6, "closed")]),
    ):
        rule = Alarms(open_after=2, close_after=2, close_below=share)
        assert spans(alarms.fold(found, rule, GAP)) == expected


def test_what_keeps_an_alarm_on_does_not_open_one() -> None:
    """Windows at 0.9 are loud enough to stay, never to open; and an alarm lasts until the last of them."""
    rule = Alarms(open_after=2, close_after=2, close_below=0.8)
    quiet = scores(".........")
    quiet["severity"] = 0.9
    assert spans(alarms.fold(quiet, rule, GAP)) == []
    found = scores("22.......")
    found.loc[2:4, "severity"] = 0.9
    assert spans(alarms.fold(found, rule, GAP)) == [(1, 4, "closed")]


@pytest.mark.parametrize("share", [0, -1, 1.2])
def test_closing_above_the_threshold_is_refused(share: float) -> None:
    """A share of nothing never closes an alarm, one above 1 closes it while it is anomalous."""
    with pytest.raises(ValueError, match="close_below"):
        Alarms(close_below=share)
