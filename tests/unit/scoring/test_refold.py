"""Folding again around what has changed gives the alarms of folding everything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.config import Alarms
from wheeltapper.scoring import alarm_records, alarms
from wheeltapper.scoring.refold import Changed, regions

MAX_GAP = timedelta(hours=3)
ASSET = "pump"


def scores(ends: pd.DatetimeIndex, severity: Any) -> pd.DataFrame:
    """Return rows of the table of scores of one machine."""
    frame = pd.DataFrame({"asset_id": ASSET, "window_end": ends, "severity": severity, "threshold": 1.0})
    frame = frame.assign(score=frame["severity"], bundle="b", regime="normal", top_sensors="", role="champion")
    return tables.SCORES.check(frame)


def drawn(rng: np.random.Generator, count: int) -> pd.DataFrame:
    """Draw windows of some weeks: mostly calm, sometimes restless, with pauses."""
    hours = np.cumsum(rng.choice([1, 1, 1, 1, 1, 1, 2, 30], count))
    ends = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(hours, unit="h")
    is_restless = np.convolve(rng.random(count) < 0.04, np.ones(12), "same") > 0
    severity = np.where(is_restless, rng.choice([0.4, 0.9, 1.3, 2.0], count), rng.choice([0.2, 0.5, 1.1], count))
    return scores(pd.DatetimeIndex(ends).as_unit("us"), severity)


def changed_by_late_readings(before: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, Changed]:
    """Give some windows of a span another score, take some away and add some; return all scores and the change."""
    start = int(rng.integers(0, len(before)))
    part = before.iloc[start : start + int(rng.integers(1, 30))]
    fate = rng.choice(["stays", "changes", "goes"], len(part))
    scored = part[fate == "changes"].assign(severity=lambda rows: rng.choice([0.3, 1.5, 3.0], len(rows)))
    new = part[fate == "goes"].assign(window_end=lambda rows: rows["window_end"] + pd.Timedelta("7min"), severity=2.0)
    scored = pd.concat([scored, new]).sort_values("window_end", ignore_index=True)
    keys = pd.concat([part[fate != "stays"], new])[["asset_id", "window_end"]]
    after = pd.concat([before.drop(part.index[fate != "stays"]), scored]).sort_values("window_end", ignore_index=True)
    return after, Changed(keys["window_end"].min(), keys["window_end"].max(), scored, keys)


@pytest.mark.parametrize("seed", range(200))
def test_alarms_of_the_region_in_place_of_the_old_ones_are_those_of_everything(seed: int) -> None:
    """Any rule and any change: outside of the region nothing differs, inside it every alarm is as in a whole fold."""
    rng = np.random.default_rng(seed)
    rule = Alarms(
        open_after=int(rng.integers(1, 4)),
        close_after=int(rng.integers(1, 6)),
        close_below=float(rng.choice([1.0, 0.8])),
    )
    before = drawn(rng, 400)
    after, change = changed_by_late_readings(before, rng)
    if not len(change.replaces if change.replaces is not None else []):
        pytest.skip("nothing was changed in this draw")

    def read(start: pd.Timestamp | None, end: pd.Timestamp | None, _assets: list[str]) -> pd.DataFrame:
        return before[(before["window_end"] >= start) & (before["window_end"] < end)]

    stored = before["window_end"].iloc[0], before["window_end"].iloc[-1]
    region = regions(read, {ASSET: change}, stored, rule, MAX_GAP)[ASSET]
    old, expected = (alarms.fold(rows, rule, MAX_GAP) for rows in (before, after))
    kept = old[~region.holds(old["opened_at"])]
    is_over = region.follows(kept["last_at"])
    kept = kept.assign(
        closed_at=kept["closed_at"].mask(is_over, kept["last_at"]), state=kept["state"].mask(is_over, "closed")
    )
    together = pd.concat([kept, region.fold(rule, MAX_GAP)]).sort_values("opened_at", ignore_index=True)
    pd.testing.assert_frame_equal(together, expected, check_dtype=False)


def test_a_change_at_the_end_of_ten_years_reads_a_day() -> None:
    """A calm machine: the stored scores are read once, around the newest windows."""
    ends = pd.date_range("2016-01-05", "2026-01-05", freq="1h", tz="UTC").as_unit("us")
    before = scores(ends, 0.5)
    new = scores(ends[-1:] + pd.Timedelta("1h"), 0.5)
    asked = []

    def read(start: pd.Timestamp | None, end: pd.Timestamp | None, _assets: list[str]) -> pd.DataFrame:
        asked.append((start, end))
        return before[(before["window_end"] >= start) & (before["window_end"] < end)]

    change = Changed(new["window_end"].iloc[0], new["window_end"].iloc[0], new, new[["asset_id", "window_end"]])
    region = regions(read, {ASSET: change}, (ends[0], ends[-1]), Alarms(), MAX_GAP)[ASSET]
    assert len(asked) == 1 and asked[0][0] >= ends[-1] - pd.Timedelta("2D")
    assert len(region.after) <= Alarms().close_after + 1 and region.is_newest


def records(*spans: tuple[str, str, str, str]) -> pd.DataFrame:
    """Return stored alarms: identifier, opening, last window, bundle."""
    rows = [
        {
            "alarm_id": name,
            "asset_id": ASSET,
            "opened_at": pd.Timestamp(opened, tz="UTC"),
            "closed_at": pd.NaT,
            "last_at": pd.Timestamp(last, tz="UTC"),
            "peak_severity": 2.0,
            "regime": "normal",
            "tier": "high",
            "state": "open",
            "explanation": "pressure is low.",
            "sensors": "[]",
            "bundle": bundle,
        }
        for name, opened, last, bundle in spans
    ]
    frame = pd.DataFrame(rows)
    return tables.ALARMS.check(frame.assign(closed_at=frame["closed_at"].dt.tz_localize("UTC")))


def test_an_alarm_keeps_its_identifier_when_its_opening_or_the_champion_changes() -> None:
    """Matched by machine and overlap, the own bundle's first; one that is taken back stays, and says why."""
    stored = records(
        ("moved", "2026-01-05 10:00", "2026-01-05 12:00", "new"),
        ("of another champion", "2026-01-06 10:00", "2026-01-06 12:00", "old"),
        ("taken back", "2026-01-07 10:00", "2026-01-07 12:00", "new"),
    )
    now = records(
        ("first", "2026-01-05 09:00", "2026-01-05 11:00", "new"),
        ("second", "2026-01-06 11:00", "2026-01-06 13:00", "new"),
        ("third", "2026-01-08 11:00", "2026-01-08 13:00", "new"),
    ).drop(columns="alarm_id")
    matched = alarm_records.match(now, stored, "new")
    assert matched.identifiers[:2] == ["moved", "of another champion"]
    assert matched.identifiers[2] not in set(stored["alarm_id"])
    assert list(matched.unmatched["alarm_id"]) == ["taken back"]
    (withdrawn,) = alarm_records.withdraw(matched.unmatched, "readings that came later do not show it.").to_dict(
        "records"
    )
    assert withdrawn["state"] == "withdrawn" and withdrawn["closed_at"] == withdrawn["last_at"]
    assert withdrawn["explanation"].startswith("Withdrawn: readings that came later do not show it. It said: pressure")
    assert alarm_records.standing(pd.DataFrame([withdrawn])).empty


def test_an_alarm_that_was_split_in_two_gives_its_identifier_once() -> None:
    """The first part goes on under it, the second one gets its own."""
    stored = records(("one", "2026-01-05 10:00", "2026-01-05 20:00", "b"))
    now = records(
        ("first", "2026-01-05 10:00", "2026-01-05 12:00", "b"), ("second", "2026-01-05 15:00", "2026-01-05 20:00", "b")
    ).drop(columns="alarm_id")
    first, second = alarm_records.match(now, stored, "b").identifiers
    assert first == "one" and second != "one"
