"""A small mill: two machines, four sensors that move together, a fault in each part, and a night in which it is off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config, tables
from wheeltapper.config import Plant, PlugIn
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.training import parts
from wheeltapper.training.candidate import fit_candidate

MINUTES = 1500
START = pd.Timestamp("2026-01-05", tz="UTC")
PLANT = """
asset_type:
  step: 1min
  sensors:
    speed: {unit: rpm, low: 0, high: 3000}
    load: {unit: A, low: 0, high: 80}
    heat: {unit: °C, low: 0, high: 150}
    shake: {unit: mm/s, low: 0, high: 20}
  ratios: [[load, speed]]
source: {csv_folder: {path: data, time_column: time}}
windows: {rows: 3}
features: [latest, rolling, rates, ratios]
candidates: [pca_residual]
parts: {by: fraction, train: 0.4, calibrate: 0.3, validate: 0.2, test: 0.1}
"""
FAULTS = ((100, 140), (800, 830), (1200, 1230), (1400, 1430))
"""Minutes in which the first mill is broken: one fault in each part."""
NIGHT = (300, 360)


def readings() -> pd.DataFrame:
    """Return a day of both mills; in a fault the load is far too high, at night nothing turns."""
    rng = np.random.default_rng(7)
    frames = []
    for asset, level in (("mill-1", 1000.0), ("line/2", 1400.0)):
        demand = np.convolve(rng.normal(size=MINUTES + 19), np.ones(20) / np.sqrt(20), "valid")
        sensors = {
            "speed": level + 30 * demand + rng.normal(0, 5, MINUTES),
            "load": 30 + 2 * demand + rng.normal(0, 0.5, MINUTES),
            "heat": 60 + demand + rng.normal(0, 0.5, MINUTES),
            "shake": 2 + rng.normal(0, 0.1, MINUTES),
        }
        minute = np.arange(MINUTES)
        if asset == "mill-1":
            for start, end in FAULTS:
                sensors["load"][(minute >= start) & (minute <= end)] += 15
        is_off = (minute >= NIGHT[0]) & (minute < NIGHT[1])
        for values in sensors.values():
            values[is_off] = 0.0
        times = START + pd.to_timedelta(minute, unit="min")
        frame = pd.DataFrame({"asset_id": asset, "timestamp": times, "regime": np.where(is_off, "off", "normal")})
        frames.append(frame.assign(**sensors, origin="o", batch_id="b", ingested_at=START))
    return tables.READINGS.check(pd.concat(frames))


@dataclass(frozen=True)
class Mill:
    """Everything that a candidate is fitted from."""

    plant: Plant
    readings: pd.DataFrame
    features: pd.DataFrame
    part: pd.Series
    faults: pd.DataFrame

    def fit(self, detector: str = "pca_residual", /, **changes: Any) -> Bundle:
        """Fit a candidate; ``changes`` replace what is given by the mill."""
        given = {"features": self.features, "part": self.part, "faults": self.faults, "provenance": {"seed": 42}}
        plant = changes.pop("plant", self.plant)
        wanted = PlugIn(name=detector, options=changes.pop("options", {}))
        return fit_candidate(plant, wanted, **(given | changes))

    def rows(self, part: str) -> pd.DataFrame:
        return self.features[self.part == part]


def mill(**changes: str) -> Mill:
    """Build the mill; ``changes`` replace words of its YAML."""
    text = PLANT
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    plant = config.parse(text, name="mill", folder=Path(), where="mill.yaml")
    found = readings()
    features = compute(FeaturePlan.of(plant), found)
    part = parts.assign(features, parts.cuts(found, plant))
    rows = [
        {"asset_id": "mill-1", "start": START + pd.Timedelta(minutes=start), "end": START + pd.Timedelta(minutes=end)}
        for start, end in FAULTS
    ]
    faults = tables.FAULTS.check(pd.DataFrame(rows).assign(kind="jam", severity=1.0, origin="person"))
    return Mill(plant, found, features, part, faults)


@pytest.fixture(scope="session")
def the_mill() -> Mill:
    return mill()


@pytest.fixture(scope="session")
def other_mill() -> Mill:
    """The same machines with windows of four readings: another feature plan."""
    return mill(**{"rows: 3": "rows: 4"})


@pytest.fixture(scope="session")
def bare_mill() -> Mill:
    """The same machines, but no feature holds a sensor's level."""
    return mill(**{"[latest, rolling, rates, ratios]": "[rates]"})


@pytest.fixture(scope="session")
def sequence_mill() -> Mill:
    """The same machines with their last readings in order, for detectors that look at nothing else."""
    return mill(**{"[latest, rolling, rates, ratios]": "[latest, rolling, {sequence: {rows: 4}}]"})


@pytest.fixture(scope="session")
def clock_mill() -> Mill:
    """The same machines with the time of day among their features, and with a look back of an hour."""
    return mill(**{"[latest, rolling, rates, ratios]": "[latest, calendar, {long_rolling: {over: [1h]}}]"})


@pytest.fixture(scope="session")
def bundle(the_mill: Mill) -> Bundle:
    return the_mill.fit()
