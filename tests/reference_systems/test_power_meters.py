"""Reference system 002, power meters: its 22 fields, the eight steps of preparation, the five machines."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reference_systems.reading import Delivered, plant_of, read
from wheeltapper import tables
from wheeltapper.assets.power_meter import METERS, as_published
from wheeltapper.config import Plant
from wheeltapper.evaluation.intervals import rate_interval
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings import exclude
from wheeltapper.readings.health.flagging import flag_readings
from wheeltapper.scoring import alarms
from wheeltapper.training import parts
from wheeltapper.training.candidate import fit_candidate

PREFIX = "DE_KN_industrial3_"
MACHINES = [f"machine_{number}" for number in range(1, 6)]

BUILDING = """
asset_type: power_meter
source:
  csv_folder:
    path: household.csv
    time_column: utc_timestamp
    time_zone: UTC
    tag_pattern: DE_KN_industrial3_(?P<asset>machine_[1-5])
windows: {rows: 2, every: 1, max_gap: 1h}
features: [latest]
candidates: [lof]
"""


@cache
def _simulated(assets: int, days: int) -> tuple[Plant, Delivered]:
    text = f"""
    asset_type: power_meter
    source: {{simulator: {{assets: {assets}, start: 2015-10-16, duration: {days}d}}}}
    windows: {{rows: 8, every: 2}}
    features: [latest, rolling]
    models: per_asset
    candidates: [pca_residual]
    alarm_budget: 1
    alarms: {{open_after: 2, close_after: 6}}
    seed: 7
    """
    plant = plant_of(text)
    return plant, read(plant, check=False)


@cache
def _published() -> pd.DataFrame:
    """Ten days round the end of summer time, in the columns of the data set: 22 fields, and what is filled in."""
    table = as_published(_simulated(20, 10)[1].rows)
    return table.rename(columns={name: PREFIX + name for name in METERS})


def _building(folder: Path, table: pd.DataFrame) -> tuple[Plant, Delivered]:
    table.to_csv(folder / "household.csv", index=False)
    plant = plant_of(BUILDING, folder)
    return plant, read(plant)


def test_the_published_columns_are_read_and_those_that_nobody_uses_may_be_absent(tmp_path: Path) -> None:
    """22 fields become five machines; without the other fifteen meters and the local time the readings are the same.

    Reference row 002-05.
    """
    whole = _published()
    assert list(whole)[:2] == ["utc_timestamp", "cet_cest_timestamp"]
    assert len([name for name in whole if name != "interpolated"]) == 22
    _, delivered = _building(tmp_path, whole)
    assert delivered.rows["asset_id"].unique().tolist() == MACHINES
    assert len(delivered.rows) == 5 * 10 * 96
    few = whole[["utc_timestamp", *(PREFIX + name for name in MACHINES)]]
    _, less = _building(tmp_path, few)
    pd.testing.assert_frame_equal(less.rows, delivered.rows, check_exact=True)


def test_meters_side_by_side_become_sorted_machines_in_utc(tmp_path: Path) -> None:
    """Fifteen meters are left out, each row becomes five; an unreadable time and an empty field are no reading.

    Reference row 002-06.
    """
    table = _published().copy()
    counter = f"{PREFIX}machine_3"
    table.loc[7, "utc_timestamp"] = "soon"
    table.loc[20, counter] = np.nan
    shuffled = table.loc[[3, *[row for row in table.index if row != 3]]]
    _, delivered = _building(tmp_path, shuffled)
    assert "interpolated" not in delivered.rows
    assert delivered.rejected["expectation"].tolist() == ["timestamp_readable"] * 5, "one a machine"
    (late,) = [note for note in delivered.notes if "arrived after a later one" in note]
    assert late.startswith("15 readings"), "the three rows that the moved one overtook, of each machine"
    counts = delivered.rows["asset_id"].value_counts()
    assert counts.to_dict() == {name: 959 - (name == "machine_3") for name in MACHINES}
    assert delivered.rows["asset_id"].is_monotonic_increasing
    assert delivered.rows.groupby("asset_id")["timestamp"].is_monotonic_increasing.all()
    counter_values = delivered.rows[delivered.rows["asset_id"] == "machine_2"].set_index("timestamp")["energy"]
    expected = table.drop(index=7).set_index("utc_timestamp")[f"{PREFIX}machine_2"]
    assert counter_values.tolist() == expected.tolist()
    assert counter_values.index.equals(
        pd.DatetimeIndex(pd.to_datetime(expected.index, utc=True), dtype=counter_values.index.dtype)
    )


def test_the_plan_that_served_is_the_plan_that_learnt(tmp_path: Path) -> None:
    """Written and read back, it gives the same rows again and again, also for one machine's last three readings.

    Reference row 002-06.
    """
    plant, delivered = _building(tmp_path, _published())
    plan = FeaturePlan.of(plant)
    learnt = compute(plan, delivered.rows)
    served = FeaturePlan.model_validate_json(plan.model_dump_json())
    pd.testing.assert_frame_equal(compute(served, delivered.rows), learnt, check_exact=True)
    pd.testing.assert_frame_equal(compute(served, delivered.rows), learnt, check_exact=True)
    last = delivered.rows[delivered.rows["asset_id"] == "machine_4"].tail(plan.readings_needed)
    latest_row = compute(served, last).tail(1).reset_index(drop=True)
    expected = learnt[learnt["asset_id"] == "machine_4"].tail(1).reset_index(drop=True)
    pd.testing.assert_frame_equal(latest_row, expected, check_exact=True)


def test_power_is_kilowatts_over_the_time_that_passed(tmp_path: Path) -> None:
    """The difference over real hours: 4 times it in a quarter, less after a missing one; the first reading has none.

    Reference row 002-07.
    """
    table = _published().drop(index=[50])
    plant, delivered = _building(tmp_path, table)
    features = compute(FeaturePlan.of(plant), delivered.rows)
    power = features[features["asset_id"] == "machine_1"].set_index("window_end")["energy"]
    counter = table[f"{PREFIX}machine_1"].to_numpy()
    times = pd.DatetimeIndex(pd.to_datetime(table["utc_timestamp"], utc=True))
    hours = np.diff(times.asi8) / np.diff(times[:2].asi8)[0] * 0.25
    # The first reading has no power, so the first window of two readings that has one ends with the third.
    assert np.isnan(power.iloc[0])
    np.testing.assert_allclose(power.iloc[1:], (np.diff(counter) / hours)[1:], atol=1e-9)
    assert power.loc[times[50]] == pytest.approx((counter[50] - counter[49]) / 0.5)


def test_each_machine_is_scaled_by_its_own_and_all_keep_the_budget() -> None:
    """Five machines of 17 kW to 44 W, one alarm a week each: so it is on unseen weeks; none has three times as many.

    They are comparable because each is scaled by its own past.

    Reference row 002-11.
    """
    plant, delivered = _simulated(5, 240)
    features = compute(FeaturePlan.of(plant), delivered.rows)
    part = parts.assign(features, parts.cuts(delivered.rows, plant))
    bundle = fit_candidate(plant, plant.candidates[0], features, part, tables.FAULTS.empty(), {})
    assert set(MACHINES) <= set(bundle.detectors)
    place = bundle.normaliser.columns.index("energy__rolling_mean")
    centre, scale = zip(*(bundle.normaliser.centre_and_scale(name, "normal") for name in MACHINES), strict=True)
    train = features[(part == "train") & features["usable"]].groupby("asset_id")["energy__rolling_mean"]
    assert [machine_values[place] for machine_values in centre] == pytest.approx(train.median().tolist())
    assert scale[2][place] > 10 * scale[3][place]
    scored = bundle.score(features[part.isin(["validate", "test"])])
    rung = alarms.fold(scored, plant.alarms, plant.max_gap)["asset_id"].value_counts()
    weeks = len(scored) / (7 * 48)
    possible = rate_interval(int(rung.sum()), weeks)
    assert weeks > 50
    assert possible is not None
    assert possible.low <= plant.alarm_budget <= possible.high
    assert rung.max() / (weeks / 5) < 3 * plant.alarm_budget


def test_a_meter_that_is_frozen_for_months_is_noticed_and_never_learnt(tmp_path: Path) -> None:
    """As the reference's fifth machine, it stands at one value to the end: noted, flagged, and kept out of learning.

    Reference row 002-11.
    """
    table = as_published(_simulated(5, 84)[1].rows).rename(columns={name: PREFIX + name for name in MACHINES})
    counter = f"{PREFIX}machine_5"
    froze = 60 * 96
    frozen = table.assign(**{counter: table[counter].where(table.index < froze, table[counter].iloc[froze])})
    plant, delivered = _building(tmp_path, frozen)
    flags = flag_readings(delivered.rows, plant.asset_type, plant.cleaning.flags)
    flat = flags[flags["kind"] == "flat"]
    assert flat["asset_id"].unique().tolist() == ["machine_5"]
    assert flat["count"].max() >= 24 * 96 - 96
    features = compute(FeaturePlan.of(plant), delivered.rows)
    part = pd.Series("train", index=features.index)
    informative = exclude.informative_flags(features, part, flags)
    assert informative.notes == ()
    why = exclude.why_masked(features, tables.FAULTS.empty(), plant.max_gap, informative.flags)
    late = features["window_end"] > pd.Timestamp("2015-10-16", tz="UTC") + pd.Timedelta(days=62)
    fifth = features["asset_id"] == "machine_5"
    assert (why[late & fifth] != "").all()
    assert (why[late & ~fifth & features["usable"]] == "").all()
    _, only = _building(tmp_path, frozen.iloc[froze:])
    assert [note for note in only.notes if note.startswith("Mostly stuck: energy of machine_5 (")]


def test_the_hour_is_a_circle_and_the_night_is_from_20_to_6(tmp_path: Path) -> None:
    """On the published times read as the building's local ones, over the change of the clocks. Reference row 002-19."""
    _, delivered = _building(tmp_path, _published())
    text = BUILDING.replace("features: [latest]", "features: [{calendar: {zone: Europe/Berlin}}]")
    local = plant_of(text, tmp_path)
    features = compute(FeaturePlan.of(local), delivered.rows)
    features = features[features["asset_id"] == "machine_1"].set_index("window_end")
    clock = _published()["cet_cest_timestamp"].str[11:16]
    hours = clock.str[:2].astype(int) + clock.str[3:].astype(int) / 60
    by_time = pd.Series(hours.to_numpy(), index=pd.to_datetime(_published()["utc_timestamp"], utc=True))
    expected = by_time.reindex(features.index)
    np.testing.assert_allclose(features["calendar__hour_sin"], np.sin(2 * np.pi * expected / 24), atol=1e-9)
    np.testing.assert_allclose(features["calendar__hour_cos"], np.cos(2 * np.pi * expected / 24), atol=1e-9)
    assert (features["calendar__is_night"] == ((expected >= 20) | (expected < 6))).all()
    assert by_time.index[0].hour != int(clock.iloc[0][:2]), "the building is not at Greenwich"
