"""The plants of public data sets, on the data itself where it is there: defects are reported, labels arrive, runs end.

The data is no part of the project; without it these tests say so and skip.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wheeltapper import datasets, plants, sources
from wheeltapper.config import Plant
from wheeltapper.readings import clean
from wheeltapper.readings.order import in_time, seconds_behind
from wheeltapper.sources import Batch
from wheeltapper.training import parts


def plant_of(name: str) -> Plant:
    """Load a data set's plant, or skip where its data is not there."""
    dataset = datasets.registry()[name]
    plant = plants.load(dataset.plant)
    if datasets.where(dataset) is None:
        pytest.skip(f"no folder {dataset.folder} in WHEELTAPPER_DATA or ../shared/data: {dataset.title} is not here")
    return plant


def batches_of(plant: Plant) -> list[Batch]:
    return list(sources.build(plant.source).read(plant))


def readings_of(batches: list[Batch], plant: Plant) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clean all batches: readings with their origin, and rows for quarantine."""
    parsed = [(clean.parse(batch, plant), batch.origin) for batch in batches]
    rows = pd.concat([parsed_batch.rows.assign(origin=origin) for parsed_batch, origin in parsed], ignore_index=True)
    return rows, pd.concat([parsed_batch.rejected for parsed_batch, _ in parsed], ignore_index=True)


def faults_of(batches: list[Batch]) -> pd.DataFrame:
    return pd.concat([batch.faults for batch in batches], ignore_index=True)


def test_repeated_timestamps_are_readings_and_listed_windows_become_faults() -> None:
    """Of each repeated timestamp the last row stays.

    One fault for every window that the list has for a file that is there.
    """
    plant = plant_of("nab")
    batches = batches_of(plant)
    rows, rejected = readings_of(batches, plant)
    twice = sum(int(batch.rows["timestamp"].duplicated().sum()) for batch in batches)
    assert twice > 0
    assert (len(rejected), len(rows) - len(in_time(rows))) == (0, twice)
    folder = datasets.where(datasets.registry()["nab"])
    assert folder is not None
    listed = json.loads((folder / plant.source.options["fault_file"]).read_text())
    assert len(faults_of(batches)) == sum(len(listed[batch.origin]) for batch in batches)
    assert rows["asset_id"].nunique() == len(batches)


def test_two_halves_are_one_asset_and_only_the_second_has_labels() -> None:
    """The clock goes on, and parts are cut where the second half begins."""
    plant = plant_of("smd_joined")
    batches = batches_of(plant)
    rows, rejected = readings_of(batches, plant)
    assert rejected.empty
    names = {re.sub("_(train|test)", "", batch.origin.split(".")[0]) for batch in batches}
    assert set(rows["asset_id"]) == names
    cut = parts.cuts(rows, plant)
    for name, asset_rows in rows.groupby("asset_id"):
        assert (asset_rows["timestamp"].diff().dropna() == plant.asset_type.step).all()
        assert (
            cut.loc[name, "validate_from"]
            == asset_rows.loc[asset_rows["origin"].str.contains("_test"), "timestamp"].min()
        )
    faults = faults_of(batches)
    assert len(faults) > 0
    assert (faults["start"].array >= cut["validate_from"].reindex(faults["asset_id"]).array).all()


def test_a_disturbance_begins_at_its_row_and_one_run_has_none() -> None:
    """The transposed file is not read; every other row and column arrives."""
    plant = plant_of("tep")
    batches = batches_of(plant)
    rows, rejected = readings_of(batches, plant)
    assert rejected.empty
    assert rows.groupby("asset_id").size().unique().tolist() == [960]
    faults = faults_of(batches).set_index("asset_id")
    assert set(rows["asset_id"]) - set(faults.index) == {"d00"}
    first = rows["timestamp"].min()
    assert ((faults["start"] - first) / plant.asset_type.step).unique().tolist() == [160]
    assert (faults["end"] == rows["timestamp"].max()).all()


def test_every_engine_ends_worn() -> None:
    """The last thirty cycles of each, by convention; columns that never move are there as well."""
    plant = plant_of("cmapss")
    batches = batches_of(plant)
    rows, _ = readings_of(batches, plant)
    faults = faults_of(batches).set_index("asset_id")
    last = rows.groupby("asset_id")["timestamp"].max()
    assert (faults["end"] == last.reindex(faults.index)).all()
    assert set(faults.index) == set(last.index)
    assert ((faults["end"] - faults["start"]) / plant.asset_type.step).unique().tolist() == [29]
    assert rows[list(plant.asset_type.sensors)].nunique().min() == 1
    assert any("convention" in caveat for caveat in sources.build(plant.source).caveats(plant))


def test_data_without_a_clock_says_that_its_times_are_made_up() -> None:
    """All rows arrive, one after the other, and the caveat goes to the leaderboard."""
    plant = plant_of("ai4i")
    batches = batches_of(plant)
    rows, rejected = readings_of(batches, plant)
    assert rejected.empty
    assert (rows["timestamp"].diff().dropna() == plant.asset_type.step).all()
    assert len(faults_of(batches)) > 0
    assert any("name no times" in caveat for caveat in sources.build(plant.source).caveats(plant))


def test_midnights_stamped_a_day_early_are_sorted_in() -> None:
    """One a day steps back by all but a step of a day; nothing is lost, nothing repeated, and nothing labelled."""
    plant = plant_of("steel_energy")
    batches = batches_of(plant)
    rows, rejected = readings_of(batches, plant)
    days = rows["timestamp"].dt.tz_convert("Asia/Seoul").dt.normalize().nunique()
    assert (len(rejected), len(in_time(rows))) == (0, len(rows))
    behind = seconds_behind(rows)
    assert behind[behind > 0].tolist() == [23.75 * 3600] * days
    assert faults_of(batches).empty
    pauses = in_time(rows)["timestamp"].diff().dropna()
    assert pauses.max() <= plant.max_gap, "windows go on across midnight"


def test_shuffled_rows_are_sorted_and_missing_values_stay_missing() -> None:
    """No row is lost and none is filled."""
    plant = plant_of("smart_manufacturing")
    batches = batches_of(plant)
    delivered = pd.concat([batch.rows for batch in batches])
    rows, rejected = readings_of(batches, plant)
    sensors = list(plant.asset_type.sensors)
    assert rejected.empty
    assert rows[sensors].isna().sum().sum() == delivered[sensors].isna().sum().sum() > 0
    assert all(asset_rows["timestamp"].is_monotonic_increasing for _, asset_rows in rows.groupby("asset_id"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ends", "says"),
    [
        pytest.param("steel_energy", 0, "cannot be judged: no faults known", id="unlabelled"),
        pytest.param(
            "smart_manufacturing", 1, "no less than the best baseline", id="negative control", marks=pytest.mark.long
        ),
        pytest.param("tep", 0, "the files name no times", id="no clock", marks=pytest.mark.long),
    ],
)
def test_a_run_ends_with_a_leaderboard_and_says_what_it_cannot_judge(
    name: str, ends: int, says: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """With one quick candidate; nothing on stderr."""
    plant = plant_of(name)
    nursery: Any = request.getfixturevalue("nursery")  # its server is not started for data that is not there
    copy = tmp_path / f"{name}.yaml"
    text = (plant.folder / f"{name}.yaml").read_text(encoding="utf-8")
    copy.write_text(re.sub(r"(?m)^candidates: .*$", "candidates: [pca_residual]", text), encoding="utf-8")
    home = tmp_path / "home"
    dataset = datasets.where(datasets.registry()[name])
    assert dataset is not None
    ended = nursery.run(home, "run", str(copy), WHEELTAPPER_DATA=str(dataset.parent))
    assert (ended.code, ended.err) == (ends, "")
    shown = nursery.run(home, "leaderboard", str(copy), "--json")
    judged = json.loads(shown.out)
    assert "pca_residual" in {row["candidate"] for row in judged["leaderboard"]}
    sentences = [*judged["notes"], *judged["reasons"], *(gate["reason"] for gate in judged["gates"])]
    assert any(says in sentence for sentence in sentences), sentences
