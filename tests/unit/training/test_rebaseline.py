"""The preview of a new normal: which levels have moved, beside how far they wander anyway."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config
from wheeltapper.tables import FAULTS
from wheeltapper.training.rebaseline import Level, _levels

PLANT = config.parse(
    "asset_type: {step: 1h, sensors: {heat: {unit: °C}}}\nsource: {csv_folder: {path: x, time_column: t}}",
    name="mill",
    folder=Path(),
    where="mill.yaml",
)
START = pd.Timestamp("2026-01-05", tz="UTC")
DAYS = 20


def level(*, wander: float, moved: float, days_since: int = 2) -> Level:
    """Return the level of a sensor that swings by 8 °C every day, wanders from day to day, and has moved."""
    hours = np.arange(24 * DAYS)
    daily = np.repeat(np.random.default_rng(1).normal(0, 1, DAYS), 24) * wander
    heat = 50 + 8 * np.sin(2 * np.pi * hours / 24) + daily
    since = START + pd.Timedelta(days=DAYS - days_since)
    times = START + pd.to_timedelta(hours, unit="h")
    heat[times >= since] = 50 + 8 * np.sin(2 * np.pi * hours[times >= since] / 24) + moved
    rows = pd.DataFrame({"asset_id": "a", "timestamp": times, "regime": "normal", "heat": heat})
    _, (found,) = _levels(PLANT, rows, FAULTS.empty(), since)
    return found


@pytest.mark.parametrize(
    ("wander", "moved", "has_moved"),
    [(0.1, 5.0, True), (0.1, -5.0, True), (0.1, 1.0, False), (8.0, 5.0, False), (4.0, 30.0, True)],
)
def test_a_level_has_moved_where_it_moved_further_than_it_wanders(wander: float, moved: float, has_moved: bool) -> None:
    """The swing of a day is no wandering of its median; a fraction of the swing is nothing to speak of, either."""
    assert level(wander=wander, moved=moved).has_moved is has_moved


def test_too_few_spells_leave_single_readings_to_go_by() -> None:
    """Twelve days since, eight before: no earlier spell is as long, so it takes three whole spreads."""
    found = level(wander=0.1, moved=5.0, days_since=12)
    assert found.wander_before is None
    assert not found.has_moved
    assert level(wander=0.1, moved=40.0, days_since=12).has_moved
