"""Long looks back: by time and by count, causal, exact, and empty where readings do not go back so far."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.features import compute as computing
from wheeltapper.features.plan import FeaturePlan, build_set
from wheeltapper.features.sets import Stretch
from wheeltapper.features.sets.rolling import window_extremes, window_moments

TANK = AssetType.model_validate({"name": "tank", "step": "1h", "sensors": {"level": {"unit": "m"}}})


def compute(
    options: dict[str, Any], level: Any, hours: Any = None, rows: int = 2, regimes: Any = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Return what long_rolling computes of windows of two readings, an hour apart if nothing else is said."""
    values = np.array(level, dtype=float)
    seconds = 3600.0 * np.array(range(len(values)) if hours is None else hours, dtype=float)
    last = np.arange(rows - 1, len(values))
    states = None if regimes is None else np.array(regimes, dtype=object)
    stretch = Stretch(seconds, {"level": values}, last - rows + 1, last, states)
    return build_set("long_rolling", options).compute(stretch, TANK)


def test_three_hours_by_hand() -> None:
    """The three hours up to the reading 9 hold 2, 4 and 9: mean 5, and 2 and 9 at the ends. Reference row 000-15."""
    found = compute({"over": ["3h"]}, [1, 2, 4, 9])
    np.testing.assert_allclose(found["level__mean_3h"], [np.nan, 7 / 3, 5])
    np.testing.assert_allclose(found["level__std_3h"][-1], np.sqrt((9 + 1 + 16) / 3))
    np.testing.assert_array_equal(found["level__min_3h"], [np.nan, 1, 2])
    np.testing.assert_array_equal(found["level__max_3h"], [np.nan, 4, 9])


def test_hours_are_hours() -> None:
    """Two hours of readings twenty minutes apart are six readings, whatever the usual step is. Reference row 000-15."""
    found = compute({"over": ["2h"], "what": ["min"]}, range(12), hours=np.arange(12) / 3)
    assert found["level__min_2h"][-1] == 6


def test_the_usual_looks_back() -> None:
    """Six, twelve and twenty-four hours of mean, spread, lowest and highest: twelve columns a sensor.

    Reference row 000-15.
    """
    usual = build_set("long_rolling")
    names = [f"level__{what}_{span}" for span in ("6h", "12h", "1d") for what in ("mean", "std", "min", "max")]
    assert usual.names(TANK) == tuple(names)
    assert usual.reach(TANK).time == pd.Timedelta("24h")


def test_the_future_changes_nothing() -> None:
    """Another reading at 20 o'clock leaves all looks back that end before it as they were, to the last bit.

    Reference row 000-15.
    """
    level = np.random.default_rng(1).normal(size=30)
    changed = level.copy()
    changed[20] = 1e9
    before, after = (compute({"over": ["6h"], "rows": [4]}, one) for one in (level, changed))
    for name, values in before.items():
        np.testing.assert_array_equal(after[name][:19], values[:19])
    assert before["level__max_6h"][19] != after["level__max_6h"][19]


def test_a_spike_is_forgotten() -> None:
    """Once 1e12 lies more than six hours back, the spread of a constant is exactly 0 again."""
    level = [0.1] * 5 + [1e12] + [0.1] * 14
    found = compute({"over": ["6h"]}, level)
    assert found["level__std_6h"][10:].tolist() == [0] * 9
    assert found["level__mean_6h"][10:].tolist() == [0.1] * 9
    assert found["level__max_6h"][9:11].tolist() == [1e12, 0.1]


@pytest.mark.parametrize("mixed", [True, False])
def test_agrees_with_numpy(mixed: bool) -> None:
    """Windows of any lengths give what NumPy says of each by itself."""
    rng = np.random.default_rng(3)
    values, last = rng.normal(5, 2, size=200), np.arange(70, 200)
    first = last - (rng.integers(0, 70, size=130) if mixed else 37)
    each = [values[begin : end + 1] for begin, end in zip(first, last, strict=True)]
    mean, std = window_moments(values, first, last)
    lowest, highest = window_extremes(values, first, last)
    np.testing.assert_allclose(mean, [one.mean() for one in each], rtol=1e-13)
    np.testing.assert_allclose(std, [one.std() for one in each], rtol=1e-11, atol=1e-15)
    assert lowest.tolist() == [one.min() for one in each]
    assert highest.tolist() == [one.max() for one in each]


@pytest.mark.parametrize("rows", [1, 2, 7, 64, 93])
def test_extremes_are_those_of_numpy(rows: int) -> None:
    """The lowest and the highest of any number of readings, to the last bit."""
    level = np.random.default_rng(3).normal(5, 2, size=200)
    found = compute({"over": [], "rows": [rows], "what": ["min", "max"]}, level)
    each = [level[end + 1 - rows : end + 1] for end in range(max(rows - 1, 1), 200)]
    assert found[f"level__min_{rows}_rows"][-len(each) :].tolist() == [one.min() for one in each]
    assert found[f"level__max_{rows}_rows"][-len(each) :].tolist() == [one.max() for one in each]


def test_a_value_does_not_depend_on_company() -> None:
    """A window alone, among windows of its own length and among others has the same mean, to the last bit."""
    values = np.random.default_rng(4).normal(size=100)
    first, last = np.array([40, 0, 3]), np.array([76, 99, 39])
    together = window_moments(values, first, last)
    for place in range(3):
        alone = window_moments(values[first[place] :], np.array([0]), last[[place]] - first[place])
        assert [one[0] for one in alone] == [one[place] for one in together]


def test_some_readings_may_be_missing_before_the_window() -> None:
    """One of four is missing: its hours are the mean of the other three; with present 0.8 there is none."""
    level = [1, np.nan, 3, 8]
    assert compute({"over": ["4h"], "what": ["mean"]}, level)["level__mean_4h"][-1] == 4
    assert np.isnan(compute({"over": ["4h"], "what": ["mean"], "present": 0.8}, level)["level__mean_4h"][-1])
    assert np.isnan(compute({"over": ["4h"], "what": ["mean"]}, [1, 3, 8, np.nan])["level__mean_4h"][-1])


def test_after_a_gap_a_window_says_that_it_cannot_look_back() -> None:
    """Readings that begin afresh after a pause give no six hours: the window may not be used, and says why."""
    frame = pd.DataFrame(
        {
            "asset_id": "a",
            "timestamp": pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta([*range(8), *range(50, 58)], unit="h"),
            "regime": "normal",
            "level": 1.0,
        }
    )
    plan = FeaturePlan.model_validate(
        {"asset_type": TANK, "sets": [{"long_rolling": {"over": ["6h"]}}], "windows": {"rows": 2}}
    )
    rows = computing.compute(plan, frame)
    assert rows["why_not"].tolist() == 2 * (4 * ["no value for level__mean_6h"] + 3 * [""])


@pytest.mark.parametrize(
    ("options", "words"),
    [({"over": ["0s"]}, "longer than nothing"), ({"rows": [0]}, "at least 1 reading"), ({"what": []}, "at least 1")],
)
def test_what_is_no_look_back(options: dict[str, Any], words: str) -> None:
    """Nothing is neither a time nor a count to look back over."""
    with pytest.raises(ConfigError, match=words):
        build_set("long_rolling", options)


STATES = ["normal", "normal", "high_load", "high_load", "normal"]


def test_a_state_is_averaged_alone() -> None:
    """Readings 1, 3 are normal running, 20, 22 high load: the mean of the last three knows only its own state."""
    options = {"over": [], "rows": [3], "what": ["mean"], "whole": False, "same_regime": True}
    found = compute(options, [1, 3, 20, 22, 5], regimes=STATES)["level__mean_3_rows"]
    np.testing.assert_allclose(found, [2, 20, 21, 5])


def test_states_are_mixed_unless_asked_for() -> None:
    """Without the option, or where nobody names states, a mean takes in whatever was measured."""
    mixed = {"over": [], "rows": [3], "what": ["mean"], "whole": False}
    expected = [2, 8, 15, 47 / 3]
    np.testing.assert_allclose(compute(mixed, [1, 3, 20, 22, 5], regimes=STATES)["level__mean_3_rows"], expected)
    alone = compute(mixed | {"same_regime": True}, [1, 3, 20, 22, 5])["level__mean_3_rows"]
    np.testing.assert_allclose(alone, expected)


def test_a_missing_reading_of_the_state_counts_as_missing() -> None:
    """Two of four readings in the state are there: half, and enough; where three of five must be, there is no mean."""
    options = {"over": [], "rows": [5], "what": ["mean"], "whole": False, "same_regime": True}
    level = [np.nan, np.nan, 20, 4, 6]
    states = ["normal", "normal", "off", "normal", "normal"]
    assert compute(options, level, regimes=states)["level__mean_5_rows"][-1] == 5
    assert np.isnan(compute(options | {"present": 0.6}, level, regimes=states)["level__mean_5_rows"][-1])
