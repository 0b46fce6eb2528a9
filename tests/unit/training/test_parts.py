"""Parts: five rules, three instants an asset, and no reading on both sides of a boundary."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config
from wheeltapper.config import Plant
from wheeltapper.errors import DataError
from wheeltapper.training import parts

PLANT = """
asset_type: {step: 1min, sensors: {load: {unit: A}}}
source: {csv_folder: {path: x, time_column: t}}
features: [latest]
candidates: [lof]
parts: """
FRACTION = "{by: fraction, train: 0.5, calibrate: 0.2, validate: 0.2, test: 0.1}"


def plant(rule: str) -> Plant:
    """Return a plant with this rule."""
    return config.parse(PLANT + rule, name="mill", folder=Path(), where="mill.yaml")


def at(minute: float) -> pd.Timestamp:
    """Return an instant of the day."""
    return pd.Timestamp("2026-01-05", tz="UTC") + pd.Timedelta(minutes=minute)


def readings(asset: str = "a", count: int = 101, first: float = 0, origin: str = "f.csv") -> pd.DataFrame:
    """Return readings of one asset, a minute apart."""
    times = [at(first + minute) for minute in range(count)]
    return pd.DataFrame({"asset_id": asset, "timestamp": times, "origin": origin})


def windows(found: pd.DataFrame, rows: int = 3) -> pd.DataFrame:
    """Cut each asset's readings into windows of so many rows."""
    frames = []
    for asset, own in found.groupby("asset_id"):
        times = own["timestamp"].sort_values().reset_index(drop=True)
        ends = times.iloc[rows - 1 :]
        frames.append(
            pd.DataFrame({"asset_id": asset, "window_start": times.iloc[: 1 - rows].to_numpy(), "window_end": ends})
        )
    return pd.concat(frames, ignore_index=True)


def minutes(cut: pd.DataFrame, asset: str) -> list[float]:
    """Return an asset's three instants in minutes of the day."""
    return [(when - at(0)) / pd.Timedelta("1min") for when in cut.loc[asset]]


def test_fractions_cut_the_plants_time() -> None:
    """0 to 100 minutes at 50, 70 and 90; the same instants for an asset that began later."""
    both = pd.concat([readings("b", 41, first=60), readings("a")]).sample(frac=1, random_state=1)
    cut = parts.cuts(both, plant(FRACTION))
    assert minutes(cut, "a") == minutes(cut, "b") == [50, 70, 90]
    assert [str(dtype) for dtype in cut.dtypes] == ["datetime64[us, UTC]"] * 3


def test_dates_cut_where_they_say() -> None:
    """The three instants as they stand, for every asset."""
    rule = (
        "{by: date, calibrate_from: 2026-01-05 00:10:00, validate_from: 2026-01-05 00:20:00, "
        "test_from: 2026-01-05 00:30:00}"
    )
    cut = parts.cuts(pd.concat([readings("a"), readings("b")]), plant(rule))
    assert minutes(cut, "a") == minutes(cut, "b") == [10, 20, 30]


def test_first_rows_are_counted_for_each_asset() -> None:
    """Sixty for training, twenty for calibration, wherever an asset begins; every other asset is for the test."""
    frame = pd.concat([readings("a"), readings("b", first=1000), readings("c", first=500)])
    cut = parts.cuts(frame, plant("{by: first_rows, train: 60, calibrate: 20}"))
    assert minutes(cut, "a")[:2] == [60, 80]
    assert minutes(cut, "b") == [1060, 1080, 1080]
    part = parts.assign(windows(frame), cut)
    judged = windows(frame).assign(part=part).query("part in ['validate', 'test']").groupby("part")["asset_id"].unique()
    assert judged["validate"].tolist() == ["a", "c"]
    assert judged["test"].tolist() == ["b"]


def test_files_are_cut_where_the_test_files_begin() -> None:
    """Training files 0 to 100 with the last quarter for calibration; test files 200 to 300, half and half."""
    frame = pd.concat([readings(origin="a_test.csv", first=200), readings(origin="a_train.csv")])
    rule = "{by: files, train: '*_train.csv', test: '*_test.csv', calibrate: 0.25, validate: 0.5}"
    assert minutes(parts.cuts(frame, plant(rule)), "a") == [75, 200, 250]


RULES = {
    "fraction": (FRACTION, pd.concat([readings("a"), readings("b", 90, first=5)])),
    "date": (
        "{by: date, calibrate_from: 2026-01-05 00:40:00, validate_from: 2026-01-05 01:00:00, "
        "test_from: 2026-01-05 01:20:00}",
        pd.concat([readings("a"), readings("b")]),
    ),
    "first rows": ("{by: first_rows, train: 50, calibrate: 20}", pd.concat([readings("a"), readings("b")])),
    "files": (
        "{by: files, train: '*n.csv', test: '*t.csv'}",
        pd.concat([readings(origin="in.csv"), readings(origin="out.csv", first=150)]),
    ),
}


def test_assets_are_left_out_as_a_whole() -> None:
    """Ten assets by 4:2:2:2; each is in one part, the same every time, and others with another seed."""
    frame = pd.concat([readings(f"engine {number}", 20 + number) for number in range(10)])
    rows = windows(frame)

    def drawn(seed: int) -> pd.Series:
        own = plant("{by: assets}\nseed: " + str(seed))
        return rows.assign(part=parts.assign(rows, parts.cuts(frame, own))).groupby("asset_id")["part"].unique()

    found = drawn(1)
    assert (found.str.len() == 1).all()
    assert found.str[0].value_counts().to_dict() == {"train": 4, "calibrate": 2, "validate": 2, "test": 2}
    assert found.str[0].equals(drawn(1).str[0])
    assert not found.str[0].equals(drawn(2).str[0])


def test_no_part_is_without_an_asset() -> None:
    """Four assets, one a part, whatever the shares; three are refused."""
    frame = pd.concat([readings(name) for name in "abcd"])
    rule = plant("{by: assets, train: 0.97, calibrate: 0.01, validate: 0.01, test: 0.01}")
    part = parts.assign(windows(frame), parts.cuts(frame, rule))
    assert part.value_counts().to_dict() == dict.fromkeys(parts.PARTS, 99)
    with pytest.raises(DataError, match="need at least 4 assets"):
        parts.cuts(frame[frame["asset_id"] != "d"], rule)


def test_what_an_asset_does_later_is_not_learnt_yet() -> None:
    """A reading after the last one that was there belongs to no part that teaches, so it will be scored."""
    frame = pd.concat([readings(name) for name in "abcd"])
    cut = parts.cuts(frame, plant("{by: assets}"))
    assert (cut["validate_from"] <= at(100) + pd.Timedelta("1us")).all()


@pytest.mark.parametrize(("rule", "frame"), RULES.values(), ids=RULES)
def test_parts_follow_each_other_and_share_no_reading(rule: str, frame: pd.DataFrame) -> None:
    """For each asset: the last reading of a part's windows is before the first reading of the next part's."""
    rows = windows(frame)
    part = parts.assign(rows, parts.cuts(frame, plant(rule)))
    assert set(part) == {*parts.PARTS, parts.PURGED}
    assert part.index.equals(rows.index)
    for _, own in rows.assign(part=part).groupby("asset_id"):
        spans = [group for name in parts.PARTS if len(group := own[own["part"] == name])]
        assert len(spans) >= 3
        for before, after in pairwise(spans):
            assert before["window_end"].max() < after["window_start"].min()


def test_windows_across_a_boundary_are_purged() -> None:
    """Windows of three readings and a cut at 50: those that end at 50 and 51 hold readings of both sides."""
    frame = readings()
    rows = windows(frame)
    part = parts.assign(rows, parts.cuts(frame, plant(FRACTION)))
    ends = ((rows["window_end"] - at(0)) / pd.Timedelta("1min")).astype(int)
    assert ends[part == parts.PURGED].tolist() == [50, 51, 70, 71, 90, 91]
    assert ends[part == "train"].max() == 49
    assert ends[part == "calibrate"].min() == 52


def test_an_asset_without_cuts_belongs_to_no_part() -> None:
    """Feature rows of an asset that has no readings (any more) are left out, not trained on."""
    cut = parts.cuts(readings("a"), plant(FRACTION))
    assert set(parts.assign(windows(readings("stranger")), cut)) == {parts.PURGED}


def test_no_rows_have_no_parts() -> None:
    """An empty table stays one."""
    cut = parts.cuts(readings("a"), plant(FRACTION))
    assert parts.assign(windows(readings("a")).iloc[:0], cut).empty


REFUSED: dict[str, tuple[str, Any, str]] = {
    "nothing yet": (FRACTION, readings().iloc[:0], "mill has no readings yet. Run: wheeltapper ingest mill"),
    "a single reading": (FRACTION, readings(count=1), "no reading falls into the train part. The 1 readings run from"),
    "dates in the past": (
        "{by: date, calibrate_from: 2025-01-01, validate_from: 2025-02-01, test_from: 2025-03-01}",
        readings(),
        "mill: no reading falls into the train part. The 101 readings run from 2026-01-05 00:00:00",
    ),
    "dates in the future": (
        "{by: date, calibrate_from: 2027-01-01, validate_from: 2027-02-01, test_from: 2027-03-01}",
        readings(),
        "mill: no reading falls into the calibrate part.",
    ),
    "a pause where calibration should be": (
        FRACTION,
        pd.concat([readings(count=40), readings(count=20, first=81)]),
        "no reading falls into the calibrate part",
    ),
    "an asset too short": (
        "{by: first_rows, train: 60, calibrate: 20}",
        pd.concat([readings("a"), readings("b", 80)]),
        "b has 80 readings, but its first 80 are for training and calibration. Lower parts.train",
    ),
    "no training file": (
        "{by: files, train: '*_train.csv', test: '*_test.csv'}",
        readings(origin="a_test.csv"),
        r"a has no file that matches \*_train.csv \(its files: \['a_test.csv'\]\)",
    ),
    "no test file": (
        "{by: files, train: '*_train.csv', test: '*_test.csv'}",
        readings(origin="a_train.csv"),
        r"a has no file that matches \*_test.csv",
    ),
    "tests before training ends": (
        "{by: files, train: '*_train.csv', test: '*_test.csv'}",
        pd.concat([readings(origin="a_train.csv"), readings(origin="a_test.csv", first=100)]),
        "a: its training files end at .* after its test files start at",
    ),
    "a file of neither kind": (
        "{by: files, train: '*_train.csv', test: '*_test.csv'}",
        pd.concat([readings(origin="a_train.csv"), readings(origin="notes.csv", first=200)]),
        "file notes.csv matches neither of parts.train",
    ),
    "a file of both kinds": (
        "{by: files, train: '*.csv', test: '*_test.csv'}",
        pd.concat([readings(origin="a.csv"), readings(origin="a_test.csv", first=200)]),
        "file a_test.csv matches both of parts.train",
    ),
}


@pytest.mark.parametrize(("rule", "frame", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_parted_is_refused(rule: str, frame: pd.DataFrame, message: str) -> None:
    """The message names the asset or part, and what to change."""
    with pytest.raises(DataError, match=message):
        parts.cuts(frame, plant(rule))


def test_the_test_part_may_be_empty() -> None:
    """Two assets by first rows have a test part, a single one has none: nothing depends on it."""
    frame = readings()
    part = parts.assign(windows(frame), parts.cuts(frame, plant("{by: first_rows, train: 60, calibrate: 20}")))
    assert set(part) == {"train", "calibrate", "validate", parts.PURGED}
    assert np.count_nonzero(part == "validate") == 19
