import numpy as np
import pytest

from wheeltapper.errors import DataError
from wheeltapper.evaluation.intervals import (
    mean_interval,
    median_interval,
    rate_interval,
    share_interval,
    total_interval,
)


def test_no_event_does_not_mean_never():
    """Nothing in one week: up to −ln(0.025) = 3.69 a week (Garwood's table)."""
    assert rate_interval(0, 1) == pytest.approx((0, 3.6889), abs=1e-4)


def test_ten_events_have_garwoods_interval():
    """Ten in five weeks: 4.795 to 18.390 events, a fifth of it a week."""
    assert rate_interval(10, 5) == pytest.approx((4.7954 / 5, 18.3904 / 5), abs=1e-4)


def test_wilson_interval_of_nine_in_ten():
    """Nine of ten is 59.6 % to 98.2 % (Wilson)."""
    assert share_interval(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)


def test_shares_stay_between_nothing_and_everything():
    """None of three and all of three stay inside 0 to 1, and are not certain."""
    none, every = share_interval(0, 3), share_interval(3, 3)
    assert none.low == 0 and none.high == pytest.approx(0.5615, abs=1e-4)
    assert every.high == pytest.approx(1) and every.low == pytest.approx(0.4385, abs=1e-4)


def test_nothing_tried_has_no_interval():
    """Without exposure or tries there is no figure; impossible counts are refused."""
    assert rate_interval(0, 0) is None
    assert share_interval(0, 0) is None
    with pytest.raises(DataError, match="between 0 and 2 hits, got 3"):
        share_interval(3, 2)
    with pytest.raises(DataError, match="must not be negative"):
        rate_interval(-1, 2)


def test_total_interval_holds_the_total_and_is_repeatable():
    """Ten faults of which half cost 10 and half 0, and four alarms of 1: the total of 54 lies inside."""
    faults, alarms = [10.0, 0.0] * 5, [1.0] * 4
    interval = total_interval(faults, alarms, seed=1)
    assert interval.low < 54 < interval.high
    assert interval == total_interval(faults, alarms, seed=1)
    assert interval != total_interval(faults, alarms, seed=2)


def test_alarms_may_come_more_or_less_often():
    """Equal faults cannot vary; a hundred equal alarms vary like a Poisson count of 100."""
    assert total_interval([7.0, 7.0], [], seed=1) == (14, 14)
    low, high = total_interval([], np.ones(100), seed=1, draws=4000)
    assert (low, high) == pytest.approx((81, 120), abs=2)


def test_resampled_median_and_mean_lie_within_the_values():
    """Ten values: the intervals hold the figure itself and are repeatable."""
    values = np.arange(10.0)
    low, high = median_interval(values, seed=3)
    assert 0 <= low < 4.5 < high <= 9
    assert median_interval(values, seed=3) == (low, high)
    low, high = mean_interval(values, seed=3)
    assert 4.5 - 3 < low < 4.5 < high < 4.5 + 3


def test_resampled_mean_agrees_with_theory():
    """Of a thousand values with deviation 1 the mean is known to ± 1.96 / √1000."""
    values = np.random.default_rng(0).normal(size=1000)
    low, high = mean_interval(values, seed=1)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(1000), rel=0.1)


def test_too_few_to_be_drawn_again():
    """Four values say nothing about others of their sort."""
    assert median_interval([1, 2, 3, 4], seed=1) is None
    assert mean_interval([], seed=1) is None
