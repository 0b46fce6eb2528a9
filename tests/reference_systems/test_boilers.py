"""Reference system 003, boilers: a shuffled file of single temperatures, as this project reads, checks and parts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reference_systems.reading import Delivered, is_in_fault, plant_of, read
from wheeltapper import plants
from wheeltapper.config import Plant
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.health.flagging import flag_readings
from wheeltapper.readings.survey.survey import survey
from wheeltapper.training import parts
from wheeltapper.training.candidate import baselines_of, fit_candidate

BOILERS = {"Boiler A": 233, "Boiler B": 220, "Boiler C": 284, "Boiler D": 263}
"""Boiler → its readings."""

HOUSE = """
asset_type:
  step: 2h
  sensors:
    temperature: {unit: °C, low: 0, high: 120, alarm_high: 40}
source:
  csv_folder:
    path: boilers.csv
    asset_column: Boiler Name
    time_column: Timestamp
    time_zone: UTC
    shuffled: true
    columns: {Temperature: temperature}
    fault_column: Anomaly
    fault_kind: overheating
windows: {rows: 2, every: 1, max_gap: 2d}
features: [latest]
candidates: [lof]
"""


def _table(seed: int = 101) -> pd.DataFrame:
    """Make the file again: a thousand irregular, unsorted temperatures of a month, 24 of them above 40 °C."""
    rng = np.random.default_rng(seed)
    names = np.repeat(list(BOILERS), list(BOILERS.values()))
    seconds = np.concatenate([rng.choice(29 * 86_400, count, replace=False) for count in BOILERS.values()])
    anomaly = np.zeros(1000, dtype=int)
    anomaly[rng.choice(1000, 24, replace=False)] = 1
    usual = np.minimum(rng.normal(24.9, 5.2, 1000), 39.79)
    hot = np.append(rng.uniform(40.11, 94.0, 998), [40.11, 94.0])[rng.permutation(1000)]
    table = pd.DataFrame(
        {
            "Timestamp": (pd.Timestamp("2023-01-01") + pd.to_timedelta(seconds, unit="s")).astype(str),
            "Boiler Name": names,
            "Temperature": np.where(anomaly == 1, hot, usual).round(2),
            "Anomaly": anomaly,
        }
    )
    return table.sample(frac=1, random_state=seed, ignore_index=True)


def _house(folder: Path, table: pd.DataFrame, text: str = HOUSE) -> tuple[Plant, Delivered]:
    table.to_csv(folder / "boilers.csv", index=False)
    plant = plant_of(text, folder)
    return plant, read(plant)


def test_the_shuffled_file_becomes_four_sorted_boilers(tmp_path: Path) -> None:
    """A thousand rows, none lost: each boiler's in time order, its 24 anomalies as faults, the file's own values.

    Reference row 003-01.
    """
    table = _table()
    assert not table.groupby("Boiler Name")["Timestamp"].is_monotonic_increasing.any()
    _, delivered = _house(tmp_path, table)
    assert delivered.rejected.empty
    assert delivered.rows["asset_id"].value_counts().to_dict() == BOILERS
    assert delivered.rows["asset_id"].is_monotonic_increasing
    assert delivered.rows.groupby("asset_id")["timestamp"].is_monotonic_increasing.all()
    assert delivered.rows.groupby("asset_id")["timestamp"].diff().nunique() > 900, "irregular"
    expected = table.sort_values(["Boiler Name", "Timestamp"])
    assert delivered.rows["temperature"].tolist() == expected["Temperature"].tolist()
    assert is_in_fault(delivered.rows, delivered.faults).tolist() == (expected["Anomaly"] == 1).tolist()
    assert set(delivered.faults["kind"]) == {"overheating"}


def test_the_average_of_twelve_is_of_one_boilers_own_past(tmp_path: Path) -> None:
    """Smoothed when windows are cut, not in the table; a boiler's first eleven have none, and others do not count.

    Reference row 003-02.
    """
    smooth = HOUSE + "cleaning: {smooth: {temperature: {by: mean, rows: 12}}}\n"
    plant, delivered = _house(tmp_path, _table(), smooth.replace("max_gap: 2d", "max_gap: 30d"))
    assert delivered.rows["temperature"].max() > 90, "the table keeps what was measured"
    features = compute(FeaturePlan.of(plant), delivered.rows)
    for name, boiler_rows in delivered.rows.groupby("asset_id"):
        by_hand = boiler_rows["temperature"].rolling(12).mean().to_numpy()
        rows = features[features["asset_id"] == name]
        assert rows["usable"].all()
        # A window holds two smoothed values: the first of them is the boiler's twelfth reading.
        assert rows["window_end"].tolist() == boiler_rows["timestamp"].iloc[12:].tolist()
        np.testing.assert_allclose(rows["temperature"], by_hand[12:])


def test_missing_values_and_repeated_rows_are_counted_and_kept_apart(tmp_path: Path) -> None:
    """Five blank temperatures are put aside, and of three rows that come twice the last stays; none is filled.

    Reference row 003-03.
    """
    table = _table()
    table.loc[[10, 200, 400, 600, 800], "Temperature"] = np.nan
    table = pd.concat([table, table.loc[[3, 33, 333]]], ignore_index=True)
    plant, delivered = _house(tmp_path, table)
    assert delivered.rejected["expectation"].value_counts().to_dict() == {"some_value": 5}
    assert sum(note.startswith("3 readings are of an instant") for note in delivered.notes) == 1
    assert delivered.rejected["reason"].str.len().gt(10).all()
    assert len(delivered.rows) == 995
    described = survey(plant)
    assert (described["rejected"], described["repeated"]) == ({"some_value": 5}, 3)
    assert described["duplicate_share"] == pytest.approx(3 / 1003)
    assert described["sensors"]["temperature"]["missing"] == 0
    # The same file without a mistake has nothing of this.
    assert _house(tmp_path, _table())[1].rejected.empty


def test_all_anomalies_survive_the_treatment_of_outliers(tmp_path: Path) -> None:
    """With both rules for outliers on, unusual temperatures are flagged beside the table, and all 24 anomalies stay.

    Reference row 003-04.
    """
    table = _table()
    plant, delivered = _house(tmp_path, table, HOUSE + "cleaning: {flags: [iqr, hampel]}\n")
    assert len(delivered.rows) == 1000
    assert (delivered.rows["temperature"] >= 40).sum() == 24
    flags = flag_readings(delivered.rows, plant.asset_type, plant.cleaning.flags)
    flags = flags[flags["kind"].isin(["iqr", "hampel"])]
    flagged = is_in_fault(delivered.rows, flags)
    assert flagged[delivered.rows["temperature"] > 60].mean() > 0.7
    assert flagged[delivered.rows["temperature"] < 35].mean() < 0.05
    # The label is nowhere in it: the same readings without their labels have the same flags.
    blind = table.assign(Anomaly=0)
    _, same = _house(tmp_path, blind)
    pd.testing.assert_frame_equal(flag_readings(same.rows, plant.asset_type, ["iqr", "hampel"]), flags)


def test_day_hour_minute_and_second_are_one_place_on_the_circle(tmp_path: Path) -> None:
    """Year and month, which never change, give no column; hour, minute and second together are one angle.

    Reference row 003-05.
    """
    plant, delivered = _house(tmp_path, _table(), HOUSE.replace("[latest]", "[calendar]"))
    features = compute(FeaturePlan.of(plant), delivered.rows)
    assert [name for name in features if name.startswith("calendar__")] == [
        f"calendar__{name}" for name in ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "is_night")
    ]
    ends = features["window_end"]
    angle = 2 * np.pi * (ends.dt.hour + ends.dt.minute / 60 + ends.dt.second / 3600) / 24
    np.testing.assert_allclose(features["calendar__hour_sin"], np.sin(angle), atol=1e-9)
    np.testing.assert_allclose(features["calendar__hour_cos"], np.cos(angle), atol=1e-9)
    day = 2 * np.pi * ends.dt.day_of_week / 7
    np.testing.assert_allclose(features["calendar__weekday_cos"], np.cos(day), atol=1e-9)


def test_a_word_per_boiler_becomes_one_column_each_and_a_new_word_none(tmp_path: Path) -> None:
    """The fuel of each boiler as 0 and 1; a fuel that is not in the list is 0 in all columns, and its rows are kept.

    Reference row 003-06.
    """
    fuels = dict(zip(BOILERS, ["gas", "oil", "gas", "wood"], strict=True))
    table = _table().assign(Fuel=lambda rows: rows["Boiler Name"].map(fuels))
    text = HOUSE.replace("source:", "  categories: {fuel: [gas, oil]}\nsource:", 1)
    text = text.replace("temperature}", "temperature, Fuel: fuel}")
    _, delivered = _house(tmp_path, table, text)
    by_boiler = delivered.rows.groupby("asset_id")[["fuel_is_gas", "fuel_is_oil"]].agg(["min", "max"])
    assert by_boiler["fuel_is_gas"].to_numpy().tolist() == [[1, 1], [0, 0], [1, 1], [0, 0]]
    assert by_boiler["fuel_is_oil"].to_numpy().tolist() == [[0, 0], [1, 1], [0, 0], [0, 0]]
    assert len(delivered.rows) == 1000


def test_what_is_tested_comes_after_what_was_learnt_and_shares_no_reading(tmp_path: Path) -> None:
    """All boilers are cut at the same instants; a window across a cut belongs to no part; every row is a raw row.

    Reference row 003-07.
    """
    plant, delivered = _house(tmp_path, _table())
    features = compute(FeaturePlan.of(plant), delivered.rows)
    part = parts.assign(features, parts.cuts(delivered.rows, plant))
    assert set(part) == {"train", "calibrate", "validate", "test", "purged"}
    spans = features.groupby(part).agg(start=("window_start", "min"), end=("window_end", "max"))
    for before, after in (("train", "calibrate"), ("calibrate", "validate"), ("validate", "test")):
        assert spans.loc[before, "end"] < spans.loc[after, "start"]
    assert (part == "test").sum() / len(part) == pytest.approx(0.15, abs=0.03)
    raw = set(zip(delivered.rows["asset_id"], delivered.rows["timestamp"], strict=True))
    tested = features[part == "test"]
    assert set(zip(tested["asset_id"], tested["window_end"], strict=True)) <= raw


def test_boilers_may_be_kept_apart_instead(tmp_path: Path) -> None:
    """The first rows of each boiler are learnt from; no boiler is in both the validate and the test part.

    Reference row 003-07.
    """
    text = HOUSE + "parts: {by: first_rows, train: 100, calibrate: 60}\n"
    plant, delivered = _house(tmp_path, _table(), text)
    features = compute(FeaturePlan.of(plant), delivered.rows)
    part = parts.assign(features, parts.cuts(delivered.rows, plant))
    judged, tested = (set(features.loc[part == name, "asset_id"]) for name in ("validate", "test"))
    assert judged | tested == set(BOILERS)
    assert not judged & tested


def test_the_rule_of_forty_degrees_stands_on_the_board_and_is_perfect(tmp_path: Path) -> None:
    """The baseline of the alarm limit puts every anomaly above every normal temperature: nothing can beat it.

    Reference row 003-13.
    """
    plant, delivered = _house(tmp_path, _table(), HOUSE.replace("max_gap: 2d", "max_gap: 30d"))
    limits = next(baseline for baseline in baselines_of(plant) if baseline.name == "limits")
    assert limits.options == {"high": {"temperature": 40}}
    features = compute(FeaturePlan.of(plant), delivered.rows)
    part = parts.assign(features, parts.cuts(delivered.rows, plant))
    rule = fit_candidate(plant, limits, features, part, delivered.faults, {})
    scored = rule.score(features)
    hot = is_in_fault(scored.assign(timestamp=scored["window_end"]), delivered.faults)
    assert hot.sum() >= 20
    assert scored.loc[hot, "score"].min() > scored.loc[~hot, "score"].max(), "the area under its curve is 1"
    assert ((scored["severity"] > 1) == hot).all()


def test_the_plant_of_boilers_has_the_rule() -> None:
    """40 °C is the alarm limit of the simulated boilers, too. Reference row 003-13."""
    assert plants.load("boilers").asset_type.sensors["temperature"].alarm_high == 40
