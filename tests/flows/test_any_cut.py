"""The same readings in any cut and order give the same tables: all at once, in hours, shuffled, late, killed."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests import shared
from tests.flows import any_cut
from tests.flows.any_cut import Pace, PreparedPlant

pytestmark = pytest.mark.slow

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


def test_the_rest_raises_alarms(cut: Cut) -> None:
    """Else the tests below would compare little: windows and alarms are new; one is open before and one after."""
    for table in (any_cut.tables.FEATURES, any_cut.tables.SCORES):
        before, after = (len(plant.space.store.read(table)) for plant in (cut.before, cut.after))
        assert after > before + 100
    alarms = any_cut.standing_alarms(cut.before.space)
    assert (alarms["state"] == "open").sum() >= 1
    alarms = any_cut.standing_alarms(cut.after.space)
    assert (alarms["state"] == "open").sum() >= 1
    assert (alarms["opened_at"] >= cut.rest["timestamp"].min()).sum() >= 2


@pytest.mark.parametrize("way", ["hours", "singles", "growing", "shuffled", "late", "corrected"])
def test_the_tables_are_those_of_one_delivery(cut: Cut, way: str, tmp_path: Path) -> None:
    """Hour by hour, reading by reading, in a growing file, shuffled within a day, one hour late, or wrong at first."""
    other = cut.before.copy(tmp_path / way)
    bring: Callable[..., Any] = any_cut.WAYS[way]
    options = {"count": 8} if way == "singles" else {}
    other.bring(bring(cut.rest, cut.pace, np.random.default_rng(11), **options))
    cut.requires_the_same(other)


def test_the_live_core_says_what_the_tables_say(cut: Cut) -> None:
    """Reading by reading, from the state that the tables leave: features, scores and alarms to the last bit."""
    assert any_cut.live_differences(cut.before, cut.after, cut.rest) == []


@pytest.mark.long
def test_looks_that_are_killed_leave_no_trace(cut: Cut, tmp_path: Path) -> None:
    """About ten looks die at random moments, and twelve at chosen points; each is run again until it ends."""
    other = cut.before.copy(tmp_path / "killed")
    killing = any_cut.Killing(other, random.Random(20261201))
    killing.bring(any_cut.pieces(cut.rest, 2 * cut.pace.hour), kills=10, points=any_cut.POINTS)
    assert killing.at_random >= 3
    assert killing.at_points >= 8
    cut.requires_the_same(other)
