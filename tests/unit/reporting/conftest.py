"""A plant of two pumps with ten readings each: small enough to check every figure by eye."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper import config, tables
from wheeltapper.config import Plant
from wheeltapper.reporting.data import ReportData

START = pd.Timestamp("2026-02-03 10:00", tz="UTC")


def minute(number: float) -> pd.Timestamp:
    return START + pd.Timedelta(minutes=number)


@pytest.fixture(scope="session")
def plant() -> Plant:
    text = """
    asset_type: {step: 1min, sensors: {pressure: {unit: bar, low: 0, high: 12}, ratio: {unit: 1}}}
    source: {simulator: {}}
    features: [latest]
    candidates: [lof]
    alarm_budget: 1
    """
    return config.parse(text, name="station", folder=Path(), where="test")


def scores_of(asset: str, severity: list[float]) -> pd.DataFrame:
    rows = pd.DataFrame({"window_end": [minute(place) for place in range(len(severity))], "severity": severity})
    rows = rows.assign(asset_id=asset, bundle="b1", threshold=2.0, regime="normal", top_sensors="", role="champion")
    return tables.SCORES.check(rows.assign(score=rows["severity"] * 2.0))


def readings_of(asset: str, pressure: list[float]) -> pd.DataFrame:
    rows = pd.DataFrame({"timestamp": [minute(place) for place in range(len(pressure))], "pressure": pressure})
    rows = rows.assign(asset_id=asset, regime="normal", batch_id="d1", origin="made", ingested_at=START, ratio=0.5)
    return tables.READINGS.check(rows)


def faults_of(*spans: tuple[str, float, float, str]) -> pd.DataFrame:
    rows = [(asset, minute(start), minute(end), kind, 0.5, "simulated") for asset, start, end, kind in spans]
    return tables.FAULTS.check(pd.DataFrame(rows, columns=tables.FAULTS.names())) if rows else tables.FAULTS.empty()


def alarm_of(asset: str, start: float, end: float, name: str = "a1", why: str = "pressure −38 %.") -> pd.DataFrame:
    ranked = json.dumps([{"sensor": "pressure", "share": 0.8, "change": "pressure −38 %"}])
    times = [minute(start), minute(end), minute(end)]
    row = [name, asset, *times, 4.0, "normal", "critical", "closed", why, ranked, "b1"]
    return tables.ALARMS.check(pd.DataFrame([row], columns=tables.ALARMS.names()))


def judgement(candidate: str, *, part: str = "test", is_baseline: bool = False, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "candidate": candidate,
        "is_baseline": is_baseline,
        "part": part,
        "notes": (),
        "faults": 4,
        "found": 3,
        "chance_found": 0.1,
        "detection_rate": 0.75,
        "detection_rate_low": 0.3,
        "detection_rate_high": 0.95,
        "delay_minutes_median": 5.0,
        "alarms": 5,
        "false_alarms": 2,
        "asset_weeks": 4.0,
        "false_alarms_per_asset_week": 0.5,
        "false_alarms_per_asset_week_low": 0.06,
        "false_alarms_per_asset_week_high": 1.8,
        "currency": "EUR",
        "cost_per_asset_week": 4300.0,
        "cost_per_asset_week_low": 2100.0,
        "cost_per_asset_week_high": 7000.0,
        "vus_pr": 0.61,
        "vus_pr_random": 0.05,
        "roc_auc": 0.93,
        "average_precision": 0.7,
        "base_rate": 0.04,
        "confusion": {"tp": 30, "fp": 20, "fn": 10, "tn": 940},
        "by_kind": (),
    }
    return row | changes


UNJUDGED = dict.fromkeys(
    [
        *("chance_found", "detection_rate", "detection_rate_low", "detection_rate_high", "delay_minutes_median"),
        *("cost_per_asset_week", "cost_per_asset_week_low", "cost_per_asset_week_high", "vus_pr", "vus_pr_random"),
        *("roc_auc", "average_precision", "confusion"),
    ]
) | {"faults": 0, "found": 0, "base_rate": 0.0}
"""What `evaluation.judgement` leaves None where no fault is known."""


@pytest.fixture(scope="session")
def data(plant: Plant) -> ReportData:
    severity = [0.2, 0.3, 0.2, 0.3, 3.0, 4.0, 2.0, 0.3, 0.2, 0.3]
    return ReportData(
        plant=plant,
        generated_at=datetime(2026, 2, 4, 6, 30, tzinfo=UTC),
        leaderboard=[judgement("lof"), judgement("k_sigma", is_baseline=True)],
        champion="lof",
        verdict="promote",
        reasons=["cheaper than k_sigma"],
        gates=[
            {"name": "self_test", "passed": True, "figure": 0.9, "limit": 0.8, "reason": "finds 9 of 10"},
            {"name": "finds_faults", "passed": False, "figure": 0.4, "limit": 0.5, "reason": "finds too few"},
            {"name": "drift", "passed": None, "figure": None, "limit": 1.0, "reason": "too little data"},
        ],
        readings=pd.concat(
            [readings_of("pump-1", [8.0] * 4 + [5.0] * 3 + [8.0] * 3), readings_of("pump-2", [8.0] * 10)]
        ),
        scores=pd.concat([scores_of("pump-1", severity), scores_of("pump-2", [0.2] * 10)]),
        alarms=alarm_of("pump-1", 5, 6),
        faults=faults_of(("pump-1", 4, 6, "bearing_wear")),
        parts=pd.DataFrame(
            {"calibrate_from": minute(3), "validate_from": minute(5), "test_from": minute(7)},
            index=pd.Index(["pump-1", "pump-2"], name="asset_id"),
        ),
        roc={"lof": ([0.0, 0.1, 1.0], [0.0, 0.9, 1.0])},
        pr={"lof": ([1.0, 0.5, 0.0], [0.1, 0.8, 1.0])},
        rows_kept=20,
        quarantine={"pressure above 12 bar": 3},
        features=["pressure", "pressure__mean"],
        provenance={"plant_hash": "abc123", "tables": {"readings": 4}},
        links={"data_docs": "../docs/index.html", "mlflow": "wheeltapper up"},
    )


@pytest.fixture(scope="session")
def undrawn(data: ReportData) -> ReportData:
    """The same without readings, scores, alarms and curves: for tests of words, as few figures are drawn from it."""
    empty = {"readings": tables.READINGS.empty(), "scores": tables.SCORES.empty(), "alarms": tables.ALARMS.empty()}
    return replace(data, **empty, roc={}, pr={})


@pytest.fixture(scope="session")
def whole(data: ReportData) -> ReportData:
    """Everything that a report can show: one fault found after a minute, one missed, and what moved the alarm."""
    kind = {"faults": 1, "detection_rate_low": 0.0, "detection_rate_high": 1.0, "detection_rate": 1.0, "found": 1}
    faults = faults_of(("pump-1", 4, 6, "bearing_wear"), ("pump-2", 2, 8, "seal_leak"))
    row = judgement(
        "lof",
        faults=2,
        found=1,
        by_kind=[{"kind": "bearing_wear", **kind}, {"kind": "seal_leak", **kind, "found": 0, "detection_rate": 0.0}],
        outcomes=[outcome("pump-1", "bearing_wear", 4, 1.0), outcome("pump-2", "seal_leak", 2, None)],
        naming=NAMING,
    )
    moved = pd.DataFrame({"pressure": [0.1, 0.2, 3.0, 4.0], "ratio": 0.1}, index=[minute(at) for at in (3, 4, 5, 6)])
    board = [row, judgement("k_sigma", is_baseline=True)]
    weights = {"pressure__mean": 0.7, "pressure": 0.3}
    return replace(data, leaderboard=board, faults=faults, moved={"a1": moved}, weights=weights)


def outcome(asset: str, kind: str, start: float, delay: float | None) -> dict[str, object]:
    fault = {"asset_id": asset, "kind": kind, "start": minute(start).isoformat(), "cost": 1.0}
    return fault | {"found": delay is not None, "delay_minutes": delay}


NAMING: dict[str, object] = {
    "kinds": {"bearing_wear": {"bearing_wear": 1}, "seal_leak": {"missed": 1}},
    "parts": {"machine": {"machine": 1, "missed": 1}},
    "found": 1,
    **{"part_right": 1, "part_wrong": 0, "part_share_low": 0.2, "part_share_high": 1.0, "machine_found": 0},
    **{"sensor_found": 0, "sensor_right": 0, "sensor_kind_right": 0},
}
