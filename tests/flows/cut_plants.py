"""Tiny plants of every kind that have learnt, and the rest of their readings: what brings it must not matter."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests import shared
from tests.flows import any_cut
from tests.flows.any_cut import Pace, PreparedPlant

PUMPS = """
description: Two pumps whose faults and look-alikes raise a few alarms.
asset_type: pump
source:
  simulator: {assets: 2, start: 2026-01-05, duration: 5d, step: 5min, anomaly_rate: 0.1, missing_rate: 0.002}
windows: {rows: 5, every: 1, max_gap: 15min}
features: [latest, rolling, rates]
parts: {by: fraction, train: 0.4, calibrate: 0.3, validate: 0.2, test: 0.1}
candidates: [pca_residual]
alarm_budget: 14
alarms: {open_after: 2, close_after: 4}
seed: 7
"""
METERS = """
description: Three counters that freeze, are reset and fall silent.
asset_type: power_meter
source:
  simulator:
    {assets: 3, start: 2025-12-08, duration: 14d, anomaly_rate: 0.1, gap_rate: 0.03, gap: 1h,
     kinds: [overconsumption, outage, "stuck:energy", "reset:energy"]}
windows: {rows: 8, every: 2}
features: [latest, rolling]
parts: {by: fraction, train: 0.4, calibrate: 0.3, validate: 0.2, test: 0.1}
models: per_asset
candidates: [pca_residual]
alarm_budget: 14
alarms: {open_after: 2, close_after: 6}
seed: 3
"""
GRID = """
description: Two pumps that report when they like; windows are cut on a grid, with holes filled and values smoothed.
asset_type: pump
source:
  simulator:
    {assets: 2, start: 2026-01-05, duration: 4d, step: 3min, jitter: 100s, anomaly_rate: 0.1, gap_rate: 0.1,
     missing_rate: 0.03}
cleaning:
  resample: 10min
  fill: {pressure: 30min}
  smooth: {current: {by: mean, rows: 3}}
windows: {rows: 4, every: 1}
features: [latest, rolling]
parts: {by: fraction, train: 0.4, calibrate: 0.3, validate: 0.2, test: 0.1}
candidates: [pca_residual]
alarm_budget: 14
alarms: {open_after: 2, close_after: 4}
seed: 5
"""
PLANTS = {
    "pumps": (PUMPS, Pace(timedelta(hours=3), timedelta(hours=15))),
    "meters": (METERS, Pace(timedelta(hours=8), timedelta(hours=48))),
    "grid": (GRID, Pace(timedelta(hours=2), timedelta(hours=12))),
}


def broken(rows: pd.DataFrame, begin: pd.Timestamp) -> pd.DataFrame:
    """Let the first machine break around the time at which its readings are cut, and again at their end.

    So an alarm is open when the rest begins to come, and one when all of it is there.
    """
    places = rows.index[rows["asset_id"] == rows["asset_id"].min()]
    cut = int(rows.loc[places, "timestamp"].searchsorted(begin, side="right"))
    changed = rows.copy()
    for span in (places[cut - 12 : cut + 12], places[-12:]):
        for sensor in rows.columns.difference(["timestamp", "asset_id", "regime"]):
            values = rows.loc[span, sensor]
            rising = values + 40.0 * np.arange(1, len(span) + 1)
            changed.loc[span, sensor] = rising if sensor == "energy" else values * 0.7
    return changed


@dataclass(frozen=True)
class Cut:
    """A plant before the rest of its readings came, and after they came all at once."""

    before: PreparedPlant
    after: PreparedPlant
    rest: pd.DataFrame
    pace: Pace

    def requires_the_same(self, other: PreparedPlant) -> None:
        """Compare a plant that the rest was brought to in another way with the one that got it at once."""
        assert any_cut.differences(self.after, other) == []
        assert any_cut.digests(self.after) == any_cut.digests(other)


@pytest.fixture(scope="session", params=PLANTS)
def cut(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cut:
    """Train on three quarters of a plant's readings, then bring the rest at once."""
    name = request.param
    text, pace = PLANTS[name]

    def make(folder: Path) -> None:
        content = yaml.safe_load(text)
        rows, faults = any_cut.read(content, name)
        begin = any_cut.divide(rows, faults, 0.75).first["timestamp"].max()
        divided = any_cut.divide(broken(rows, begin), faults, 0.75)
        before = any_cut.prepare(content, divided, name, folder / "before")
        after = before.copy(folder / "after")
        after.bring(any_cut.once(divided.rest, pace, np.random.default_rng(1)), any_cut.PROMISES)
        (folder / "rest.pickle").write_bytes(pickle.dumps(divided.rest))

    folder = shared.once(tmp_path_factory, f"any_cut_{name}", make)
    rest = pickle.loads((folder / "rest.pickle").read_bytes())
    return Cut(PreparedPlant(folder / "before", name), PreparedPlant(folder / "after", name), rest, pace)
