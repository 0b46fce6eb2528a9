"""Readings of a small plant in which every kind of flag occurs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wheeltapper.config import AssetType, Sensor

KINDS = ("iqr", "hampel")
TYPE = AssetType(
    name="t",
    step="10min",
    sensors={
        "pressure": Sensor(unit="bar", low=0, high=10),
        "voltage": Sensor(unit="V"),
        "energy": Sensor(unit="kWh", counter=True),
    },
)  # type: ignore[arg-type]


def readings(seed: int, count: int = 3000, asset: str = "a") -> pd.DataFrame:
    """Return readings of one asset: gaps, silence, standstill, ends of the range, other units, spikes and regimes."""
    chance = np.random.default_rng(seed)
    steps = chance.choice([600, 660, 9000, 260_000], count, p=[0.95, 0.048, 0.0015, 0.0005])
    times = pd.DatetimeIndex(np.datetime64("2026-01-01", "us") + np.cumsum(steps).astype("timedelta64[s]"), tz="UTC")
    regime = np.full(count, "normal", dtype=object)
    for start in chance.integers(0, count, 3):
        regime[start : start + chance.integers(1, 80)] = chance.choice(["off", "maintenance", "high_load"])
    counted = np.cumsum(np.nan_to_num(np.abs(_series(chance, count))))
    for start in chance.integers(0, count, 2):
        counted[start:] -= counted[start]
    counted[chance.random(count) < 0.01] = np.nan
    measured = {"pressure": _series(chance, count), "voltage": _series(chance, count), "energy": counted}
    return pd.DataFrame({"asset_id": asset, "timestamp": times.as_unit("us"), "regime": regime, **measured})


def _series(chance: np.random.Generator, count: int) -> np.ndarray:
    values = chance.choice([0.5, 5.0, 50.0]) + chance.normal(scale=0.1, size=count)
    if chance.random() < 0.3:
        values = np.round(values, 1)
    for start in chance.integers(count // 4, count, 8):
        end = start + chance.integers(20, 120)
        what = chance.integers(5)
        if what == 0:
            values[start:end] = values[start]
        elif what == 1:
            values[start:end] = np.nan
        elif what == 2:
            values[start : start + chance.integers(30, 900)] *= chance.choice([1000.0, 0.001, 30.0])
        elif what == 3:
            values[start:end] = 10.0
        else:
            values[start] += 20.0
    if chance.random() < 0.3:
        values[chance.random(count) < 0.3] = np.nan
    return values
