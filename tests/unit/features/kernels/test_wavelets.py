"""Wavelet features: tsfresh's values, window by window."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check, expected, parameters
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels import wavelets


@pytest.mark.parametrize("name", sorted(wavelets.KERNELS))
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows.

    No tolerance beside 1e-9 of the value: even what is rounding error of a true 0 comes out of the same operations.
    """
    check(wavelets.KERNELS[name], name)


def test_other_scales_and_places() -> None:
    """Scales that are no whole numbers, and places far into the window."""
    widths = (1.5, 3, 40)
    given = [{"widths": widths, "w": width, "coeff": place} for width in widths for place in (0, 20, 59)]
    check(wavelets.cwt_coefficients, "cwt_coefficients", given)


@pytest.mark.parametrize("rows", [5, 9, 11, 12, 33, 60, 81, 82])
def test_a_window_far_from_zero(rows: int) -> None:
    """1e6 ± 1e-3: what remains of the sums is their last digits, and they are tsfresh's to the last bit."""
    given = parameters("cwt_coefficients")
    far = 1e6 + 1e-3 * np.random.default_rng(rows).normal(size=rows)
    found = alone(wavelets.cwt_coefficients, far, given)
    np.testing.assert_array_equal(found, expected("cwt_coefficients", far, given))


def test_many_widths() -> None:
    """A ridge may be lost for one row and found again, and must reach a quarter of the rows."""
    check(wavelets.number_cwt_peaks, "number_cwt_peaks", [{"n": 3}, {"n": 12}])


def test_a_bump_is_seen_where_it_is() -> None:
    """A single 1 answers most strongly at its own place, or the next: PyWavelets' wavelet has no middle point."""
    bump = np.zeros(21)
    bump[10] = 1.0
    given = [{"widths": (2,), "w": 2, "coeff": place} for place in range(21)]
    assert alone(wavelets.cwt_coefficients, bump, given).argmax() in (10, 11)


def test_three_bumps_are_three_peaks() -> None:
    """Three bumps on a level line, far from one another."""
    bumps = np.zeros(60)
    for place in (10, 30, 48):
        bumps[place - 1 : place + 2] = 1, 2, 1
    assert alone(wavelets.number_cwt_peaks, bumps, [{"n": 5}]).tolist() == [3]


def test_wrong_parameters_are_refused() -> None:
    """What makes no sense is answered with what was asked."""
    with pytest.raises(ConfigError, match=r"w to be one of widths.*'w': 3"):
        alone(wavelets.cwt_coefficients, np.ones(4), [{"widths": (2, 5), "w": 3, "coeff": 0}])
    with pytest.raises(ConfigError, match=r"0\.01 is too narrow"):
        alone(wavelets.cwt_coefficients, np.ones(4), [{"widths": (0.01,), "w": 0.01, "coeff": 0}])
    with pytest.raises(ConfigError, match=r"1 or more; got \[0\]"):
        alone(wavelets.number_cwt_peaks, np.ones(4), [{"n": 0}])
