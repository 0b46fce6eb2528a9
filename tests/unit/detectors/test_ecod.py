"""Tails of a few values, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from wheeltapper.detectors import build
from wheeltapper.detectors._counting import counts_below
from wheeltapper.detectors._tails import mean_excess, rarity, spread_out


def test_rarity_counts_how_many_were_at_least_as_high():
    """Of 1 to 9, three are at least 7: (3 + 1) in (9 + 1); all are at least 0, which is no news."""
    ordered = np.arange(1.0, 10.0)[:, None]
    rare = rarity(np.array([[0.0], [1.0], [7.0], [9.0]]), ordered, np.ones(1))
    np.testing.assert_allclose(rare[:, 0], -np.log([1.0, 1.0, 0.4, 0.2]))


def test_beyond_the_largest_value_rarity_goes_on_rising_by_the_mean_excess():
    """Two mean excesses above the largest value are two nats more than the largest value itself."""
    ordered = np.arange(1.0, 10.0)[:, None]
    at, beyond = rarity(np.array([[9.0], [12.0]]), ordered, np.array([1.5]))[:, 0]
    assert beyond - at == pytest.approx(2.0)


def test_the_mean_excess_is_that_of_the_highest_twentieth():
    """Of 1 to 100 the highest five are 96 to 100: on average 3 above 95; a column that stands still has the least."""
    ordered = np.column_stack([np.arange(1.0, 101.0), np.full(100, 7.0)])
    np.testing.assert_allclose(mean_excess(ordered, 0.1), [3.0, 0.1])


def test_many_values_are_thinned_and_both_ends_kept():
    """Of 1001 values 11 are kept, from the smallest to the largest, evenly."""
    kept = spread_out(np.random.default_rng(0).permutation(np.arange(1001.0))[:, None], 11)
    assert kept[:, 0].tolist() == list(range(0, 1001, 100))


def test_the_score_is_the_sum_of_the_rarer_tails():
    """A row above all of training in both sensors gets twice ln(100 / 2), and half of it from each."""
    values = np.arange(1.0, 100.0)
    train = pd.DataFrame({"flow": values, "pressure": values})
    detector = build("ecod").fit(train)
    row = train.iloc[[-1]]
    assert detector.score(row)[0] == pytest.approx(2 * np.log(50))
    assert detector.contributions(row).iloc[0].to_dict() == pytest.approx({"flow": np.log(50), "pressure": np.log(50)})


def test_low_values_are_as_rare_as_high_ones():
    """Turning all rows round changes nothing."""
    rows = pd.DataFrame({"flow": np.random.default_rng(0).exponential(size=200)})
    turned = build("ecod").fit(-rows).score(-rows)
    np.testing.assert_allclose(build("ecod").fit(rows).score(rows), turned)


def test_a_sensor_that_never_moved_may_move_by_a_hair():
    """A thousandth of a usual deviation is a hundredth of a nat, not a sensation; ten deviations are a hundred nats."""
    detector = build("ecod").fit(pd.DataFrame({"flow": np.ones(50)}))
    np.testing.assert_allclose(
        detector.score(pd.DataFrame({"flow": [1.0, 1.001, 11.0]})), [0.0, 0.01, 100.0], atol=1e-9
    )


def test_counting_below_is_searchsorted_in_every_column():
    """Values between, at and outside of the known ones; ties count as not below."""
    random = np.random.default_rng(0)
    ordered = np.sort(random.integers(0, 20, (50, 3)).astype(float), axis=0)
    values = random.integers(-3, 24, (200, 3)) / 1.0
    expected = np.column_stack([np.searchsorted(ordered[:, j], values[:, j]) for j in range(3)])
    np.testing.assert_array_equal(counts_below(values, ordered), expected)
