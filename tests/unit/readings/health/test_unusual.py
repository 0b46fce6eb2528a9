"""Flags of single values: computed from the values before alone, and nothing is deleted."""

from __future__ import annotations

import numpy as np
import pytest

from wheeltapper.readings.health import unusual

KINDS = ["iqr", "hampel"]


def flags(kind: str, values: np.ndarray) -> np.ndarray:
    """Return which values are unusual."""
    return unusual.outside(values, *unusual.bounds(values, [kind])[kind])


def steps(count: int) -> np.ndarray:
    """Return 1, 2, 3, 4, 5, 1, 2, …: median 3, quartiles 2 and 4, median deviation 1."""
    return np.resize([1.0, 2.0, 3.0, 4.0, 5.0], count)


def test_iqr_flags_a_value_beyond_the_fences() -> None:
    """Quartiles 2 and 4 put the fences at -1 and 7: 7 is usual, 7.1 is not. Reference row 003-04."""
    values = np.append(steps(60), [7.0])
    assert not flags("iqr", values).any()
    values[-1] = 7.1
    assert np.flatnonzero(flags("iqr", values)).tolist() == [60]


def test_hampel_flags_a_value_far_from_the_median() -> None:
    """Median 3 and median deviation 1 allow 3 ± 3 · 1.4826, up to 7.4478. Reference row 003-04."""
    values = np.append(steps(60), [7.44])
    assert not flags("hampel", values).any()
    values[-1] = 7.45
    assert np.flatnonzero(flags("hampel", values)).tolist() == [60]


@pytest.mark.parametrize("kind", KINDS)
def test_values_stay_as_they_are(kind: str) -> None:
    """There is a flag for each value, and no value is changed. Reference row 003-04."""
    values = np.append(steps(60), [99.0])
    before = values.copy()
    assert len(flags(kind, values)) == len(values)
    assert np.array_equal(values, before)


@pytest.mark.parametrize("kind", KINDS)
def test_flags_need_a_past(kind: str) -> None:
    """Of the first thirty values none is flagged, however wild; the thirty-first may be. Reference row 000-27."""
    values = steps(31)
    values[29] = 99.0
    assert not flags(kind, values).any()
    values[30] = 999.0
    assert np.flatnonzero(flags(kind, values)).tolist() == [30]


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values_are_passed_over(kind: str) -> None:
    """A gap of missing values neither is flagged nor makes its neighbours forget their past. Reference row 000-27."""
    values = np.append(steps(60), [np.nan] * 80 + [99.0])
    assert np.flatnonzero(flags(kind, values)).tolist() == [140]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_values_tell_no_range(kind: str) -> None:
    """Where all values before are equal there is nothing to measure a change by."""
    assert not flags(kind, np.append(np.ones(100), [50.0])).any()


@pytest.mark.parametrize("kind", KINDS)
def test_changing_the_future_changes_no_flag_of_the_past(kind: str) -> None:
    """The same flags come out of any beginning of a series. Reference row 003-04."""
    values = np.random.default_rng(3).standard_t(2, size=400)
    whole = flags(kind, values)
    assert whole.any()
    for until in (31, 100, 257, 399):
        assert np.array_equal(flags(kind, values[:until]), whole[:until])


def test_the_order_of_the_values_before_is_numpys() -> None:
    """Quartiles, median and median deviation are those that numpy computes from the sixty values before."""
    from wheeltapper.readings.health.trailing import trailing_order

    values = np.round(np.random.default_rng(4).normal(size=200), 1)  # rounded, so that values repeat
    order = trailing_order(values, 60, 30)
    for place in (30, 45, 60, 61, 150, 199):
        before = values[max(0, place - 60) : place]
        median = np.median(before)
        expected = [*np.quantile(before, [0.25, 0.5, 0.75]), np.median(np.abs(before - median))]
        assert order[:, place] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(order[:, :30]).all()
