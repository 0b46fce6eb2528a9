"""Every feature set keeps the folder's promises; a new file in wheeltapper/features/sets is tested here, too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from tests.contracts.arriving import Following, by_end, in_disorder, in_order
from tests.contracts.plug_ins import PLUG_INS, names, of_the_package
from wheeltapper.config import AssetType
from wheeltapper.config.plant import FEATURES
from wheeltapper.features import plan as plans
from wheeltapper.features.columns import Feature, Shows, that_show
from wheeltapper.features.compute import compute, rows_of
from wheeltapper.features.conditioning import Track
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.restless import from_mean_square
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


def window_values(name: str, values: np.ndarray, start: int = 0) -> np.ndarray:
    """Return each window's features, one column a feature."""
    return np.column_stack(list(build_set(name).compute(stretch_of(values, start), PUMP).values()))


def back(name: str) -> int:
    """Return how many readings a set looks back at, its window's last one included."""
    reach = build_set(name).reach(PUMP)
    return max(ROWS, reach.readings, -(-reach.time // PUMP.step) + 1)


def looked_back(feature: Feature) -> int:
    """Return how many of the hourly readings a column's values are made of."""
    if isinstance(feature.over, timedelta):
        return feature.over // PUMP.step
    return feature.over or ROWS


BY_HAND: dict[Shows, Callable[[np.ndarray, int], float]] = {
    "latest": lambda series, rows: series[-1],
    "level": lambda series, rows: series[-rows:].mean(),
    "spread": lambda series, rows: series[-rows:].std(),
    "restlessness": lambda series, rows: float(from_mean_square((np.diff(series[-rows:]) ** 2).mean())),
    "rate": lambda series, rows: (series[-1] - series[-2]) / 60,
}
"""What a column shows → its value from all readings of its sensor and the number that it looks back at. The default
unit of a rate is a minute, and readings are an hour apart."""


def owners(name: str) -> list[set[str]]:
    """Return for each column the sensors whose readings it is made of; none for a column of the clock alone."""
    return [set(feature.sensors) for feature in build_set(name).columns(PUMP)]


def readings(asset: str, values: np.ndarray, hours: np.ndarray | None = None) -> pd.DataFrame:
    """Return readings of one asset, an hour apart by default."""
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
    feature_set = build_set(name)
    features = feature_set.compute(stretch_of(usual(9)), PUMP)
    assert tuple(features) == feature_set.names(PUMP)
    for column, values in features.items():
        assert column in PUMP.sensors or column.startswith(tuple(f"{owner}__" for owner in (*PUMP.sensors, name)))
        assert values.shape == (9 - ROWS + 1,)
        assert values.dtype == np.float64


@every_set
@pytest.mark.parametrize("sensor", PUMP.sensors)
def test_columns_name_the_sensors_that_they_are_made_of(name: str, sensor: str) -> None:
    """Other readings of a sensor change no column that does not list it, and one or more of those that do."""
    values = usual(back(name) + 6)
    changed = values.copy()
    changed[:, list(PUMP.sensors).index(sensor)] += np.random.default_rng(5).normal(0, 1, len(values))
    before, after = window_values(name, values), window_values(name, changed)
    is_same = ((before == after) | (np.isnan(before) & np.isnan(after))).all(axis=0)
    features = build_set(name).columns(PUMP)
    lists = np.array([sensor in feature.sensors for feature in features])
    assert is_same[~lists].all()
    assert not is_same[lists].any() or any(
        feature.shows == "statistic" for feature, same in zip(features, is_same, strict=True) if same
    )
    assert not lists.any() or not is_same[lists].all()


@every_set
def test_columns_show_what_they_say(name: str) -> None:
    """Each value of the newest window is what `MEANINGS` promises for what its column shows, computed by hand."""
    values = usual(back(name) + 6, seed=2)
    newest = dict(zip(build_set(name).names(PUMP), window_values(name, values)[-1], strict=True))
    for feature in build_set(name).columns(PUMP):
        if feature.shows in BY_HAND:
            series = values[:, list(PUMP.sensors).index(feature.sensors[0])]
            expected = BY_HAND[feature.shows](series, looked_back(feature))
            assert newest[feature.name] == pytest.approx(expected, rel=1e-9), feature.name


@every_set
def test_a_sequence_goes_from_the_oldest_reading_to_the_newest(name: str) -> None:
    """By its places, readings that only rise make a sequence that only rises, and ends with the last of them."""
    rising = np.column_stack([np.arange(back(name) + 6.0), 100 + np.arange(back(name) + 6.0)])
    newest = dict(zip(build_set(name).names(PUMP), window_values(name, rising)[-1], strict=True))
    for sensor, last in zip(PUMP.sensors, rising[-1], strict=True):
        steps = that_show(build_set(name).columns(PUMP), "sequence", sensor)
        assert sorted(feature.place or 0 for feature in steps) == list(range(len(steps)))
        readings_by_place = [newest[feature.name] for feature in sorted(steps, key=lambda feature: feature.place or 0)]
        assert readings_by_place == sorted(readings_by_place)
        assert not steps or readings_by_place[-1] == last


@every_set
@few
@given(seed=seeds, future=extreme)
def test_causal(name: str, seed: int, future: float) -> None:
    """Changing the last reading changes no window that ends before it, to the last bit."""
    values = usual(back(name) + 6, seed)
    changed = values.copy()
    changed[-1] = future
    expected = window_values(name, values)[:-1]
    assert not np.isnan(expected[-1]).all()
    np.testing.assert_array_equal(window_values(name, changed)[:-1], expected)


@every_set
@few
@given(seed=seeds, past=extreme)
def test_sees_no_further_back_than_it_says(name: str, seed: int, past: float) -> None:
    """Changing the first reading, or not reading it, changes no window that reaches back to it, to the last bit."""
    values = usual(back(name) + 6, seed)
    changed = values.copy()
    changed[0] = past
    reached = back(name) - ROWS + 1  # windows that may look at the first reading
    expected = window_values(name, values)[reached:]
    assert not np.isnan(expected).all(axis=1).any()
    np.testing.assert_array_equal(window_values(name, changed)[reached:], expected)
    np.testing.assert_array_equal(window_values(name, values[1:], start=1)[reached - 1 :], expected)


@every_set
@few
@given(seed=seeds, size=extreme, place=st.integers(0, 30))
def test_no_infinity_on_extreme_input(name: str, seed: int, size: float, place: int) -> None:
    """Readings up to ±1e12 give no infinite feature, and no missing one where the set promises a value."""
    values = usual(back(name) + 6, seed)
    values[place % len(values)] = size
    computed = window_values(name, values)[back(name) - ROWS :]
    assert not np.isinf(computed).any()
    if build_set(name).always_has_value:
        assert not np.isnan(computed).any()


@every_set
@pytest.mark.parametrize("sensor", [0, 1])
def test_nan_in_a_window_gives_nan(name: str, sensor: int) -> None:
    """A missing value blanks its sensor's features in every window that holds it, and in none that looks past it."""
    reach = back(name)
    values = usual(2 * reach + 3 * ROWS)
    holed = values.copy()
    hole = reach + ROWS
    holed[hole, sensor] = np.nan
    touched = [place for place, sensors in enumerate(owners(name)) if list(PUMP.sensors)[sensor] in sensors]
    others = [place for place, sensors in enumerate(owners(name)) if list(PUMP.sensors)[sensor] not in sensors]
    whole, computed = window_values(name, values), window_values(name, holed)
    ends = np.arange(ROWS - 1, len(values))
    with_hole = (ends >= hole) & (ends < hole + ROWS)
    beyond = (ends < hole) | (ends >= hole + reach)
    assert np.isnan(computed[with_hole][:, touched]).all()
    np.testing.assert_array_equal(computed[beyond], whole[beyond])
    np.testing.assert_array_equal(computed[:, others], whole[:, others])


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
    pump_rows, other = readings("pump-01", usual(n)), readings("pump-02", usual(n, seed=1))
    alone = compute(plan_of(name), pump_rows)
    other["flow"] *= 1e6
    mixed = pd.concat([pump_rows, other]).sample(frac=1, random_state=3)
    computed = compute(plan_of(name), mixed)
    pd.testing.assert_frame_equal(computed[computed["asset_id"] == "pump-01"], alone)


@every_set
def test_a_gap_starts_afresh(name: str) -> None:
    """No window spans a gap, and readings before it change nothing after it."""
    before, after = back(name) + 2, back(name) + 3
    hours = np.concatenate([np.arange(before), np.arange(before + 4, before + 4 + after)])  # three would still do
    values = usual(before + after)
    rows = compute(plan_of(name), readings("pump-01", values, hours))
    lasted = rows["window_end"] - rows["window_start"]
    count = before - ROWS + 1
    assert len(rows) == count + (after - ROWS + 1)
    assert (lasted == pd.Timedelta(hours=ROWS - 1)).all()
    values[:before] = usual(before, seed=9)
    changed = compute(plan_of(name), readings("pump-01", values, hours))
    pd.testing.assert_frame_equal(changed.iloc[count:], rows.iloc[count:])
    if any(owners(name)):
        assert not changed.iloc[:count].equals(rows.iloc[:count])


@every_set
def test_reading_from_later_on_gives_the_same_rows(name: str) -> None:
    """Readings that start `needed_before` a window's end give the same feature row, to the last bit."""
    plan = plan_of(name)
    frame = readings("pump-01", usual(3 * back(name) + 5))
    whole = compute(plan, frame)
    begin = frame["timestamp"].iloc[2 * back(name) + 2]
    part = compute(plan, frame[frame["timestamp"] >= begin - plan.needed_before])
    late = whole[whole["window_end"] >= begin].reset_index(drop=True)
    computed = part[part["window_end"] >= begin].reset_index(drop=True)
    assert len(late)
    pd.testing.assert_frame_equal(computed, late)


def eventful(seed: int, n: int) -> Track:
    """Return readings of a pump with pauses, holes, spikes, repeated values and changes of its operating state."""
    rng = np.random.default_rng(seed)
    hours = np.cumsum(rng.choice([0.5, 1, 1.1, 2, 3, 9], n, p=[0.05, 0.75, 0.1, 0.05, 0.03, 0.02]))
    values = usual(n, seed)
    values[rng.random(values.shape) < 0.02] = np.nan
    values[rng.random(values.shape) < 0.01] = 1e12
    values[rng.random(values.shape) < 0.01] = np.inf
    values[n // 2 : n // 2 + 8] = values[n // 2]
    states = np.array(["normal", "high_load", "startup", "off"], dtype=object)
    micros = 1_767_225_600_000_000 + np.rint(hours * HOUR * 1e6).astype(np.int64)
    sensors = {name: values[:, place].copy() for place, name in enumerate(PUMP.sensors)}
    return Track(micros, sensors, states[np.cumsum(rng.random(n) < 0.04) % 4])


TOGETHER = {
    "those of a plant that names none": [{chosen.name: chosen.options} for chosen in FEATURES],
    "those of the pump station": ["latest", "rolling", "rates", "ratios"],
    "compiled ones and others": ["lags", {"long_rolling": {"over": ["5h"], "rows": [7], "same_regime": True}}, "twin"],
}

PIECES = {"one by one": (in_order, 1), "in pieces": (in_order, 9), "in disorder": (in_disorder, 9)}


@every_set
@pytest.mark.parametrize("pieces", PIECES)
@settings(few, max_examples=3)
@given(seed=seeds, restarts=st.booleans(), stores_first=st.booleans())
def test_live_rows_are_those_of_the_whole_history(
    name: str, pieces: str, seed: int, restarts: bool, stores_first: bool
) -> None:
    """In pieces of any size and order, corrected and repeated, windows end up as those of all readings at once."""
    track = eventful(seed, min(2 * back(name), 60) + 40)
    plan = plan_of(name)
    rng = np.random.default_rng(seed)
    cut, longest = PIECES[pieces]
    following = Following(plan, stores_first)
    for number, arrived in enumerate(cut(track, rng, longest)):
        following.deliver(arrived)
        if restarts and number % 7 == 3:
            following.restart()
        if pieces == "in disorder":
            assert following.windows == following.batch()
    assert following.windows == by_end(rows_of(plan, track))


@of_the_package
@pytest.mark.parametrize("together", TOGETHER)
@pytest.mark.parametrize("windows", [{"rows": ROWS}, {"length": "5h", "every": 2}], ids=["rows", "length"])
@settings(few, max_examples=3)
@given(seed=seeds, is_ordered=st.booleans())
def test_live_rows_of_several_sets_are_those_of_the_whole_history(
    together: str, windows: dict[str, Any], seed: int, is_ordered: bool
) -> None:
    """The features that plants have, with a memory that begins anew now and then, to the last bit."""
    described = {"asset_type": PUMP, "sets": TOGETHER[together], "windows": {"max_gap": "3h"} | windows}
    plan, track, rng = FeaturePlan.model_validate(described), eventful(seed, 160), np.random.default_rng(seed)
    following = Following(plan)
    for number, arrived in enumerate(in_order(track, rng, 2) if is_ordered else in_disorder(track, rng, 6)):
        following.deliver(arrived)
        if number % 20 == 19:
            following.restart()
    assert following.windows == by_end(rows_of(plan, track))


@pytest.mark.parametrize("seed", [37, 41, 52, 3641574])
def test_a_stored_reading_that_comes_again_beside_a_late_one_hides_no_window(seed: int) -> None:
    """The late reading takes an earlier window's place; the repeated one was there before, so that window is gone."""
    windows = {"max_gap": "3h", "length": "5h", "every": 2}
    plan = FeaturePlan.model_validate({"asset_type": PUMP, "sets": ["latest", "rolling"], "windows": windows})
    following, rng = Following(plan), np.random.default_rng(seed)
    for arrived in in_disorder(eventful(seed, 160), rng, 6):
        following.deliver(arrived)
        assert following.windows == following.batch()
