"""A month of commands: a stuck sensor stays anomalous, an accepted level does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.flows.conftest import Ended, Home, Nursery
from wheeltapper import tables
from wheeltapper.decisions import ledger
from wheeltapper.workspace import OBJECTIVE

START = pd.Timestamp("2026-01-05", tz="UTC")
BEGUN = 28
"""Day on which one sensor gets stuck, and another machine runs hotter."""
PLANT = """\
description: Three fans, a reading every half hour.
asset_type:
  step: 30min
  sensors:
    current: {unit: A, low: 0, high: 100}
    temperature: {unit: °C, low: 0, high: 120}
    vibration: {unit: mm/s, low: 0, high: 20}
source: {csv_folder: {path: data, time_column: time}}
parts: {by: fraction, train: 0.6, calibrate: 0.2, validate: 0.15, test: 0.05}
windows: {rows: 3, every: 1}
features: [latest]
candidates: [mahalanobis]
"""


def readings(asset: str) -> pd.DataFrame:
    """Return ten weeks of a fan: current, temperature and vibration follow the same daily load."""
    rng, count = np.random.default_rng(len(asset)), 70 * 48
    day = np.arange(count) / 48
    load = 50 + 15 * np.sin(2 * np.pi * day) + 3 * rng.normal(size=count)
    current = 10 + 0.3 * load + 0.3 * rng.normal(size=count)
    temperature = 30 + 0.5 * load + 0.6 * rng.normal(size=count)
    vibration = 1 + 0.02 * load + 0.05 * rng.normal(size=count)
    if asset == "stuck":
        temperature[day >= BEGUN] = temperature[day < BEGUN][-1]
    if asset == "shifted":
        temperature[day >= BEGUN] += 8
    sensors = {"current": current, "temperature": temperature, "vibration": vibration}
    return pd.DataFrame(sensors).round(3).assign(time=pd.date_range(START, periods=count, freq="30min"))


@dataclass(frozen=True)
class Works(Home):
    """Three fans whose files grow."""

    def bring(self, day: float) -> None:
        """Write all readings until a day into the files."""
        for asset in ("stuck", "shifted", "well"):
            rows = readings(asset)
            until = START + pd.Timedelta(days=day)
            rows[rows["time"] < until].to_csv(self.plant.parent / "data" / f"{asset}.csv", index=False)

    def ask(self, *arguments: str, code: int = 0) -> Ended:
        """Run a command that must end like this."""
        ended = self.run(*arguments)
        assert ended.code == code, f"{arguments}: {ended.out}{ended.err}"
        return ended

    def champion(self) -> str:
        """Return the bundle of the live model."""
        live = ledger.live(self.store, OBJECTIVE)
        assert live is not None
        return str(live["bundle"])

    def loud(self, asset: str, since: float) -> Any:
        """Return the share of a machine's windows from a day on that the live model calls anomalous."""
        rows = self.store.read(tables.SCORES)
        asset_rows = rows[(rows["bundle"] == self.champion()) & (rows["asset_id"] == asset)]
        return (asset_rows.loc[asset_rows["window_end"] >= START + pd.Timedelta(days=since), "severity"] > 1).mean()

    def rings(self, asset: str, since: float) -> Any:
        """Return the share of a machine's windows from a day on that lie inside an alarm of the live model.

        A single loud window is none: three in a row open an alarm, and the budget is about alarms.
        """
        rows, alarms = self.store.read(tables.SCORES), self.store.read(tables.ALARMS)
        is_newer = rows["window_end"] >= START + pd.Timedelta(days=since)
        times = rows.loc[(rows["bundle"] == self.champion()) & (rows["asset_id"] == asset) & is_newer, "window_end"]
        asset_alarms = alarms[(alarms["bundle"] == self.champion()) & (alarms["asset_id"] == asset)]
        spans = zip(asset_alarms["opened_at"], asset_alarms["last_at"], strict=True)
        return np.logical_or.reduce([times.between(*span) for span in spans] or [times.isna()]).mean()


@pytest.fixture
def works(tmp_path: Path, nursery: Nursery) -> Works:
    (tmp_path / "data").mkdir()
    plant = tmp_path / "fans.yaml"
    plant.write_text(PLANT)
    return Works.furnished(tmp_path / "home", plant, nursery)


@pytest.mark.slow
@pytest.mark.long
def test_a_stuck_sensor_stays_anomalous_for_a_month_and_an_accepted_level_goes_quiet(works: Works) -> None:
    """Two of three fans go wrong on the same day: each week `watch` and `retrain`, then one of them is accepted.

    The load passes the stuck value once a day, so not every window can be anomalous.
    """
    works.bring(BEGUN)
    works.ask("run")
    first = works.champion()
    for week in (1, 2, 3, 4):
        day = BEGUN + 7 * week + 0.25
        works.bring(day)
        works.ask("watch")
        printed = works.ask("retrain").out
        assert works.loud("stuck", day - 7) > 0.6, week
        assert works.loud("shifted", day - 7) > 0.9, week
        assert works.rings("well", day - 7) < 0.1, week
    assert "inside an alarm that nobody has judged" in printed
    assert "wheeltapper rebaseline PLANT ASSET" in printed

    begin = (START + pd.Timedelta(days=BEGUN)).isoformat()
    assert "Nothing was written" in works.ask("rebaseline", "shifted", "--from", begin).out
    works.ask("rebaseline", "shifted", "--from", begin, "--yes")
    printed = works.ask("retrain").out
    assert "a new normal of shifted" in printed
    assert works.champion() != first
    works.bring(day + 5)
    works.ask("watch")
    assert works.rings("shifted", day) < 0.1
    assert works.loud("stuck", day) > 0.6, "the new champion has learnt the fault of another machine"
    assert works.rings("well", day) < 0.1
    assert works.damage() == []
