"""Machines: as published they are noise with labels; with a life, their failures can be seen coming."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper import check_plant, config, plants
from wheeltapper.assets import machine
from wheeltapper.assets import machine_as_published as published
from wheeltapper.errors import ConfigError
from wheeltapper.simulation.fleet import Disturbances, Span, simulate
from wheeltapper.sources.simulator import Simulator

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
PLANT = """
asset_type: machine_as_published
source: {{simulator: {{start: 2025-01-01, duration: 1d{more}}}}}
features: [latest]
candidates: [lof]
"""


def _plant(more: str = "") -> config.Plant:
    return plants.parse(PLANT.format(more=more), name="tiny", folder=Path(), where="tiny.yaml")


@cache
def _fleet() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The whole data set again."""
    source = Simulator(assets=50, start="2025-01-01", duration="100000min", step="1min", one_at_a_time=True)
    batches = list(source.read(_plant()))
    rows = pd.concat([one.rows for one in batches], ignore_index=True)
    return rows.sort_values("timestamp", ignore_index=True), pd.concat([one.faults for one in batches])


@cache
def _labels() -> pd.DataFrame:
    rows, _ = _fleet()
    flagged = published.label({name: rows[name].to_numpy() for name in ("temperature", "vibration")}) != ""
    return pd.DataFrame(published.draw_labels(np.random.default_rng(1), flagged))


@pytest.mark.slow
def test_one_reading_a_minute_over_the_whole_fleet() -> None:
    """100 000 readings of 50 machines in strict order, one machine at a time, about 2000 of each.

    Reference row 000-01.
    """
    rows, _ = _fleet()
    assert len(rows) == 100_000
    assert rows["timestamp"].diff().dropna().eq(timedelta(minutes=1)).all()
    counts = rows["asset_id"].value_counts()
    assert len(counts) == 50
    assert counts.between(1800, 2200).all()
    assert rows["timestamp"].iloc[-1] == pd.Timestamp("2025-03-11T10:39Z")


def test_sensors_have_the_published_distributions() -> None:
    """Temperature N(75, 10), vibration N(50, 15), humidity U(30, 80), pressure U(1, 5), energy U(0.5, 5).

    Reference row 000-02.
    """
    rows, _ = _fleet()
    for sensor, mean, deviation in (("temperature", 75, 10), ("vibration", 50, 15)):
        assert rows[sensor].mean() == pytest.approx(mean, rel=0.01)
        assert rows[sensor].std() == pytest.approx(deviation, rel=0.02)
    for sensor, low, high in (("humidity", 30, 80), ("pressure", 1, 5), ("energy_consumption", 0.5, 5)):
        assert (rows[sensor].min(), rows[sensor].max()) == pytest.approx((low, high), rel=0.01)
        assert rows[sensor].std() == pytest.approx((high - low) / np.sqrt(12), rel=0.01)


@pytest.mark.slow
def test_the_flag_is_a_rule_of_two_limits() -> None:
    """Every reading inside a fault is above 90 °C or 80 Hz, none outside is, and they are 8.8 % of all.

    Reference row 000-03.
    """
    rows, faults = _fleet()
    beyond = (rows["temperature"] > 90) | (rows["vibration"] > 80)
    assert beyond.mean() == pytest.approx(0.088, abs=0.003)
    inside = 0
    for name, own in rows.groupby("asset_id"):
        known = faults[faults["asset_id"] == name]
        hit = np.logical_or.reduce([own["timestamp"].between(one.start, one.end) for one in known.itertuples()])
        assert (hit == beyond.loc[own.index].to_numpy()).all()
        inside += hit.sum()
    assert inside == beyond.sum()


def test_the_kind_of_failure_has_nothing_to_do_with_the_sensors() -> None:
    """92 % are Normal; where there is a failure, temperature and vibration are as everywhere. Reference row 000-04."""
    rows, _ = _fleet()
    kinds = _labels()["failure_type"]
    assert (kinds == "Normal").mean() == pytest.approx(0.92, abs=0.005)
    assert kinds.nunique() == 5
    failed = (kinds != "Normal").to_numpy()
    assert (_labels().loc[failed, "machine_status"] == 2).all()
    assert rows.loc[failed, "temperature"].mean() == pytest.approx(75, abs=0.4)


def test_labels_follow_the_recovered_rules() -> None:
    """State 10/80/10 %, downtime is the flag again, maintenance is flag or alert or little life: a fifth.

    Reference rows 000-05, 000-06 and 000-07.
    """
    labels = _labels()
    shares = labels["machine_status"].value_counts(normalize=True)
    assert [shares[state] for state in (0, 1, 2)] == pytest.approx([0.106, 0.795, 0.099], abs=0.005)
    assert (labels["downtime_risk"] == labels["anomaly_flag"]).all()
    worn = labels["predicted_remaining_life"] < 20
    expected = (labels["anomaly_flag"] == 1) | (labels["machine_status"] == 2) | worn
    assert (labels["maintenance_required"] == expected).all()
    assert labels["maintenance_required"].mean() == pytest.approx(0.2, abs=0.015)


def test_remaining_life_knows_the_flag_and_nothing_else() -> None:
    """1 to 49 where flagged, 10 to 499 elsewhere: the flag alone explains about 0.18 of the variance.

    Reference row 000-08.
    """
    labels = _labels()
    life, flagged = labels["predicted_remaining_life"].astype(float), labels["anomaly_flag"] == 1
    assert (life[flagged].min(), life[flagged].max()) == (1, 49)
    assert (life[~flagged].min(), life[~flagged].max()) == (10, 499)
    explained = 1 - (life - life.groupby(flagged).transform("mean")).var() / life.var()
    assert explained == pytest.approx(0.18, abs=0.03)


def test_nothing_can_be_foretold_as_published() -> None:
    """A machine's reading says nothing about its next: every sensor's correlation is nil. Reference row 000-21."""
    rows, _ = _fleet()
    for sensor in published.ASSET_TYPE.sensors:
        before = rows.groupby("asset_id")[sensor].shift()
        assert abs(rows[sensor].corr(before)) < 0.015, sensor


def test_faults_that_are_a_rule_cannot_be_ordered() -> None:
    """Asking the negative control for faults is refused when the plant is read."""
    with pytest.raises(ConfigError, match="cannot be ordered"):
        check_plant.check_plug_ins(_plant(", anomaly_rate: 0.1"), where="tiny.yaml")


@cache
def _living() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Six machines with a life, half a year."""
    span = Span(MONDAY, timedelta(days=180), timedelta(minutes=30))
    disturbances = Disturbances(0.15, tuple(machine.ASSET_TYPE.faults))
    both = [
        simulate(machine.ASSET_TYPE, span, seed=5, number=number, disturbances=disturbances) for number in range(1, 7)
    ]
    return pd.concat([one for one, _ in both]), pd.concat([one for _, one in both])


def test_a_failure_is_followed_by_maintenance() -> None:
    """Right after the last reading of each fault the machine is in maintenance, for half a day, and idles else.

    Reference row 000-06.
    """
    rows, faults = _living()
    by_time = rows.set_index(["asset_id", "timestamp"])["regime"]
    last = rows["timestamp"].max()
    checked = 0
    for fault in faults.itertuples():
        for hours, expected in ((0.5, True), (12.0, True), (12.5, False)):
            at = fault.end + timedelta(hours=hours)
            if at <= last:
                assert (by_time[fault.asset_id, at] == "maintenance") is expected
                checked += 1
    assert checked > 30
    assert (rows["regime"] == "off").mean() == pytest.approx(0.08, abs=0.02)


def test_a_realistic_defect_takes_two_to_six_days() -> None:
    """From the unseen beginning to the failure, and the remaining life falls evenly to zero. Reference row 000-08."""
    _, faults = _living()
    days = (faults["end"] - faults["start"]) / timedelta(days=1)
    assert days.between(1.9, 6.1).all()
    assert set(faults["kind"]) == {"overheating", "vibration_issue", "pressure_drop", "electrical_fault"}


def test_a_realistic_failure_can_be_seen_coming() -> None:
    """In the last running day before a failure by overheating it is hotter than in 95 of 100 normal hours.

    Reference row 000-21.
    """
    rows, faults = _living()
    running = rows[rows["regime"] == "normal"]
    usual = running.groupby("asset_id")["temperature"].quantile(0.95)
    hot = faults[(faults["kind"] == "overheating") & (faults["severity"] > 0.7)]
    assert len(hot) >= 3
    for fault in hot.itertuples():
        day = running["timestamp"].between(fault.end - timedelta(hours=12), fault.end)
        own = running[day & (running["asset_id"] == fault.asset_id)]
        assert own["temperature"].mean() > usual[fault.asset_id]


def test_a_machine_that_stands_hides_its_defect() -> None:
    """While it is off within its first fault, every sensor shows what that of its twin without faults shows."""
    span = Span(MONDAY, timedelta(days=60), timedelta(minutes=30))
    faulty, faults = simulate(
        machine.ASSET_TYPE, span, seed=5, number=1, disturbances=Disturbances(0.15, ("overheating",))
    )
    twin, _ = simulate(machine.ASSET_TYPE, span, seed=5, number=1)
    first = faulty["timestamp"].between(faults["start"].iloc[0], faults["end"].iloc[0])
    stands = first & (faulty["regime"] == "off")
    assert stands.sum() > 4
    pd.testing.assert_frame_equal(faulty[stands], twin[stands])
    assert (faulty.loc[first & ~stands, "temperature"] > twin.loc[first & ~stands, "temperature"]).all()
