"""Windows: never across a gap, never ambiguous, the same wherever the reading began."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from wheeltapper.config import Windows
from wheeltapper.features import windows

MINUTE = timedelta(minutes=1)


def at_minutes(*minutes: float) -> np.ndarray:
    """Return times since the epoch in microseconds."""
    return (np.array(minutes) * 60e6).astype(np.int64)


def test_a_longer_pause_cuts_and_an_equal_one_does_not() -> None:
    """With a longest gap of three minutes, three are fine and three and a bit are not."""
    micros = at_minutes(0, 1, 4, 7.001, 8)
    assert windows.cut_stretches(micros, 3 * MINUTE) == [slice(0, 3), slice(3, 5)]


def test_no_readings_are_no_stretch() -> None:
    """Nothing comes out of nothing."""
    nothing = at_minutes()
    assert windows.cut_stretches(nothing, MINUTE) == []
    assert [len(places) for places in windows.cut_windows(nothing, slice(0, 0), Windows(rows=3, every=2), MINUTE)] == [
        0,
        0,
    ]


def cut(micros: np.ndarray, part: slice | None = None, **how: Any) -> tuple[list[int], list[int]]:
    """Return the first and last places of the windows of one stretch."""
    first, last = windows.cut_windows(micros, part or slice(0, len(micros)), Windows(**how), MINUTE)
    return first.tolist(), last.tolist()


def test_only_full_windows_end() -> None:
    """Five readings give three windows of three, two readings none; places are counted within the stretch."""
    micros = at_minutes(0, 1, 2, 3, 4, 20, 21)
    assert cut(micros, slice(0, 5), rows=3) == ([0, 1, 2], [2, 3, 4])
    assert cut(micros, slice(5, 7), rows=3) == ([], [])


def test_a_window_that_lasts_holds_the_readings_of_its_time() -> None:
    """Readings at 0, 1, 1.5, 4, 5 and 6 minutes, windows of three minutes: (t − 3, t], full from minute 2 on."""
    found = cut(at_minutes(0, 1, 1.5, 4, 5, 6), length="3min")
    assert found == ([2, 3, 3], [3, 4, 5])


def test_a_window_that_lasts_has_two_readings() -> None:
    """At minute 10 nothing else was measured for three minutes: there is nothing to compare, so no window."""
    assert cut(at_minutes(0, 1, 2, 10), length="3min") == ([0], [2])


def test_on_a_steady_clock_lasting_and_counting_agree() -> None:
    """Three minutes are three readings, one a minute."""
    micros = at_minutes(*range(9))
    assert cut(micros, length="3min") == cut(micros, rows=3)


def test_rows_and_length_are_two_ways_to_say_one_thing() -> None:
    """Whoever names both is asked which one counts."""
    with pytest.raises(ValueError, match="name rows or length, not both; got 7 rows and 1h"):
        Windows(rows=7, length="1h")


def test_every_second_reading_ends_a_window() -> None:
    """One window in two, on even minutes since the epoch."""
    micros = at_minutes(*range(1, 9))
    ends = cut(micros, rows=2, every=2)[1]
    assert (micros[ends] // 60_000_000).tolist() == [2, 4, 6, 8]


@pytest.mark.parametrize("begin", range(8))
def test_the_grid_does_not_move_with_the_beginning(begin: int) -> None:
    """Reading from a later reading on gives the same windows, apart from those that are no longer full."""
    clock = np.cumsum(np.random.default_rng(1).uniform(0.7, 1.3, size=40))
    whole, part = at_minutes(*clock), at_minutes(*clock[begin:])
    expected = [end for end in cut(whole, rows=4, every=5)[1] if end >= begin + 3]
    found = [end + begin for end in cut(part, rows=4, every=5)[1]]
    assert found == expected
    assert len(expected) > 4


def test_a_trembling_clock_keeps_the_grid() -> None:
    """Readings a tenth of a second around the full minute still end a window every fifth reading."""
    tremble = np.random.default_rng(2).uniform(-0.0017, 0.0017, size=60)
    micros = at_minutes(*(np.arange(60) + tremble + 10))
    ends = cut(micros, rows=2, every=5)[1]
    assert np.diff(ends).tolist() == [5] * (len(ends) - 1)


def test_any_in_window() -> None:
    """A flag is seen by the window that it ends and the two after it."""
    flags = np.array([False, False, True, False, False, False])
    last = np.arange(6)
    assert windows.any_in_window(flags, last - 2, last).tolist() == [False, False, True, True, True, False]


def test_a_changing_regime_is_a_transition() -> None:
    """Only windows that hold both regimes are in transition; the first one wholly inside the new one is not."""
    regimes = np.array(["startup", "startup", "normal", "normal", "normal"], dtype=object)
    assert windows.window_regimes(regimes, np.arange(3), np.arange(2, 5)).tolist() == [
        "transition",
        "transition",
        "normal",
    ]


def test_reasons_name_sensor_and_regime() -> None:
    """A missing value and an idle reading are named in every window that holds them, and only there."""
    nan = np.nan
    sensors = {"flow": np.array([1.0, nan, 1, 1, 1]), "pressure": np.array([1.0, 1, 1, 1, 1])}
    regimes = np.array(["normal", "normal", "off", "normal", "normal"], dtype=object)
    reasons = windows.why_not(sensors, regimes, np.arange(4), np.arange(1, 5))
    assert reasons.tolist() == ["missing flow", "missing flow; regime off", "regime off", ""]


def test_many_missing_sensors_are_counted() -> None:
    """A dead logger does not write forty names into every row."""
    sensors = {f"s{number}": np.array([1.0, np.nan]) for number in range(5)}
    regimes = np.array(["normal", "normal"], dtype=object)
    assert windows.why_not(sensors, regimes, np.array([0]), np.array([1])).tolist() == ["missing s0, s1, s2 and 2 more"]
