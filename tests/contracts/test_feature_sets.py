"""Every feature set keeps the folder's promises; sets are found by listing the folder, new ones too."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from wheeltapper import _folder
from wheeltapper.config import AssetType
from wheeltapper.features.plan import FeaturePlan, build_set
from wheeltapper.features.sets import Stretch

ROWS = 4
SETS = _folder.names("features/sets")
PUMP = AssetType.model_validate(
    {
        "name": "pump",
        "step": "1min",
        "sensors": {
            "flow": {"unit": "m³/h", "low": 0, "high": 250},
            "pressure": {"unit": "bar", "low": -1, "high": 12},
        },
        "ratios": [("pressure", "flow")],
        "products": [("flow", "pressure")],
    }
)

few = settings(derandomize=True, max_examples=20, deadline=None)
extreme = st.floats(-1e12, 1e12, allow_subnormal=False)
series = arrays(np.float64, st.tuples(st.integers(ROWS + 2, 16), st.just(2)), elements=extreme)
every_set = pytest.mark.parametrize("name", SETS)


def stretch_of(values: np.ndarray, start: int = 0) -> Stretch:
    """Return readings a minute apart as a stretch; arrays are locked, so that a set that writes into them fails."""
    seconds = 1_767_225_600.0 + 60.0 * np.arange(start, start + len(values))
    columns = [np.array(values[:, place]) for place in range(2)]
    for column in (seconds, *columns):
        column.flags.writeable = False
    return Stretch(seconds=seconds, sensors=dict(zip(PUMP.sensors, columns, strict=True)), rows=ROWS)


def compute(name: str, values: np.ndarray, start: int = 0) -> np.ndarray:
    """Return the full windows' features, one column a feature."""
    features = build_set(name).compute(stretch_of(values, start), PUMP)
    return np.column_stack(list(features.values()))[ROWS - 1 :]


def readings(asset: str, values: np.ndarray, minutes: np.ndarray | None = None) -> pd.DataFrame:
    """Return readings of one asset, a minute apart if nothing else is said."""
    minutes = np.arange(len(values)) if minutes is None else minutes
    return pd.DataFrame(
        {
            "asset_id": asset,
            "timestamp": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(minutes, unit="min"),
            "regime": "normal",
            "flow": values[:, 0],
            "pressure": values[:, 1],
        }
    )


def usual(n: int, seed: int = 0) -> np.ndarray:
    """Return n readings of a healthy pump."""
    return np.random.default_rng(seed).normal([150, 6.5], [10, 0.5], size=(n, 2))


def plan_of(name: str) -> FeaturePlan:
    return FeaturePlan.model_validate(
        {"asset_type": PUMP, "sets": [name], "windows": {"rows": ROWS, "max_gap": "3min"}}
    )


def test_there_are_feature_sets() -> None:
    """The folder holds at least the four that the pump station uses, so the tests below test something."""
    assert {"latest", "rolling", "rates", "ratios"} <= set(SETS)


@every_set
def test_columns_are_what_compute_returns(name: str) -> None:
    """The announced columns come, in order, one float64 for every reading, each named after a sensor."""
    one = build_set(name)
    features = one.compute(stretch_of(usual(9)), PUMP)
    assert tuple(features) == one.columns(PUMP)
    for column, values in features.items():
        assert column.split("__")[0] in PUMP.sensors
        assert values.shape == (9,)
        assert values.dtype == np.float64


@every_set
@few
@given(values=series, future=extreme)
def test_causal(name: str, values: np.ndarray, future: float) -> None:
    """Changing the last reading changes no window that ends before it, to the last bit."""
    changed = values.copy()
    changed[-1] = future
    np.testing.assert_array_equal(compute(name, values)[:-1], compute(name, changed)[:-1])


@every_set
@few
@given(values=series, past=extreme)
def test_sees_its_own_window_only(name: str, values: np.ndarray, past: float) -> None:
    """Changing the first reading, or not reading it at all, changes no window that begins after it, to the last bit."""
    changed = values.copy()
    changed[0] = past
    expected = compute(name, values)[1:]
    np.testing.assert_array_equal(compute(name, changed)[1:], expected)
    np.testing.assert_array_equal(compute(name, values[1:], start=1), expected)


@every_set
@few
@given(values=series)
def test_finite_on_extreme_input(name: str, values: np.ndarray) -> None:
    """Readings up to ±1e12 give finite features."""
    assert np.isfinite(compute(name, values)).all()


@every_set
@pytest.mark.parametrize("sensor", [0, 1])
def test_nan_in_a_window_gives_nan(name: str, sensor: int) -> None:
    """A missing value blanks its sensor's features in every window that holds it, and no other window."""
    values = usual(3 * ROWS)
    holed = values.copy()
    holed[ROWS + 1, sensor] = np.nan
    names = build_set(name).columns(PUMP)
    touched = [place for place, column in enumerate(names) if list(PUMP.sensors)[sensor] in column.split("__")]
    whole, found = compute(name, values), compute(name, holed)
    with_hole = np.zeros(len(whole), dtype=bool)
    with_hole[2 : 2 + ROWS] = True  # the windows that end at readings ROWS + 1 … 2 · ROWS
    assert touched
    assert np.isnan(found[with_hole][:, touched]).all()
    np.testing.assert_array_equal(found[~with_hole], whole[~with_hole])


@every_set
def test_a_short_stretch_is_no_accident(name: str) -> None:
    """A stretch without a single full window still gives one value for every reading."""
    for n in range(1, ROWS):
        for values in build_set(name).compute(stretch_of(usual(n)), PUMP).values():
            assert values.shape == (n,)


@every_set
def test_assets_do_not_touch(name: str) -> None:
    """Altering and shuffling another asset's readings leaves an asset's rows unchanged."""
    own, other = readings("pump-01", usual(12)), readings("pump-02", usual(12, seed=1))
    alone = plan_of(name).compute(own)
    other["flow"] *= 1e6
    mixed = pd.concat([own, other]).sample(frac=1, random_state=3)
    found = plan_of(name).compute(mixed)
    pd.testing.assert_frame_equal(found[found["asset_id"] == "pump-01"], alone)


@every_set
def test_a_gap_starts_afresh(name: str) -> None:
    """No window spans a gap, and readings before it change nothing after it."""
    minutes = np.concatenate([np.arange(6), np.arange(10, 17)])  # three minutes would still do; five do not
    values = usual(13)
    rows = plan_of(name).compute(readings("pump-01", values, minutes))
    lasted = rows["window_end"] - rows["window_start"]
    assert len(rows) == (6 - ROWS + 1) + (7 - ROWS + 1)
    assert (lasted == pd.Timedelta(minutes=ROWS - 1)).all()
    values[:6] = -1e9
    changed = plan_of(name).compute(readings("pump-01", values, minutes))
    pd.testing.assert_frame_equal(changed.iloc[3:], rows.iloc[3:])
    assert not changed.iloc[:3].equals(rows.iloc[:3])
