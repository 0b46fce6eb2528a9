"""The memory of one asset: what it returns for new, late and repeated readings, and what it holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wheeltapper.config import AssetType
from wheeltapper.errors import DataError
from wheeltapper.features.columns import Feature
from wheeltapper.features.compute import rows_of
from wheeltapper.features.conditioning import Track
from wheeltapper.features.memory import Arrivals, AssetMemory, Changed, needed_since
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.recipe import Recipe
from wheeltapper.features.sets import Stretch
from wheeltapper.features.sets.rolling import Rolling

MINUTE = 60_000_000
PUMP = {"name": "pump", "step": "1min", "sensors": {"flow": {"unit": "m³/h", "low": 0, "high": 250}}}


def plan_of(**more: Any) -> FeaturePlan:
    """Return a plan whose windows have three readings, unless something else is said."""
    described = {"asset_type": PUMP, "sets": ["latest", "rolling"], "windows": {"rows": 3, "max_gap": "3min"}}
    return FeaturePlan.model_validate(described | more)


def track(*minutes: float, flow: float | None = None) -> Track:
    """Return readings at these minutes; by default the flow is the minute."""
    values = np.array(minutes, dtype=np.float64) if flow is None else np.full(len(minutes), flow)
    micros = np.rint(np.array(minutes) * MINUTE).astype(np.int64)
    return Track(micros, {"flow": values}, np.full(len(minutes), "normal", dtype=object))


def ends(changed: Changed) -> list[float]:
    """Return when the windows end, in minutes."""
    return (changed.rows.ends / MINUTE).tolist()


def test_a_new_reading_completes_one_window() -> None:
    """The third reading makes the first window, and each one after it one more; earlier ones are not returned again."""
    memory = AssetMemory(plan_of())
    assert memory.newest is None
    assert memory.needed_since is None
    found = [memory.add(track(minute)) for minute in range(5)]
    assert [ends(changed) for changed in found] == [[], [], [2], [3], [4]]
    assert found[-1].rows.values[0].tolist() == [4, 3, pytest.approx((2 / 3) ** 0.5)]
    assert all(changed.is_in_order and not len(changed.gone) for changed in found)
    assert memory.newest == 4 * MINUTE


def test_a_late_reading_changes_the_windows_that_hold_it() -> None:
    """Windows before and after those that hold it are not returned; two that could not end before, do now."""
    memory = AssetMemory(plan_of(), track(0, 1, 2, 4, 5, 6, 7))
    changed = memory.add(track(3), lambda start, end: track())
    assert ends(changed) == [3, 4, 5]
    assert not changed.is_in_order
    assert memory.newest == 7 * MINUTE
    assert ends(memory.add(track(8))) == [8]


def test_a_repeated_reading_changes_nothing() -> None:
    """Delivered again as they were, readings change no window, and are still in order."""
    memory = AssetMemory(plan_of())
    memory.add(track(*range(8)))
    changed = memory.add(track(4, 5))
    assert ends(changed) == []
    assert changed.is_in_order


def test_of_several_readings_of_an_instant_the_last_counts() -> None:
    """Within a delivery, and across deliveries."""
    memory = AssetMemory(plan_of())
    two = Arrivals(
        np.array([2, 1, 2, 0]) * MINUTE, {"flow": np.array([7.0, 1, 8, 0])}, np.array(["normal"] * 4, object)
    )
    assert memory.add(two).rows.values[0, 0] == 8
    corrected = memory.add(track(2, flow=9))
    assert corrected.rows.values[0, 0] == 9
    assert not corrected.is_in_order


def test_a_window_whose_end_moves_is_gone() -> None:
    """With a window every four minutes, the first reading of a cell ends it; an earlier one takes its place."""
    plan = plan_of(windows={"rows": 3, "every": 4, "max_gap": "3min"})
    memory = AssetMemory(plan)
    assert ends(memory.add(track(1, 2, 3, 5, 6, 7))) == [5]
    changed = memory.add(track(4))
    assert ends(changed) == [4]
    assert (changed.gone / MINUTE).tolist() == [5]


def test_on_a_grid_a_window_waits_for_its_cell_to_be_over() -> None:
    """The cell up to minute 4 is over with the reading at minute 5; a late one changes it."""
    plan = plan_of(conditioning={"resample": "2min"}, windows={"rows": 2, "max_gap": "6min"})
    memory = AssetMemory(plan)
    assert ends(memory.add(track(0.5, 1.5, 2.5, 3.5))) == []
    assert ends(memory.add(track(5))) == [4]
    changed = memory.add(track(3, flow=9))
    assert ends(changed) == [4]
    assert changed.rows.values[0, 0] == 5  # (2.5 + 9 + 3.5) / 3


def test_readings_before_those_held_are_asked_for() -> None:
    """A week later, the stored readings about a late one are asked for, and no others."""
    plan, stored = plan_of(), track(*range(0, 10), *range(10_000, 10_010))
    memory = AssetMemory(plan, track(*range(10_000, 10_010)))
    asked: list[tuple[int, int]] = []

    def earlier(start: int, end: int) -> Track:
        asked.append((start, end))
        places = (stored.micros >= start) & (stored.micros < end)
        return Track(stored.micros[places], {"flow": stored.sensors["flow"][places]}, stored.regimes[places])

    changed = memory.add(track(4, flow=40), earlier)
    assert ends(changed) == [4, 5, 6]
    assert changed.rows.values[0].tolist() == [40, pytest.approx(15), pytest.approx(np.std([2, 3, 40]))]
    reach = 6 * MINUTE  # two pauses of the longest gap
    assert asked == [(4 * MINUTE - reach, 4 * MINUTE + reach + 1)]
    assert ends(memory.add(track(10_010))) == [10_010]


def test_without_stored_readings_a_late_one_is_refused_and_named() -> None:
    """The message says which reading is late and what to give; nothing is taken in."""
    memory = AssetMemory(plan_of(), track(*range(10_000, 10_010)))
    expected = (
        r"1970-01-01T00:04:00\+00:00 is late, .* need the readings from 1969-12-31T23:58:00\+00:00 on; .*`earlier`"
    )
    with pytest.raises(DataError, match=expected):
        memory.add(track(4, 10_010))
    assert ends(memory.add(track(10_010))) == [10_010]


def test_a_missing_sensor_is_named() -> None:
    """The first reading says that a sensor of the plan is not there."""
    memory = AssetMemory(plan_of())
    with pytest.raises(DataError, match="needs sensor 'flow'; the readings have \\['heat'\\]"):
        memory.add(Track(np.array([0]), {"heat": np.zeros(1)}, np.array(["normal"], object)))


def test_what_it_needs_at_the_start_is_enough() -> None:
    """Begun with the stored readings from `needed_since` the newest on, it goes on as if it had seen all."""
    plan = plan_of(sets=["latest", {"long_rolling": {"over": [], "rows": [30]}}])
    whole = rows_of(plan, track(*range(200)))
    begin = needed_since(plan, 150 * MINUTE) // MINUTE
    assert begin > 0
    memory = AssetMemory(plan, track(*range(begin, 151)))
    assert memory.needed_since == begin * MINUTE
    for minute in range(151, 200):
        np.testing.assert_array_equal(
            memory.add(track(minute)).rows.values, whole.values[whole.ends == minute * MINUTE]
        )


def test_it_forgets_what_no_reading_can_need() -> None:
    """However many readings come, a late one within the reach of windows is answered, and one far before is refused."""
    memory = AssetMemory(plan_of())
    for minute in range(500):
        memory.add(track(minute))
    assert ends(memory.add(track(495, flow=7))) == [495, 496, 497]
    with pytest.raises(DataError, match="is late"):
        memory.add(track(100, flow=7))


class RollingAndRange(Rolling):
    """A set as a user may write it: on top of a compiled one, with a column more."""

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the range of each sensor, and what rolling has."""
        ranges = tuple(Feature(f"{sensor}__range", (sensor,), "statistic") for sensor in asset_type.sensors)
        return (*ranges, *super().columns(asset_type))

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, np.ndarray]:
        """Return both."""
        values = stretch.sensors["flow"]
        windows = [values[first : last + 1] for first, last in zip(stretch.first, stretch.last, strict=True)]
        return super().compute(stretch, asset_type) | {"flow__range": np.array([np.ptp(each) for each in windows])}


def test_a_set_that_adds_to_a_compiled_one_is_asked() -> None:
    """What it computes itself counts, and what it inherits stays in its columns."""
    machine = plan_of().asset_type
    recipe = Recipe.of([RollingAndRange()], machine, ["flow__rolling_mean", "flow__range"])
    stretch = Stretch(np.arange(3.0), {"flow": np.array([1.0, 2, 6])}, np.array([0]), np.array([2]))
    assert not recipe.compiled
    ((_, columns),) = recipe.uncompiled
    computed = RollingAndRange().compute(stretch, machine)
    assert [computed[name].tolist() for name in columns] == [[5], [3]]


def test_readings_that_are_forgotten_are_not_missed() -> None:
    """Over many more readings than are held, every window is the one of the whole history."""
    plan = plan_of(sets=["latest", "rolling", "rates", "restlessness", {"long_rolling": {"rows": [9], "whole": False}}])
    whole = eventful(400)
    memory = AssetMemory(plan)
    rows = [memory.add(at(whole, place)).rows.values for place in range(400)]
    np.testing.assert_array_equal(np.concatenate(rows), rows_of(plan, whole).values)


@pytest.mark.parametrize(
    "windows",
    [
        {"rows": 4},
        {"rows": 2, "every": 3},
        {"length": "5min"},
        {"length": "90s", "every": 2},
        {"length": "4min", "max_gap": "1min"},
    ],
)
def test_windows_are_cut_as_for_the_whole_history(windows: dict[str, Any]) -> None:
    """Readings on full minutes with pauses, holes and changes of state, one by one: all that belongs to a window."""
    plan, whole = plan_of(windows={"max_gap": "3min"} | windows), eventful(120)
    memory, expected = AssetMemory(plan), rows_of(plan, whole)
    found = [memory.add(at(whole, place)).rows for place in range(120)]
    for name in ("ends", "starts", "regimes", "why_not", "values"):
        rows = np.concatenate([getattr(part, name) for part in found])
        np.testing.assert_array_equal(rows, getattr(expected, name), err_msg=name)
    assert len(set(expected.why_not)) > 3


def eventful(n: int) -> Track:
    """Return readings on full minutes with pauses, holes, and normal, idle and other states."""
    number = np.arange(n)
    minutes = number + 2 * (number // 17) + 9 * (number // 41)
    flow = np.where(number % 23 == 5, np.nan, (number * 37) % 11)
    states = np.array(["normal", "off", "high_load", "normal", "maintenance"], dtype=object)
    return Track(minutes * MINUTE, {"flow": flow}, states[number // 7 % 5])


def at(readings: Track, place: int) -> Track:
    """Return one of the readings."""
    part = slice(place, place + 1)
    return Track(readings.micros[part], {"flow": readings.sensors["flow"][part]}, readings.regimes[part])
