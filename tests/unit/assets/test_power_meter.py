"""Meters only count up; what counts is the power between two readings, over the time that really passed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper import plants
from wheeltapper.assets.power_meter import ASSET_TYPE, METERS, as_published
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.selftest import obvious
from wheeltapper.simulation.fleet import Disturbances, Span, simulate
from wheeltapper.sources.simulator import Simulator

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
PLANT = """
asset_type: power_meter
source: simulator
windows: {rows: 2, every: 1}
features: [latest, rolling]
candidates: [lof]
"""


def _plan() -> FeaturePlan:
    return FeaturePlan.of(plants.parse(PLANT, name="tiny", folder=Path(), where="tiny.yaml"))


def _meter(number: int, days: int = 30, start: datetime = MONDAY, **disturbances: object) -> tuple[pd.DataFrame, ...]:
    return simulate(
        ASSET_TYPE,
        Span(start, timedelta(days=days), QUARTER),
        seed=1,
        number=number,
        disturbances=Disturbances(**disturbances),
    )


def _readings(minutes: list[int], energy: list[float]) -> pd.DataFrame:
    times = pd.DatetimeIndex([MONDAY + timedelta(minutes=one) for one in minutes]).as_unit("us")
    return pd.DataFrame({"asset_id": "m", "timestamp": times, "energy": energy, "regime": "normal"})


def test_twenty_meters_with_the_references_names() -> None:
    """The first five of a fleet are the machines; the twenty names are those of the reference's request.

    Reference row 002-05.
    """
    named = "area_offices area_room_1 area_room_2 area_room_3 area_room_4 compressor cooling_aggregate cooling_pumps"
    named += " dishwasher ev grid_import machine_1 machine_2 machine_3 machine_4 machine_5 pv_facade pv_roof"
    assert set(METERS) == {*named.split(), "refrigerator", "ventilation"}
    first = [_meter(number, days=1)[0]["asset_id"].iloc[0] for number in range(1, 6)]
    assert first == [f"machine_{number}" for number in range(1, 6)]


@pytest.mark.parametrize(("number", "mean"), [(1, 4.35), (2, 9.28), (3, 16.6), (4, 0.044)])
def test_machines_have_the_measured_mean_power(number: int, mean: float) -> None:
    """Within a quarter of what was measured, every quarter of an hour, and the counter never falls.

    Reference row 002-06.
    """
    steps = _meter(number, days=60)[0]["energy"].diff().dropna()
    assert (steps >= 0).all()
    assert steps.mean() / 0.25 == pytest.approx(mean, rel=0.25)


def test_power_is_energy_over_the_time_that_passed() -> None:
    """3 kWh in 15 min are 12 kW, and 3 kWh in 45 min after a gap are 4 kW; the first reading has no power at all.

    Reference row 002-07.
    """
    features = compute(_plan(), _readings([0, 15, 30, 75, 90], [100, 103, 106, 109, 110]))
    assert features["usable"].tolist() == [False, True, True, True]
    assert features["why_not"].iloc[0] == "no value for energy"
    assert features["energy"].iloc[1:].tolist() == pytest.approx([12, 4, 4])
    assert features["energy__rolling_mean"].iloc[1:].tolist() == pytest.approx([12, 8, 4])


def test_a_day_read_alone_gives_the_same_power() -> None:
    """Features of the second day do not change when only the readings that they need are read before it.

    Reference row 002-07.
    """
    plan = _plan()
    readings, _ = _meter(1, days=2)
    whole = compute(plan, readings.assign(regime="normal"))
    start = pd.Timestamp(MONDAY + timedelta(days=1))
    part = compute(plan, readings[readings["timestamp"] >= start - plan.needed_before])
    pd.testing.assert_frame_equal(
        whole[whole["window_end"] >= start].reset_index(drop=True),
        part[part["window_end"] >= start].reset_index(drop=True),
    )
    assert plan.readings_needed == 3


def test_the_level_of_a_counter_means_nothing() -> None:
    """A meter that was installed earlier shows more, and has the same features. Reference row 002-07."""
    readings, _ = _meter(1, days=2)
    older = readings.assign(energy=readings["energy"] + 50_000)
    one, other = compute(_plan(), readings), compute(_plan(), older)
    np.testing.assert_allclose(one["energy"], other["energy"], atol=1e-6)


def test_a_frozen_meter_shows_no_power() -> None:
    """Stuck, a machine that always draws something draws nothing, and afterwards what it had counted comes at once.

    Reference row 002-11.
    """
    readings, faults = _meter(3, anomaly_rate=0.1, kinds=("stuck:energy",))
    assert len(faults) > 1
    for fault in faults.itertuples():
        inside = readings.loc[readings["timestamp"].between(fault.start, fault.end), "energy"]
        assert inside.nunique() == 1
        after = readings.loc[readings["timestamp"] > fault.end, "energy"]
        if len(after):
            assert after.iloc[0] - inside.iloc[-1] > 10 * 0.25


def test_a_reset_meter_counts_on_from_zero() -> None:
    """After a reset the level is small, the next steps are as before, and the truth names the one reading.

    Reference row 002-07.
    """
    readings, faults = _meter(2, anomaly_rate=0.01, kinds=("reset",))
    twin, _ = _meter(2)
    fault = faults.iloc[0]
    assert fault["kind"] == "reset:energy"
    assert fault["start"] == fault["end"]
    at = readings.index[readings["timestamp"] == fault["start"]][0]
    assert readings["energy"].iloc[at] == 0
    assert readings["energy"].iloc[at - 1] > 1000
    steps = [one["energy"].diff().iloc[at + 1 : at + 8].to_numpy() for one in (readings, twin)]
    np.testing.assert_allclose(*steps, atol=1e-6)


def test_local_time_changes_with_the_summer() -> None:
    """On 29 March 2026 local time jumps from 01:45 to 03:00, on 25 October 02:00 comes twice with other offsets.

    Reference row 002-05.
    """
    for start, expected in (
        (datetime(2026, 3, 29, 0, 45, tzinfo=UTC), ["2026-03-29T01:45:00+01:00", "2026-03-29T03:00:00+02:00"]),
        (datetime(2026, 10, 25, 0, 45, tzinfo=UTC), ["2026-10-25T02:45:00+02:00", "2026-10-25T02:00:00+01:00"]),
    ):
        table = as_published(_meter(1, days=1, start=start)[0])
        assert table["cet_cest_timestamp"].tolist()[:2] == expected
        assert table["utc_timestamp"].iloc[0] == start.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_gaps_are_filled_and_named() -> None:
    """A reading that never came is a straight line between its neighbours, and the flag names its meter.

    Reference row 002-05.
    """
    first, second = _meter(1, days=1)[0], _meter(2, days=1)[0]
    table = as_published(pd.concat([first.drop(index=[5]), second]))
    assert list(table) == ["utc_timestamp", "cet_cest_timestamp", "machine_1", "machine_2", "interpolated"]
    assert len(table) == 96
    assert table["interpolated"].tolist() == [""] * 5 + ["machine_1"] + [""] * 90
    assert table["machine_1"].iloc[5] == pytest.approx(first["energy"].iloc[[4, 6]].mean())
    assert table["machine_2"].tolist() == second["energy"].tolist()


def test_the_sun_shines_by_day() -> None:
    """A roof counts nothing at midnight and most of its energy round noon."""
    readings, _ = _meter(list(METERS).index("pv_roof") + 1, days=20)
    power = readings["energy"].diff().groupby(readings["timestamp"].dt.hour).mean()
    assert power[[23, 0, 1, 2]].max() < 1e-3
    assert power[[10, 11, 12]].sum() > 0.5 * power.sum()


def test_the_self_test_steps_what_a_counter_counts() -> None:
    """An obvious fault makes it count faster: 8 scales of 2 kW are 16 kWh more after an hour."""
    readings = _readings([0, 30, 60], [100.0, 101.0, 102.0])
    stepped = obvious.inject_obvious(readings, {"energy": 2.0}, counters=["energy"])["energy"]["energy"]
    assert stepped.tolist() == [100, 109, 118]


def test_gaps_come_from_the_simulator() -> None:
    """A tenth of the readings never comes, and the pause is named by no row."""
    plant = plants.parse(PLANT, name="tiny", folder=Path(), where="tiny.yaml")
    (batch,) = Simulator(start="2026-01-05", duration="60d", gap_rate=0.1, gap="3h").read(plant)
    assert len(batch.rows) == pytest.approx(0.9 * 60 * 96, rel=0.05)
    assert batch.rows["timestamp"].diff().max() > timedelta(hours=3)
