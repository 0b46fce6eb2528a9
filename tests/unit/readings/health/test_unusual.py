"""Flags of single values: told from the values before alone, and nothing is deleted."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from wheeltapper.errors import ConfigError
from wheeltapper.readings.health import unusual

KINDS = [unusual.iqr, unusual.hampel]


def steps(count: int) -> np.ndarray:
    """Return 1, 2, 3, 4, 5, 1, 2, …: median 3, quartiles 2 and 4, median deviation 1."""
    return np.resize([1.0, 2.0, 3.0, 4.0, 5.0], count)


def test_iqr_flags_a_value_beyond_the_fences() -> None:
    """Quartiles 2 and 4 put the fences at -1 and 7: 7 is usual, 7.1 is not. Reference row 003-04."""
    values = np.append(steps(60), [7.0])
    assert not unusual.iqr(values).any()
    values[-1] = 7.1
    assert np.flatnonzero(unusual.iqr(values)).tolist() == [60]


def test_hampel_flags_a_value_far_from_the_median() -> None:
    """Median 3 and median deviation 1 allow 3 ± 3 · 1.4826, up to 7.4478. Reference row 003-04."""
    values = np.append(steps(60), [7.44])
    assert not unusual.hampel(values).any()
    values[-1] = 7.45
    assert np.flatnonzero(unusual.hampel(values)).tolist() == [60]


def test_iqr_flags_look_at_no_label_and_delete_nothing() -> None:
    """The functions are given values and numbers, nothing else; the values are as they were, and as many.

    Reference row 003-04.
    """
    for flag in KINDS:
        assert "labels" not in inspect.signature(flag).parameters
        assert list(inspect.signature(flag).parameters)[:2] == ["values", "rows"]
        values = np.append(steps(60), [99.0])
        before = values.copy()
        assert len(flag(values)) == len(values)
        assert np.array_equal(values, before)


@pytest.mark.parametrize("flag", KINDS)
def test_flags_need_a_past(flag: object) -> None:
    """Of the first thirty values none is flagged, however wild; the thirty-first may be. Reference row 000-27."""
    values = steps(31)
    values[29] = 99.0
    assert not flag(values).any()  # type: ignore[operator]
    values[30] = 999.0
    assert np.flatnonzero(flag(values)).tolist() == [30]  # type: ignore[operator]


@pytest.mark.parametrize("flag", KINDS)
def test_missing_values_are_passed_over(flag: object) -> None:
    """A gap of missing values neither is flagged nor makes its neighbours forget their past. Reference row 000-27."""
    values = np.append(steps(60), [np.nan] * 80 + [99.0])
    assert np.flatnonzero(flag(values)).tolist() == [140]  # type: ignore[operator]


@pytest.mark.parametrize("flag", KINDS)
def test_equal_values_tell_no_range(flag: object) -> None:
    """Where all values before are equal there is nothing to measure a change by."""
    assert not flag(np.append(np.ones(100), [50.0])).any()  # type: ignore[operator]


@pytest.mark.parametrize("flag", KINDS)
def test_changing_the_future_changes_no_flag_of_the_past(flag: object) -> None:
    """The same flags come out of any beginning of a series. Reference row 003-04."""
    values = np.random.default_rng(3).standard_t(2, size=400)
    whole = flag(values)  # type: ignore[operator]
    assert whole.any()
    for until in (31, 100, 257, 399):
        assert np.array_equal(flag(values[:until]), whole[:until])  # type: ignore[operator]


def test_the_order_of_the_values_before_is_numpys() -> None:
    """Quartiles, median and median deviation are those that numpy finds in the sixty values before."""
    from wheeltapper.readings.health.trailing import trailing_order

    values = np.round(np.random.default_rng(4).normal(size=200), 1)  # rounded, so that values repeat
    found = trailing_order(values, 60, 30)
    for place in (30, 45, 60, 61, 150, 199):
        before = values[max(0, place - 60) : place]
        median = np.median(before)
        expected = [*np.quantile(before, [0.25, 0.5, 0.75]), np.median(np.abs(before - median))]
        assert found[:, place] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(found[:, :30]).all()


def test_too_short_a_past_is_refused() -> None:
    """Fewer than thirty values tell no range."""
    with pytest.raises(ConfigError, match="at least 30 values before them, got rows=10"):
        unusual.iqr(steps(60), rows=10)
