"""What a plant hears that names neither features nor candidates: stuck and noisy sensors too, and no rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config, tables
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.explanation import explain, feature_shares
from wheeltapper.training import parts
from wheeltapper.training.candidate import fit_candidate

PLANT = config.parse(
    """
asset_type:
  step: 1min
  sensors: {flow: {unit: m³/h}, current: {unit: A}, temperature: {unit: °C}, setpoint: {unit: "%"}}
source: {simulator: {assets: 1, start: 2026-01-05, duration: 1w}}
""",
    name="mill",
    folder=Path(),
    where="mill.yaml",
)
COUNT, FROM = 6000, 5500
APART = ("mahalanobis", "pca_residual")


def readings(seed: int = 0) -> pd.DataFrame:
    """Return four days of a machine whose load wanders, with a set point that nobody touches."""
    rng = np.random.default_rng(seed)
    load = 0.2 * np.cumsum(rng.normal(size=COUNT))
    load -= pd.Series(load).rolling(300, min_periods=1).mean().to_numpy()
    return pd.DataFrame(
        {
            "asset_id": "mill-1",
            "timestamp": pd.date_range("2026-01-05", periods=COUNT, freq="1min", tz="UTC").as_unit("us"),
            "regime": "normal",
            "origin": "",
            "flow": 100 + 3 * load + rng.normal(size=COUNT),
            "current": 50 + load + rng.normal(size=COUNT),
            "temperature": 40 + rng.normal(size=COUNT),
            "setpoint": 100.0,
        }
    )


@pytest.fixture(scope="module")
def fitted() -> dict[str, Bundle]:
    """Fit the default candidates on what is normal."""
    shown = readings()
    features = compute(FeaturePlan.of(PLANT), shown)
    part = parts.assign(features, parts.cuts(shown[["asset_id", "timestamp", "origin"]], PLANT))
    return {one.name: fit_candidate(PLANT, one, features, part, tables.FAULTS.empty(), {}) for one in PLANT.candidates}


def severity(bundle: Bundle, shown: pd.DataFrame, place: slice) -> Any:
    """Return how severe each window is that ends in those readings."""
    scored = bundle.score(compute(FeaturePlan.of(PLANT), shown.iloc[FROM - 200 :]))
    ends = shown["timestamp"].iloc[place]
    return scored.loc[scored["window_end"].isin(ends), "severity"].to_numpy()


@pytest.mark.parametrize("name", [one.name for one in PLANT.candidates])
def test_a_sensor_that_is_stuck_at_its_usual_value_is_heard(fitted: dict[str, Bundle], name: str) -> None:
    """Two hours of exactly 40 °C: its mean says nothing."""
    shown = readings()
    shown.loc[FROM : FROM + 120, "temperature"] = 40.0
    assert np.median(severity(fitted[name], shown, slice(FROM + 60, FROM + 120))) > 1
    assert np.median(severity(fitted[name], readings(), slice(FROM + 60, FROM + 120))) < 0.7


@pytest.mark.parametrize("name", APART)
def test_a_sensor_that_is_noisy_at_its_usual_mean_is_heard(fitted: dict[str, Bundle], name: str) -> None:
    """Three times the usual noise for two hours."""
    shown = readings()
    shown.loc[FROM : FROM + 120, "temperature"] = 40 + 3 * (shown["temperature"].loc[FROM : FROM + 120] - 40)
    assert np.median(severity(fitted[name], shown, slice(FROM + 60, FROM + 120))) > 1


@pytest.mark.parametrize("name", [one.name for one in PLANT.candidates])
@pytest.mark.parametrize("digit", [1e-10, 1e-6, 1e-3])
def test_a_rounding_digit_of_what_never_moved_is_no_alarm(fitted: dict[str, Bundle], name: str, digit: float) -> None:
    """The set point of 100 % is 100.001 once: whoever logged it rounds otherwise."""
    shown = readings()
    shown.loc[FROM + 30, "setpoint"] += digit
    quiet = severity(fitted[name], readings(), slice(FROM, FROM + 120)).max()
    assert severity(fitted[name], shown, slice(FROM, FROM + 120)).max() < max(1.0, 1.1 * quiet)


def test_what_adds_nothing_to_the_score_is_no_reason(fitted: dict[str, Bundle]) -> None:
    """A level that moves makes one change, too; where the score is that of levels, nobody says "restless"."""
    shown = readings()
    shown.loc[FROM : FROM + 120, "flow"] += 25.0
    rows = compute(FeaturePlan.of(PLANT), shown.iloc[FROM - 200 :])
    rows = rows[rows["window_end"].isin(shown["timestamp"].iloc[FROM + 5 : FROM + 30]) & rows["usable"]]
    for name in APART:
        heard = feature_shares(fitted[name], rows)
        assert heard is not None
        assert heard[[column for column in heard.index if "restless" in column]].sum() == 0
        assert not [one.change for one in explain(fitted[name], rows) if "restless" in one.change]
