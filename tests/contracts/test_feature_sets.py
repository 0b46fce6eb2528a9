"""Every feature set keeps the folder's promises; a new file in wheeltapper/features/sets is tested here, too."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from tests.contracts.plug_ins import PLUG_INS, names, of_the_package
from wheeltapper.config import AssetType
from wheeltapper.features import plan as plans
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.sets import FeatureSet, Stretch
from wheeltapper.plugins import FEATURE_SETS

ROWS = 4
SETS = names(FEATURE_SETS)
PUMP = AssetType.model_validate(
    {
        "name": "pump",
        "step": "1h",
        "sensors": {
            "flow": {"unit": "m³/h", "low": 0, "high": 250},
            "pressure": {"unit": "bar", "low": -1, "high": 12},
        },
        "ratios": [("pressure", "flow")],
        "products": [("flow", "pressure")],
        "twin": {"pressure": "0.0003 * flow ** 2"},
    }
)

few = settings(derandomize=True, max_examples=20, deadline=None)
extreme = st.floats(-1e12, 1e12, allow_subnormal=False)
seeds = st.integers(0, 2**32 - 1)
every_set = pytest.mark.parametrize("name", SETS)
HOUR = 3600.0


def example_options(name: str) -> dict:
    return PLUG_INS.load(FEATURE_SETS, name, FeatureSet).example_options


def build_set(name: str) -> FeatureSet:
    return plans.build_set(name, example_options(name), PLUG_INS)


def stretch_of(values: np.ndarray, start: int = 0) -> Stretch:
    """Return readings an hour apart as a stretch; arrays are locked, so that a set that writes into them fails."""
    seconds = 1_767_225_600.0 + HOUR * np.arange(start, start + len(values))
    columns = [np.array(values[:, place]) for place in range(2)]
    last = np.arange(ROWS - 1, len(values), dtype=np.int64)
    first = last - ROWS + 1
    for locked in (seconds, *columns, first, last):
        locked.flags.writeable = False
    return Stretch(seconds, dict(zip(PUMP.sensors, columns, strict=True)), first, last)


def compute(name: str, values: np.ndarray, start: int = 0) -> np.ndarray:
    """Return each window's features, one column a feature."""
    return np.column_stack(list(build_set(name).compute(stretch_of(values, start), PUMP).values()))


def back(name: str) -> int:
    """Return how many readings a set looks back at, its window's last one included."""
    reach = build_set(name).reach(PUMP)
    return max(ROWS, reach.readings, -(-reach.time // PUMP.step) + 1)


def owners(name: str) -> list[set[str]]:
    """Return for each column the sensors whose readings it is made of; none for a column of the clock alone."""
    return [set(PUMP.sensors) & set(column.split("__")) for column in build_set(name).columns(PUMP)]


def readings(asset: str, values: np.ndarray, hours: np.ndarray | None = None) -> pd.DataFrame:
    """Return readings of one asset, an hour apart if nothing else is said."""
    hours = np.arange(len(values)) if hours is None else hours
    return pd.DataFrame(
        {
            "asset_id": asset,
            "timestamp": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h"),
            "regime": "normal",
            "flow": values[:, 0],
            "pressure": values[:, 1],
        }
    )


def usual(n: int, seed: int = 0) -> np.ndarray:
    """Return n readings of a healthy pump."""
    return np.random.default_rng(seed).normal([150, 6.5], [10, 0.5], size=(n, 2))


def plan_of(name: str) -> FeaturePlan:
    sets = [{name: example_options(name)}]
    return FeaturePlan.model_validate(
        {"plug_ins": PLUG_INS, "asset_type": PUMP, "sets": sets, "windows": {"rows": ROWS, "max_gap": "3h"}}
    )


@of_the_package
def test_there_are_feature_sets() -> None:
    """The folder holds at least the four that the pump station uses, so the tests below test something."""
    assert {"latest", "rolling", "rates", "ratios"} <= set(SETS)


@every_set
def test_columns_are_what_compute_returns(name: str) -> None:
    """The announced columns come, in order, one float64 for every window, each named after a sensor or its set."""
    one = build_set(name)
    features = one.compute(stretch_of(usual(9)), PUMP)
    assert tuple(features) == one.columns(PUMP)
    for column, values in features.items():
        assert column.split("__")[0] in {*PUMP.sensors, name}
        assert values.shape == (9 - ROWS + 1,)
        assert values.dtype == np.float64


@every_set
@few
@given(seed=seeds, future=extreme)
def test_causal(name: str, seed: int, future: float) -> None:
    """Changing the last reading changes no window that ends before it, to the last bit."""
    values = usual(back(name) + 6, seed)
    changed = values.copy()
    changed[-1] = future
    expected = compute(name, values)[:-1]
    assert not np.isnan(expected[-1]).all()
    np.testing.assert_array_equal(compute(name, changed)[:-1], expected)


@every_set
@few
@given(seed=seeds, past=extreme)
def test_sees_no_further_back_than_it_says(name: str, seed: int, past: float) -> None:
    """Changing the first reading, or not reading it, changes no window that reaches back to it, to the last bit."""
    values = usual(back(name) + 6, seed)
    changed = values.copy()
    changed[0] = past
    reached = back(name) - ROWS + 1  # windows that may look at the first reading
    expected = compute(name, values)[reached:]
    assert not np.isnan(expected).all(axis=1).any()
    np.testing.assert_array_equal(compute(name, changed)[reached:], expected)
    np.testing.assert_array_equal(compute(name, values[1:], start=1)[reached - 1 :], expected)


@every_set
@few
@given(seed=seeds, size=extreme, place=st.integers(0, 30))
def test_no_infinity_on_extreme_input(name: str, seed: int, size: float, place: int) -> None:
    """Readings up to ±1e12 give no infinite feature, and no missing one where the set promises a value."""
    values = usual(back(name) + 6, seed)
    values[place % len(values)] = size
    found = compute(name, values)[back(name) - ROWS :]
    assert not np.isinf(found).any()
    if build_set(name).always_has_value:
        assert not np.isnan(found).any()


@every_set
@pytest.mark.parametrize("sensor", [0, 1])
def test_nan_in_a_window_gives_nan(name: str, sensor: int) -> None:
    """A missing value blanks its sensor's features in every window that holds it, and in none that looks past it."""
    reach = back(name)
    values = usual(2 * reach + 3 * ROWS)
    holed = values.copy()
    hole = reach + ROWS
    holed[hole, sensor] = np.nan
    touched = [place for place, own in enumerate(owners(name)) if list(PUMP.sensors)[sensor] in own]
    others = [place for place, own in enumerate(owners(name)) if list(PUMP.sensors)[sensor] not in own]
    whole, found = compute(name, values), compute(name, holed)
    ends = np.arange(ROWS - 1, len(values))
    with_hole = (ends >= hole) & (ends < hole + ROWS)
    beyond = (ends < hole) | (ends >= hole + reach)
    assert np.isnan(found[with_hole][:, touched]).all()
    np.testing.assert_array_equal(found[beyond], whole[beyond])
    np.testing.assert_array_equal(found[:, others], whole[:, others])


@every_set
def test_a_short_stretch_is_no_accident(name: str) -> None:
    """A stretch without a single full window gives columns without a value."""
    for n in range(1, ROWS):
        for values in build_set(name).compute(stretch_of(usual(n)), PUMP).values():
            assert values.shape == (0,)


@every_set
def test_assets_do_not_touch(name: str) -> None:
    """Altering and shuffling another asset's readings leaves an asset's rows unchanged."""
    n = back(name) + 8
    own, other = readings("pump-01", usual(n)), readings("pump-02", usual(n, seed=1))
    alone = plan_of(name).compute(own)
    other["flow"] *= 1e6
    mixed = pd.concat([own, other]).sample(frac=1, random_state=3)
    found = plan_of(name).compute(mixed)
    pd.testing.assert_frame_equal(found[found["asset_id"] == "pump-01"], alone)


@every_set
def test_a_gap_starts_afresh(name: str) -> None:
    """No window spans a gap, and readings before it change nothing after it."""
    before, after = back(name) + 2, back(name) + 3
    hours = np.concatenate([np.arange(before), np.arange(before + 4, before + 4 + after)])  # three would still do
    values = usual(before + after)
    rows = plan_of(name).compute(readings("pump-01", values, hours))
    lasted = rows["window_end"] - rows["window_start"]
    count = before - ROWS + 1
    assert len(rows) == count + (after - ROWS + 1)
    assert (lasted == pd.Timedelta(hours=ROWS - 1)).all()
    values[:before] = usual(before, seed=9)
    changed = plan_of(name).compute(readings("pump-01", values, hours))
    pd.testing.assert_frame_equal(changed.iloc[count:], rows.iloc[count:])
    if any(owners(name)):
        assert not changed.iloc[:count].equals(rows.iloc[:count])


@every_set
def test_reading_from_later_on_gives_the_same_rows(name: str) -> None:
    """Readings that start `needed_before` a window's end give the same feature row, to the last bit."""
    plan = plan_of(name)
    frame = readings("pump-01", usual(3 * back(name) + 5))
    whole = plan.compute(frame)
    begin = frame["timestamp"].iloc[2 * back(name) + 2]
    part = plan.compute(frame[frame["timestamp"] >= begin - plan.needed_before])
    late = whole[whole["window_end"] >= begin].reset_index(drop=True)
    found = part[part["window_end"] >= begin].reset_index(drop=True)
    assert len(late)
    pd.testing.assert_frame_equal(found, late)
