"""Reference system 000, smart manufacturing: its table, its label rules, its checks, as this project reads them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from expectations import features as feature_promises
from expectations import readings as reading_promises
from tests.reference_systems.reading import Delivered, is_in_fault, plant_of, read
from wheeltapper import config, datasets, detectors, plants
from wheeltapper.assets import machine_as_published as published
from wheeltapper.features.compute import compute
from wheeltapper.features.impute import Imputer
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.survey.survey import survey

COLUMNS = (
    *("timestamp", "machine_id", "temperature", "vibration", "humidity", "pressure", "energy_consumption"),
    *("machine_status", "anomaly_flag", "predicted_remaining_life", "failure_type", "downtime_risk"),
    "maintenance_required",
)
SENSORS = ("temperature", "vibration", "humidity", "pressure", "energy_consumption")

# The ranges of the uniform columns are the published ones; a normal distribution has none.
FLEET = """
asset_type:
  step: 50min
  sensors:
    temperature: {unit: °C, low: 0, high: 150, alarm_high: 90}
    vibration: {unit: Hz, low: -30, high: 150, alarm_high: 80}
    humidity: {unit: "%", low: 30, high: 80}
    pressure: {unit: bar, low: 1, high: 5}
    energy_consumption: {unit: kWh, low: 0.5, high: 5}
source:
  csv_folder:
    path: fleet.csv
    asset_column: machine_id
    time_column: timestamp
    time_zone: UTC
    fault_column: anomaly_flag
    fault_kind: anomaly
windows: {rows: 2, every: 1, max_gap: 1d}
features: [latest]
candidates: [lof]
"""


@cache
def _replica() -> pd.DataFrame:
    """The whole published table again: 13 columns, one row a minute over fifty machines."""
    text = """
    asset_type: machine_as_published
    source:
      simulator: {assets: 50, start: 2025-01-01, duration: 100000min, step: 1min, one_at_a_time: true}
    features: [latest]
    candidates: [lof]
    """
    rows = read(plant_of(text), check=False).rows.sort_values("timestamp", ignore_index=True)
    flagged = published.label({name: rows[name].to_numpy() for name in ("temperature", "vibration")}) != ""
    labels = pd.DataFrame(published.draw_labels(np.random.default_rng(1), flagged))
    table = rows.assign(
        timestamp=rows["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        machine_id=rows["asset_id"].str.rsplit("-").str[-1].astype(int),
    )
    return pd.concat([table, labels], axis=1)[list(COLUMNS)]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[config.Plant, Delivered]:
    """The replica as a file, and what the loader makes of it."""
    folder = tmp_path_factory.mktemp("fleet")
    _replica().to_csv(folder / "fleet.csv", index=False)
    plant = plant_of(FLEET, folder)
    return plant, read(plant)


@pytest.mark.slow
def test_the_published_table_comes_in_typed_and_whole(fleet: tuple[config.Plant, Delivered]) -> None:
    """100 000 rows of 13 columns are as many readings of 50 machines: times in UTC, sensors float64, none put aside.

    Reference row 000-01.
    """
    _, delivered = fleet
    assert (len(delivered.rows), len(delivered.rejected)) == (100_000, 0)
    assert sorted(delivered.rows["asset_id"].unique(), key=int) == [str(number) for number in range(1, 51)]
    assert str(delivered.rows["timestamp"].dtype) == "datetime64[us, UTC]"
    assert {str(delivered.rows[name].dtype) for name in SENSORS} == {"float64"}
    times = delivered.rows["timestamp"].sort_values()
    assert (times.iloc[0], times.iloc[-1]) == (pd.Timestamp("2025-01-01T00:00Z"), pd.Timestamp("2025-03-11T10:39Z"))
    assert times.is_unique, "one machine at an instant"
    pauses = delivered.rows.groupby("asset_id")["timestamp"].diff().dt.total_seconds().mean() / 60
    assert pauses == pytest.approx(50, rel=0.01)
    pd.testing.assert_series_equal(
        delivered.rows.sort_values("timestamp")["humidity"].reset_index(drop=True),
        _replica()["humidity"],
        check_exact=True,
    )


@pytest.mark.slow
def test_the_suite_lists_the_five_sensors_with_units_and_ranges(fleet: tuple[config.Plant, Delivered]) -> None:
    """The promises name exactly these five with these words; a value just outside its range is put aside.

    Reference row 000-02.
    """
    plant, delivered = fleet
    sentences = [
        promise.says for promise in reading_promises.promises(plant) if promise.name.endswith("_within_limits")
    ]
    assert sentences == [
        "temperature lies within 0 to 150 °C.",
        "vibration lies within -30 to 150 Hz.",
        "humidity lies within 30 to 80 %.",
        "pressure lies within 1 to 5 bar.",
        "energy_consumption lies within 0.5 to 5 kWh.",
    ]
    few = delivered.rows.head(5).reset_index(drop=True).assign(row=range(5))
    for place, (sensor, value) in enumerate([("humidity", 29.9), ("pressure", 5.1), ("energy_consumption", 0.4)]):
        few.loc[place, sensor] = value
    rejected = reading_promises.check(few, plant, None).rejected
    assert rejected["expectation"].tolist() == [f"{name}_within_limits" for name in SENSORS[2:]]
    assert "29.9 % is outside 30 to 80 %" in rejected["reason"].iloc[0]


@pytest.mark.slow
def test_the_flag_becomes_faults_and_two_limits_find_every_one(fleet: tuple[config.Plant, Delivered]) -> None:
    """8.9 % of readings are flagged; the baseline of the two alarm limits flags the same readings and no other.

    Reference row 000-03.
    """
    plant, delivered = fleet
    flagged = _replica().set_index(["machine_id", "timestamp"])["anomaly_flag"]
    key = [delivered.rows["asset_id"].astype(int), delivered.rows["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S")]
    truth = flagged.reindex(pd.MultiIndex.from_arrays(key)).to_numpy(bool)
    assert truth.mean() == pytest.approx(0.089, abs=0.003)
    high = {
        name: sensor.alarm_high for name, sensor in plant.asset_type.sensors.items() if sensor.alarm_high is not None
    }
    rule = detectors.build("limits", {"high": high}).fit(delivered.rows[list(SENSORS)])
    np.testing.assert_array_equal(rule.score(delivered.rows[list(SENSORS)]) > rule.own_threshold, truth)
    # Flagged readings that follow each other are one fault: as many as there are beginnings.
    runs = pd.Series(truth).groupby(delivered.rows["asset_id"].to_numpy())
    assert len(delivered.faults) == int((pd.Series(truth) & ~runs.shift(fill_value=False)).sum())


@pytest.mark.slow
def test_every_reading_of_the_set_lies_on_the_two_circles(fleet: tuple[config.Plant, Delivered]) -> None:
    """sin² + cos² is 1 for the hour and for the day of the week, and 23 h is as near to 0 h as 0 h to 1 h.

    Reference row 000-12.
    """
    plant, delivered = fleet
    calendar = plant.model_copy(update={"features": (config.PlugIn(name="calendar"),)})
    features = compute(FeaturePlan.of(calendar), delivered.rows[delivered.rows["asset_id"].isin(["1", "2"])])
    for part in ("hour", "weekday"):
        sine, cosine = features[f"calendar__{part}_sin"], features[f"calendar__{part}_cos"]
        np.testing.assert_allclose(sine**2 + cosine**2, 1.0)
    circle = ["calendar__hour_sin", "calendar__hour_cos"]
    centres = features.groupby(features["window_end"].dt.hour)[circle].mean().to_numpy()
    assert len(centres) == 24
    steps = np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1)
    assert steps[0] == pytest.approx(steps[1:].mean(), rel=0.2), "midnight is a step like every other"


@pytest.mark.slow
def test_other_machines_rows_change_nothing_in_a_machines_features(fleet: tuple[config.Plant, Delivered]) -> None:
    """Other machines are shuffled, altered or left out: machine 7 has the same features to the last bit.

    Reference row 000-13.
    """
    plant, delivered = fleet
    rich = plant.model_copy(update={"features": (config.PlugIn(name="rolling"), config.PlugIn(name="rates"))})
    some = delivered.rows[delivered.rows["asset_id"].isin(["3", "7", "12"])]
    alone = compute(FeaturePlan.of(rich), some[some["asset_id"] == "7"])
    others = some["asset_id"] != "7"
    altered = some.assign(temperature=some["temperature"].where(~others, 140.0)).sample(frac=1, random_state=1)
    for mixed in (some.sample(frac=1, random_state=2), altered):
        features = compute(FeaturePlan.of(rich), mixed)
        machine_rows = features[features["asset_id"] == "7"].reset_index(drop=True)
        pd.testing.assert_frame_equal(machine_rows, alone, check_exact=True)
    assert alone["usable"].sum() > 1000


def test_nothing_is_learnt_from_a_missing_value_and_filling_knows_the_training_alone() -> None:
    """Windows with a missing value are named and not used; values are filled in from the training part only.

    Reference row 000-11.
    """
    text = """
    asset_type: machine
    source: {simulator: {assets: 2, start: 2026-01-05, duration: 20d, missing_rate: 0.02}}
    windows: {rows: 3, every: 1}
    features: [latest, rolling]
    candidates: [lof]
    """
    plant = plant_of(text)
    delivered = read(plant)
    missing = delivered.rows[list(plant.asset_type.sensors)].isna().any(axis=1)
    assert missing.sum() > 50
    features = compute(FeaturePlan.of(plant), delivered.rows)
    columns = list(FeaturePlan.of(plant).columns)
    usable = features[features["usable"]]
    assert np.isfinite(usable[columns]).all(axis=None)
    assert features.loc[~features["usable"], "why_not"].str.contains("missing temperature").any()
    assert len(features) - len(usable) >= missing.sum()
    assert feature_promises.check(features, plant, None).ok
    spoilt = features.copy()
    spoilt.loc[usable.index[0], columns[0]] = np.inf
    assert not feature_promises.check(spoilt, plant, None).ok

    train, today = features.iloc[: len(features) // 2], features.iloc[len(features) // 2 :]
    filled = Imputer.fit(train[columns]).transform(today[columns])
    shifted = Imputer.fit(train[columns]).transform(today[columns] + 1000)
    assert np.isfinite(filled).all(axis=None)
    was_missing = today[columns].isna().to_numpy()
    assert was_missing.any()
    np.testing.assert_array_equal(filled.to_numpy()[was_missing], shifted.to_numpy()[was_missing])


EXTRACT = """
asset_type:
  step: 1d
  sensors:
    temperature: {unit: °C, low: 0, high: 200}
    vibration: {unit: 1, low: -50, high: 200}
    pressure: {unit: bar, low: 0, high: 20}
source:
  csv_folder:
    path: extract.csv
    asset_column: machine
    time_column: timestamp
    time_zone: UTC
    shuffled: true
    fault_column: anomaly_flag
    fault_kind: anomaly
windows: {rows: 2, every: 1, max_gap: 30d}
features: [latest]
candidates: [lof]
"""
SHUFFLED = """machine,timestamp,temperature,vibration,pressure,machine_status,anomaly_flag,downtime_risk
GJR5,2025-03-07 02:37:00,61.56,21.13,3.43,Idle,No,
PKS8,2025-02-19 15:34:00,,61.19,2.33,Running,No,0.0
GJR5,2025-01-16 12:54:00,91.50,20.17,,Failure,Yes,1.0
PKS8,2025-02-18 15:34:00,84.59,,2.30,,No,0.0
GJR5,2025-03-07 02:37:00,61.56,21.13,3.43,Idle,No,
XEP19,2025-01-17 10:00:00,,,,Running,No,0.0
PKS8,2025-02-20 15:34:00,70.00,85.00,2.00,Running,Yes,1.0
"""


def test_the_quality_check_counts_what_the_references_counts(tmp_path: Path) -> None:
    """Rows, missing values a column, repeated rows, first and last day and machines, of a small shuffled extract.

    Reference row 000-27.
    """
    (tmp_path / "extract.csv").write_text(SHUFFLED)
    plant = plant_of(EXTRACT, tmp_path)
    delivered = read(plant)
    described = survey(plant)
    assert len(delivered.rows) + len(delivered.rejected) + described["repeated"] == 7
    assert delivered.rejected["expectation"].tolist() == ["some_value"]
    assert described["rows"] == 5
    assert described["assets"] == ["GJR5", "PKS8"]
    assert {name: sensor["missing"] for name, sensor in described["sensors"].items()} == {
        "temperature": 1,
        "vibration": 1,
        "pressure": 1,
    }
    assert described["duplicate_share"] == pytest.approx(1 / 7)
    assert described["first"].startswith("2025-01-16")
    assert described["last"].startswith("2025-03-07")
    assert delivered.rows.groupby("asset_id")["timestamp"].is_monotonic_increasing.all()
    assert delivered.faults[["asset_id", "kind"]].to_numpy().tolist() == [["GJR5", "anomaly"], ["PKS8", "anomaly"]]


@pytest.fixture(scope="module")
def extract() -> Delivered:
    """All 1 997 readings of the real extract, as its plant reads them; skips where the data is not there."""
    dataset = datasets.registry()["smart_manufacturing"]
    if datasets.where(dataset) is None:
        pytest.skip("the folder SmartManufacturing is neither in WHEELTAPPER_DATA nor in ../shared/data")
    return read(plants.load(dataset.plant))


def test_the_real_extract_comes_in_with_its_missing_values(extract: Delivered) -> None:
    """Temperature is missing 23 times, vibration 13, pressure 6, humidity and energy never. Reference row 000-02."""
    assert (len(extract.rows), len(extract.rejected)) == (1997, 0)
    assert extract.rows[list(SENSORS)].isna().sum().tolist() == [23, 13, 0, 6, 0]


def test_two_limits_find_every_fault_of_the_real_extract(extract: Delivered) -> None:
    """The rule of 90 °C and 80 flags what is labelled, and nothing else. Reference row 000-03."""
    rows = extract.rows.dropna(subset=["temperature", "vibration"])
    rule = detectors.build("limits", {"high": {"temperature": 90, "vibration": 80}}).fit(rows[list(SENSORS)].dropna())
    flagged = rule.score(rows[list(SENSORS)].fillna(0.0)) > rule.own_threshold
    assert 0 < flagged.mean() < 0.2
    np.testing.assert_array_equal(flagged, is_in_fault(rows, extract.faults))
