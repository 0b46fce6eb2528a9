"""A model that learnt from conditioned values is given conditioned values: after loading, and in the self-test."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.mill import Mill, mill
from wheeltapper.features.compute import compute, rows_of
from wheeltapper.features.conditioning import Track
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.selftest import obvious
from wheeltapper.tables import microseconds

HOW = "{resample: 2min, fill: {heat: 6min}, smooth: {load: {by: median, rows: 3}}}"


@pytest.fixture(scope="module")
def clean_mill() -> Mill:
    """The mills on a grid of two minutes, with a median over three."""
    return mill(**{"windows: {rows: 3}": f"windows: {{rows: 3}}\ncleaning: {HOW}"})


@pytest.fixture(scope="module")
def clean(clean_mill: Mill) -> Bundle:
    return clean_mill.fit()


def test_a_bundle_that_was_loaded_scores_the_same(clean_mill: Mill, clean: Bundle, tmp_path: Path) -> None:
    """Plan with grid, stand-ins and smoothers included: same hash, same rows, same scores to the last bit."""
    folder = tmp_path / "bundle"
    back = bundles.read(folder, expected=clean.write(folder))
    assert back.plan == clean.plan
    assert back.plan.conditioning.smooth["load"].rows == 3
    features = compute(back.plan, clean_mill.readings)
    pd.testing.assert_frame_equal(features, clean_mill.features, check_exact=True)
    expected = clean.score(clean_mill.features)
    pd.testing.assert_frame_equal(back.score(features), expected, check_exact=True)
    assert len(expected) > 1000


def test_arrays_are_conditioned_as_tables_are(clean_mill: Mill, clean: Bundle) -> None:
    """Who serves from arrays goes the same way: the newest window has the values of the table's row."""
    own = clean_mill.readings[clean_mill.readings["asset_id"] == "mill-1"]
    sensors = {name: own[name].to_numpy() for name in clean.plan.sensors}
    track = Track(microseconds(own["timestamp"]), sensors, own["regime"].to_numpy(dtype=object))
    row = clean_mill.features[clean_mill.features["asset_id"] == "mill-1"].iloc[-1]
    newest = int(microseconds(pd.Series([row["window_end"]]))[0])
    found = rows_of(clean.plan, track, since=newest)
    np.testing.assert_array_equal(found.values[0], row[list(clean.plan.columns)].to_numpy(dtype=float))


def scores_of(bundle: Bundle, readings: pd.DataFrame) -> np.ndarray:
    """Score readings the way that the self-test does: through the bundle's own plan."""
    return bundle.score(compute(bundle.plan, readings))["score"].to_numpy()


def test_the_self_test_s_step_goes_through_the_conditioning(clean_mill: Mill, clean: Bundle) -> None:
    """An unmistakable step of all sensors is still one on the grid and after the median: every score rises."""
    morning = clean_mill.readings[clean_mill.readings["timestamp"] < pd.Timestamp("2026-01-05 01:30", tz="UTC")]
    deviations = {name: float(morning[name].std()) for name in clean.plan.sensors}
    limits = {name: (sensor.low, sensor.high) for name, sensor in clean.asset_type.sensors.items()}
    twins = obvious.inject_obvious(morning, deviations, limits)
    assert (scores_of(clean, twins[obvious.ALL]) > scores_of(clean, morning)).all()


def test_a_median_lets_no_single_reading_through(clean_mill: Mill, clean: Bundle, bundle: Bundle) -> None:
    """One reading that leaps is an anomaly to the plain model; to the smoothed one the morning is as it was."""
    morning = clean_mill.readings[clean_mill.readings["timestamp"] < pd.Timestamp("2026-01-05 01:30", tz="UTC")]
    at = (morning["timestamp"] == pd.Timestamp("2026-01-05 01:00", tz="UTC")) & (morning["asset_id"] == "mill-1")
    leap = morning.assign(load=morning["load"].where(~at, 79.0))
    assert scores_of(bundle, leap).max() > 3 * scores_of(bundle, morning).max()
    assert scores_of(clean, leap).max() < 1.5 * scores_of(clean, morning).max()


def test_the_guard_is_as_long_as_what_a_window_is_made_from(clean_mill: Mill, the_mill: Mill) -> None:
    """Three cells of two minutes and two more before them; plain windows last three minutes."""
    assert the_mill.plant.window_reach == timedelta(minutes=3)
    assert clean_mill.plant.window_reach == timedelta(minutes=10)
    assert clean_mill.plant.window_spacing == timedelta(minutes=2)
