"""Regression features: tsfresh's values, by the triangle, by the pseudo-inverse and by tsfresh itself."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check, expected, parameters
from wheeltapper.features.kernels import regressions

NAMES = sorted(regressions.KERNELS)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows.

    No tolerance beside 1e-9 of the value: where it is rounding error of a true 0, the same operations made it.
    """
    check(regressions.KERNELS[name], name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("offset", [0.0, 20.0, 1013.0, 101325.0, 1e7])
def test_a_level_far_from_zero_costs_no_digits(name: str, offset: float) -> None:
    """A drift on top of 0 °C, 20 °C, 1013 hPa or 101325 Pa is fitted as tsfresh fits it, rounding errors included."""
    x = offset + np.random.default_rng(3).normal(size=(4, 60)).cumsum(axis=1)
    for window in (*x, *np.round(x, 1)):
        given = parameters(name)
        np.testing.assert_allclose(alone(regressions.KERNELS[name], window, given), expected(name, window, given), 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_slow_swing_far_from_zero_keeps_tsfreshs_rounding_errors(seed: int) -> None:
    """Past readings are so alike here that the triangle alone would be off by 1e-8; the pseudo-inverse is not."""
    x = 1000 + np.sin(0.05 * np.arange(60) + seed) + 1e-4 * np.random.default_rng(seed).normal(size=60)
    given = parameters("ar_coefficient")
    np.testing.assert_allclose(alone(regressions.ar_coefficient, x, given), expected("ar_coefficient", x, given), 1e-9)


def test_a_decay_by_half_has_the_coefficient_one_half() -> None:
    """In 1 + 16·0.5^t, each reading is 0.5 + 0.5 times the one before."""
    x = 1 + 16 * 0.5 ** np.arange(6)
    found = alone(regressions.ar_coefficient, x, [{"coeff": 0, "k": 1}, {"coeff": 1, "k": 1}, {"coeff": 2, "k": 1}])
    np.testing.assert_allclose(found, [0.5, 0.5, np.nan])


def test_too_few_readings_have_no_coefficients() -> None:
    """Two coefficients need three readings; with two, tsfresh says NaN, and 0 for the last one."""
    given = [{"coeff": 0, "k": 1}, {"coeff": 1, "k": 1}]
    assert np.isfinite(alone(regressions.ar_coefficient, np.array([1.0, 5.0, 2.0]), given)).all()
    np.testing.assert_array_equal(alone(regressions.ar_coefficient, np.array([1.0, 5.0]), given), [np.nan, 0.0])


def test_noise_returns_to_its_level_and_a_walk_does_not() -> None:
    """The Dickey-Fuller test is sure about white noise (p near 0), and not about its running sum."""
    noise = np.random.default_rng(0).normal(size=200)
    p = [{"attr": "pvalue"}]
    assert alone(regressions.augmented_dickey_fuller, noise, p)[0] < 0.001
    assert alone(regressions.augmented_dickey_fuller, noise.cumsum(), p)[0] > 0.1


def test_other_ways_to_choose_the_lags_are_tsfreshs() -> None:
    """``autolag`` "BIC" and "t-stat" go to tsfresh, next to columns that do not."""
    x = np.random.default_rng(1).normal(size=60)
    given = [{"attr": "teststat"}, {"attr": "usedlag", "autolag": "BIC"}, {"attr": "teststat", "autolag": "t-stat"}]
    np.testing.assert_allclose(
        alone(regressions.augmented_dickey_fuller, x, given), expected("augmented_dickey_fuller", x, given), 1e-9
    )


@pytest.mark.parametrize("seed", range(4))
def test_switches_steps_and_counters_get_the_lag_that_statsmodels_gives_them(seed: int) -> None:
    """Where past steps are zeros or alike, the last digit chooses the lag, and it is the same digit."""
    noise = np.random.default_rng(seed)
    n = int(noise.integers(20, 80))
    spike = (np.arange(n) == n // 2).astype(float)
    for x in (
        noise.integers(0, 2, n).astype(float),
        np.where(noise.random(n) < 0.05, noise.normal(size=n), 0.0),
        np.repeat(noise.normal(size=n), 9)[:n],
        0.1 * np.arange(n) + spike,
        np.where(np.arange(n) < 5, noise.normal(size=n), 7.7),
    ):
        given = parameters("augmented_dickey_fuller")
        np.testing.assert_allclose(
            alone(regressions.augmented_dickey_fuller, x, given), expected("augmented_dickey_fuller", x, given), 1e-9
        )


def test_ordinary_windows_are_solved_by_the_triangle_alone() -> None:
    """White noise needs neither pseudo-inverse nor tsfresh: those cost ten to a hundred times as much."""
    x = np.random.default_rng(5).normal(size=159)
    first = np.arange(100)
    last = first + 59
    for fit, most, width, columns in (
        (regressions._autoregressions, 10, 12, 11),
        (regressions._unit_roots, np.full(100, 11), 14, 3),
    ):
        todo = np.zeros(100, dtype=np.int64)
        fit(x, first, last, most, np.empty((width, 60)), np.empty((100, columns)), todo)
        assert np.count_nonzero(todo) <= 2


def test_the_p_value_has_no_gap_at_its_bend() -> None:
    """MacKinnon's two curves give nearly the same p where they meet, and 0 and 1 at the ends."""
    below, above = regressions._p_values(np.array([-1.61, -1.61 + 1e-9]))
    assert below == pytest.approx(above, abs=1e-3)
    np.testing.assert_array_equal(regressions._p_values(np.array([-30.0, 3.0, np.nan])), [0.0, 1.0, np.nan])
