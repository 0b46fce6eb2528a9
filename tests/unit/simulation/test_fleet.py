"""A machine of the fleet is the same in every fleet, and its fault-free twin differs only inside faults."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.assets.pump import ASSET_TYPE
from wheeltapper.config import AssetType, Sensor
from wheeltapper.errors import SourceError
from wheeltapper.simulation.fleet import Disturbances, Span, simulate

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = Span(MONDAY, timedelta(days=7), timedelta(minutes=1))
FAULTY = Disturbances(anomaly_rate=0.1, kinds=tuple(ASSET_TYPE.faults))
SENSORS = list(ASSET_TYPE.sensors)


def _inside(readings: pd.DataFrame, faults: pd.DataFrame) -> np.ndarray:
    time = readings["timestamp"]
    spans = [time.between(one.start, one.end) for one in faults.itertuples()]
    return np.logical_or.reduce(spans)


def test_readings_are_a_table() -> None:
    """A week of minutes has 10 080 rows with exact dtypes, one step apart; faults pass their own check."""
    readings, faults = simulate(ASSET_TYPE, WEEK, seed=1, number=2, disturbances=FAULTY)
    assert list(readings) == ["asset_id", "timestamp", *SENSORS, "regime"]
    assert len(readings) == 7 * 1440
    assert readings["timestamp"].dtype == "datetime64[us, UTC]"
    assert readings["asset_id"].dtype == readings["regime"].dtype == "str"
    assert readings["asset_id"].unique().tolist() == ["pump-02"]
    assert readings["timestamp"].iloc[[0, 1, -1]].tolist() == [
        pd.Timestamp("2026-01-05T00:00Z"),
        pd.Timestamp("2026-01-05T00:01Z"),
        pd.Timestamp("2026-01-11T23:59Z"),
    ]
    pd.testing.assert_frame_equal(tables.FAULTS.check(faults), faults)


def test_the_same_seed_gives_the_same_machine() -> None:
    """Seed and number decide everything; another seed or number gives other readings."""
    once, faults = simulate(ASSET_TYPE, WEEK, seed=1, number=1, disturbances=FAULTY)
    again, faults_again = simulate(ASSET_TYPE, WEEK, seed=1, number=1, disturbances=FAULTY)
    pd.testing.assert_frame_equal(once, again)
    pd.testing.assert_frame_equal(faults, faults_again)
    for seed, number in ((2, 1), (1, 2)):
        other, _ = simulate(ASSET_TYPE, WEEK, seed=seed, number=number, disturbances=FAULTY)
        assert not np.isclose(once[SENSORS], other[SENSORS]).any(axis=0).all()
        assert abs(np.corrcoef(once["flow_rate"][540:900], other["flow_rate"][540:900])[0, 1]) < 0.6


def test_the_twin_differs_only_inside_faults() -> None:
    """Without faults every reading outside them is the same to the last bit, also with missing values."""
    gaps = {"missing_rate": 0.05}
    faulty, faults = simulate(
        ASSET_TYPE, WEEK, seed=3, number=1, disturbances=Disturbances(0.1, tuple(ASSET_TYPE.faults), **gaps)
    )
    twin, none = simulate(ASSET_TYPE, WEEK, seed=3, number=1, disturbances=Disturbances(**gaps))
    inside = _inside(faulty, faults)
    assert none.empty
    pd.testing.assert_frame_equal(faulty[~inside], twin[~inside])
    changed = (faulty[SENSORS] != twin[SENSORS]) & twin[SENSORS].notna()
    assert changed[inside].any(axis=1).mean() > 0.99


def test_faults_say_their_first_and_last_reading() -> None:
    """The readings from start to end, both included, are the asked share of all."""
    for seed in range(5):
        readings, faults = simulate(ASSET_TYPE, WEEK, seed=seed, number=1, disturbances=FAULTY)
        assert _inside(readings, faults).sum() == 1008


def test_a_longer_series_begins_alike() -> None:
    """Without faults, three days are the first three of seven."""
    short = Span(MONDAY, timedelta(days=3), timedelta(minutes=1))
    pd.testing.assert_frame_equal(
        simulate(ASSET_TYPE, short, seed=1, number=1)[0],
        simulate(ASSET_TYPE, WEEK, seed=1, number=1)[0].head(3 * 1440),
    )


def test_missing_values_come_in_their_share() -> None:
    """A tenth of single values is missing, each sensor on its own; asset, time and regime never are."""
    readings, _ = simulate(ASSET_TYPE, WEEK, seed=1, number=1, disturbances=Disturbances(missing_rate=0.1))
    gone = readings[SENSORS].isna()
    assert gone.mean().to_numpy() == pytest.approx(np.full(6, 0.1), abs=0.015)
    assert gone.all(axis=1).mean() < 0.001
    assert not readings[["asset_id", "timestamp", "regime"]].isna().any(axis=None)


def test_span_finds_rows() -> None:
    """The row of an instant is the first at or after it, and stays inside the series."""
    span = Span(MONDAY, timedelta(minutes=10), timedelta(minutes=4))
    assert span.readings == 3
    assert span.row(MONDAY) == 0
    assert span.row(MONDAY + timedelta(seconds=1)) == 1
    assert span.row(MONDAY + timedelta(minutes=4)) == 1
    assert span.row(MONDAY - timedelta(days=1)) == 0
    assert span.row(MONDAY + timedelta(days=1)) == 3
    assert span.at(2) == MONDAY + timedelta(minutes=8)


def test_a_type_without_physics_is_refused() -> None:
    """A type that a user only described has nothing to simulate; the message says so and what to do."""
    lathe = AssetType(name="lathe", step=timedelta(minutes=1), sensors={"load": Sensor(unit="A")})
    with pytest.raises(SourceError, match="'lathe' cannot be simulated"):
        simulate(lathe, WEEK, seed=1, number=1)


def test_a_type_with_other_sensors_is_refused() -> None:
    """Physics of other sensors than the type has cannot fill its columns."""
    poorer = ASSET_TYPE.model_copy(update={"sensors": {"pressure": ASSET_TYPE.sensors["pressure"]}})
    with pytest.raises(SourceError, match=r"the physics of .* has the sensors"):
        simulate(poorer, WEEK, seed=1, number=1)
