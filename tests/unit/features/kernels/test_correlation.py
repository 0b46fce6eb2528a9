"""Correlation features: tsfresh's values, window by window."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check, expected
from wheeltapper.features.kernels import correlation


@pytest.mark.parametrize("name", sorted(correlation.KERNELS))
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows.

    No tolerance beside 1e-9 of the value: even what is rounding error of a true 0 comes out of the same operations.
    """
    check(correlation.KERNELS[name], name)


def test_up_and_down_is_its_own_opposite_one_reading_later() -> None:
    """1, −1, 1, −1 resembles itself fully at lags 0 and 2, and is its opposite at lag 1; it has no lag 4 or 5."""
    x = np.array([1.0, -1.0, 1.0, -1.0])
    found = alone(correlation.autocorrelation, x, [{"lag": lag} for lag in (0, 1, 2, 4, 5)])
    np.testing.assert_allclose(found, [1.0, -1.0, 1.0, np.nan, np.nan])


def test_every_aggregate_of_numpy_works() -> None:
    """What is compiled (mean, var, std, median) and what is not (max, min) agrees with tsfresh, for any highest lag."""
    x = np.random.default_rng(2).normal(size=50)
    given = [{"f_agg": one, "maxlag": lag} for one in ("mean", "var", "std", "median", "max", "min") for lag in (5, 60)]
    np.testing.assert_allclose(
        alone(correlation.agg_autocorrelation, x, given), expected("agg_autocorrelation", x, given), 1e-9
    )


@pytest.mark.parametrize("size", [1.0, 1e150])
def test_long_windows_correlate_as_by_fourier_transform(size: float) -> None:
    """Above 1250 readings tsfresh takes a transform; the values are the same, and so is its overflow."""
    x = size * np.random.default_rng(4).normal(size=1300).cumsum()
    given = [{"f_agg": one, "maxlag": 40} for one in ("mean", "var", "median")]
    np.testing.assert_allclose(
        alone(correlation.agg_autocorrelation, x, given), expected("agg_autocorrelation", x, given), 1e-9
    )


def test_a_first_order_process_has_no_partial_correlation_beyond_one() -> None:
    """Where each reading is 0.8 times the one before plus noise, the one before that adds nothing."""
    noise = np.random.default_rng(6).normal(size=4000)
    x = np.zeros(4000)
    for place in range(1, 4000):
        x[place] = 0.8 * x[place - 1] + noise[place]
    found = alone(correlation.partial_autocorrelation, x, [{"lag": lag} for lag in (0, 1, 2, 3)])
    np.testing.assert_allclose(found, [1.0, 0.8, 0.0, 0.0], atol=0.04)


@pytest.mark.parametrize("rows", [17, 18, 19, 20, 21])
def test_lags_end_before_half_of_the_window(rows: int) -> None:
    """Partial autocorrelation stops at a lag below half of the readings: with 18 of them, at lag 8 and not 9."""
    x = np.random.default_rng(rows).normal(size=rows)
    given = [{"lag": lag} for lag in range(10)]
    found = alone(correlation.partial_autocorrelation, x, given)
    np.testing.assert_allclose(found, expected("partial_autocorrelation", x, given), 1e-9)
    assert np.isnan(found[9]) == (rows < 20)


def test_three_readings_by_hand() -> None:
    """In 1, 2, 3: the product is 6, forwards minus backwards is 3·3·2 − 2·1·1 = 16, two steps of 1 are √2 long."""
    x = np.array([1.0, 2.0, 3.0])
    assert alone(correlation.c3, x, [{"lag": 1}, {"lag": 2}]).tolist() == [6.0, 0.0]
    assert alone(correlation.time_reversal_asymmetry_statistic, x, [{"lag": 1}]).tolist() == [16.0]
    found = alone(correlation.cid_ce, x, [{"normalize": False}, {"normalize": True}])
    np.testing.assert_allclose(found, [np.sqrt(2), np.sqrt(2) / np.sqrt(2 / 3)])
