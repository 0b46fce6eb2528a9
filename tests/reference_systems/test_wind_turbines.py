"""Reference system 004, wind turbines: simulation, rules, and judging without labels."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reference_systems.reading import Delivered, is_in_fault, plant_of, read
from wheeltapper import detectors, tables
from wheeltapper.config import Plant
from wheeltapper.evaluation.judge import judge
from wheeltapper.evaluation.judgement import NO_FAULTS
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring import alarms
from wheeltapper.selftest.gates import is_not_inverted
from wheeltapper.selftest.obvious import ALL, inject_obvious
from wheeltapper.training import parts
from wheeltapper.training.candidate import baselines_of, fit_candidate

STATED = {"temperature": (35, 4), "humidity": (45, 6), "sound": (60, 5)}
"""Sensor → mean and deviation of normal running, as the asset type's page says."""
RULES = {"temperature": (5, 45), "humidity": (20, 60), "sound": (40, 70)}

FARM = """
asset_type: wind_turbine
source: {{simulator: {{assets: 3, start: 2026-01-05, duration: {days}d, step: 5min, anomaly_rate: {rate}}}}}
windows: {{rows: 3, every: 1, max_gap: 15min}}
features: [latest, rolling]
candidates: [isolation_forest: {{n_estimators: 50}}]
alarm_budget: 2
alarms: {{open_after: 3, close_after: 6}}
"""


@cache
def _farm(days: int, rate: float) -> tuple[Plant, Delivered]:
    plant = plant_of(FARM.format(days=days, rate=rate))
    return plant, read(plant, check=False)


def _distance(values: pd.Series, mean: float, deviation: float) -> float:
    """Return the Kolmogorov-Smirnov distance from a normal distribution: 0 is the same, 1 has nothing in common."""
    from scipy.stats import kstest

    return float(kstest(values, "norm", args=(mean, deviation)).statistic)


@pytest.mark.parametrize("sensor", STATED)
def test_what_is_simulated_is_what_is_said(sensor: str) -> None:
    """Normal running is near the stated normal distribution, and farther from it are the reference's uniform draws.

    Reference row 004-01.
    """
    _, delivered = _farm(60, 0.0)
    values = delivered.rows.loc[delivered.rows["regime"] == "normal", sensor]
    assert len(values) > 50_000
    mean, deviation = STATED[sensor]
    distance = _distance(values, mean, deviation)
    assert distance < 0.1
    low, high = {"temperature": (30, 45), "humidity": (20, 60), "sound": (50, 70)}[sensor]
    uniform = np.random.default_rng(1).uniform(low, high, len(values))
    assert distance < 0.5 * _distance(pd.Series(uniform), mean, deviation)


def test_every_reading_names_its_machine_and_its_own_instant() -> None:
    """Three machines, each read once every five minutes: as many instants as readings of one machine, all different.

    Reference row 004-01.
    """
    _, delivered = _farm(60, 0.0)
    assert delivered.rows["asset_id"].unique().tolist() == ["WT-01", "WT-02", "WT-03"]
    assert delivered.rows["timestamp"].nunique() == 60 * 288
    assert not delivered.rows.duplicated(["asset_id", "timestamp"]).any()


LOG = """
asset_type:
  step: 1s
  sensors:
    temperature: {unit: °C, low: -30, high: 90, alarm_low: 5, alarm_high: 45}
    humidity: {unit: "%", low: 0, high: 100, alarm_low: 20, alarm_high: 60}
    sound: {unit: "1", low: 20, high: 120, alarm_low: 40, alarm_high: 70, description: dB}
source:
  csv_folder: {path: log.csv, asset_column: machine_id, time_column: timestamp}
features: [latest]
candidates: [lof]
"""


def _log(rows: int = 600) -> pd.DataFrame:
    """Make a log of three machines, one reading a second, in the reference's columns."""
    rng = np.random.default_rng(5)
    times = pd.Timestamp("2026-01-05T00:00:00Z") + pd.to_timedelta(np.arange(rows), unit="s")
    table = {
        "timestamp": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine_id": np.resize(["WT-01", "WT-02", "WT-03"], rows),
    }
    table |= {name: rng.normal(mean, deviation, rows).round(2) for name, (mean, deviation) in STATED.items()}
    return pd.DataFrame(table)


def test_a_file_in_the_references_columns_comes_in_whole(tmp_path: Path) -> None:
    """Times, machines and three sensors; if all readings have one instant, only the last of each machine stays.

    Reference row 004-01.
    """
    _log().to_csv(tmp_path / "log.csv", index=False)
    plant = plant_of(LOG, tmp_path)
    delivered = read(plant)
    assert (len(delivered.rows), len(delivered.rejected)) == (600, 0)
    assert delivered.rows["asset_id"].value_counts().tolist() == [200] * 3
    same = _log().assign(timestamp="2026-01-05T00:00:00Z")
    same.to_csv(tmp_path / "log.csv", index=False)
    delivered = read(plant)
    assert (len(delivered.rows), len(delivered.rejected)) == (3, 0)


def test_the_live_distributions_and_the_injected_faults_are_known() -> None:
    """Mean and deviation of each sensor as stated; a twentieth of the readings is in faults where that is asked for.

    Reference row 004-05.
    """
    _, healthy = _farm(60, 0.0)
    normal = healthy.rows[healthy.rows["regime"] == "normal"]
    for sensor, (mean, deviation) in STATED.items():
        assert normal[sensor].mean() == pytest.approx(mean, rel=0.05)
        assert normal[sensor].std() == pytest.approx(deviation, rel=0.1)
    plant, ill = _farm(20, 0.05)
    inside = is_in_fault(ill.rows, ill.faults)
    assert inside.mean() == pytest.approx(0.05, rel=0.02)
    assert set(ill.faults["kind"]) == set(plant.asset_type.faults)
    assert ill.faults["severity"].between(0.4, 1).all()


def test_the_rules_are_a_baseline_that_says_what_they_say() -> None:
    """The limits 5–45 °C, 20–60 %, 40–70 dB flag exactly the readings outside, of every plant of turbines.

    Reference row 004-06.
    """
    plant, delivered = _farm(20, 0.05)
    limits = next(baseline for baseline in baselines_of(plant) if baseline.name == "limits")
    assert limits.options == {
        "low": {name: low for name, (low, _) in RULES.items()},
        "high": {name: high for name, (_, high) in RULES.items()},
    }
    rows = delivered.rows[list(RULES)]
    rule = detectors.build("limits", limits.options).fit(rows)
    outside = np.logical_or.reduce([~rows[name].between(low, high) for name, (low, high) in RULES.items()])
    assert 0 < outside.mean() < 0.2
    np.testing.assert_array_equal(rule.score(rows) > rule.own_threshold, outside)


def _judged(plant: Plant, delivered: Delivered, faults: pd.DataFrame) -> tuple[object, pd.DataFrame]:
    """Learn without a single label, and judge the last third by what is known of faults."""
    features = compute(FeaturePlan.of(plant), delivered.rows)
    part = parts.assign(features, parts.cuts(delivered.rows, plant))
    bundle = fit_candidate(plant, plant.candidates[0], features, part, tables.FAULTS.empty(), {})
    scored = bundle.score(features[part.isin(["validate", "test"])])
    judgement = judge(
        "isolation_forest",
        "test",
        scored,
        alarms.fold(scored, plant.alarms, plant.max_gap),
        faults,
        plant.costs,
        spacing=plant.window_spacing,
        max_gap=plant.max_gap,
        tolerance=timedelta(0),
        vus_window=6,
        seed=1,
    )
    return judgement, bundle


def test_without_labels_nothing_is_claimed_and_a_step_put_in_is_heard() -> None:
    """No label is learnt from; without known faults no quality is claimed, and the self-test finds an injected step.

    Reference row 004-09.
    """
    plant, delivered = _farm(20, 0.0)
    judgement, bundle = _judged(plant, delivered, tables.FAULTS.empty())
    assert judgement.notes == (NO_FAULTS,)
    assert (judgement.cost, judgement.detection_rate, judgement.vus_pr) == (None, None, None)
    recent = delivered.rows[delivered.rows["timestamp"] >= delivered.rows["timestamp"].max() - timedelta(days=2)]
    scales = {name: deviation for name, (_, deviation) in STATED.items()}
    twins = inject_obvious(recent, scales)
    plan = FeaturePlan.of(plant)
    clean = bundle.score(compute(plan, recent))["score"].to_numpy()
    stepped = bundle.score(compute(plan, twins[ALL]))["score"].to_numpy()
    assert is_not_inverted(clean, stepped).passed
    assert not is_not_inverted(-clean, -stepped).passed, "the gate knows an inverted model"


def test_what_it_learnt_without_labels_is_judged_by_faults_that_were_put_in() -> None:
    """On faults whose truth is known the same model finds more than chance would, and ranks them above guessing.

    Reference row 004-09.
    """
    plant, delivered = _farm(60, 0.03)
    judgement, _ = _judged(plant, delivered, delivered.faults)
    assert judgement.faults >= 10
    assert judgement.detection_rate_low > 2 * judgement.chance_found
    assert judgement.vus_pr > 1.5 * judgement.vus_pr_random


def test_the_share_of_anomalies_of_each_machine_is_measured() -> None:
    """Each of three turbines has the 3 % that were asked for; the faults found are counted for each, and add up.

    Reference row 004-11.
    """
    plant, delivered = _farm(60, 0.03)
    inside = is_in_fault(delivered.rows, delivered.faults).groupby(delivered.rows["asset_id"]).mean()
    assert inside.tolist() == pytest.approx([0.03] * 3, rel=0.05)
    judgement, _ = _judged(plant, delivered, delivered.faults)
    by_asset = pd.DataFrame([outcome.model_dump() for outcome in judgement.outcomes]).groupby("asset_id")
    assert by_asset.size().sum() == judgement.faults
    assert by_asset["found"].sum().sum() == judgement.found
    assert set(by_asset.groups) == {"WT-01", "WT-02", "WT-03"}
    spent = pd.Series(judgement.cost_by_asset_week).groupby(lambda block: block.split(" ")[0]).sum()
    assert spent.sum() == pytest.approx(judgement.cost.total)
