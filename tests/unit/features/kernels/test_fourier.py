"""Fourier features: tsfresh's values, window by window."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check, expected, parameters
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels import fourier


@pytest.mark.parametrize("name", sorted(fourier.KERNELS))
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows.

    No tolerance beside 1e-9 of the value: even what is rounding error of a true 0 comes out of the same operations.
    """
    check(fourier.KERNELS[name], name)


def test_a_wave_that_fits_twice_is_found_at_coefficient_two() -> None:
    """+1, −1, +1, −1 is two periods in four readings: all four readings pull the same way."""
    wave = np.array([1.0, -1.0, 1.0, -1.0])
    parameters = [{"coeff": place, "attr": "abs"} for place in (0, 1, 2, 3)]
    np.testing.assert_array_equal(alone(fourier.fft_coefficient, wave, parameters), [0, 0, 4, np.nan])


def test_four_parts_of_one_coefficient() -> None:
    """0, 1 transforms to 1 and −1; −1 points to 180°."""
    parameters = [{"coeff": 1, "attr": attr} for attr in ("real", "imag", "abs", "angle")]
    np.testing.assert_array_equal(alone(fourier.fft_coefficient, np.array([0.0, 1.0]), parameters), [-1, 0, 1, 180])


def test_a_level_line_has_no_centroid_but_zero() -> None:
    """A stuck sensor swings at frequency 0 alone: centroid and variance 0, and no shape to speak of."""
    parameters = [{"aggtype": kind} for kind in ("centroid", "variance", "skew", "kurtosis")]
    found = alone(fourier.fft_aggregated, np.full(8, 2.0), parameters)
    np.testing.assert_array_equal(found, [0, 0, np.nan, np.nan])


def test_pure_tones() -> None:
    """The variance of a tone is what rounding leaves of a difference: the digits are tsfresh's all the same."""
    given = parameters("fft_aggregated")
    for rows in (44, 60, 120, 300):
        for period in range(2, 15):
            tone = np.sin(np.arange(rows) * 2 * np.pi / period)
            found = alone(fourier.fft_aggregated, tone, given)
            np.testing.assert_allclose(found, expected("fft_aggregated", tone, given), rtol=1e-9)


def test_power_that_is_missing_is_moved_to_the_end() -> None:
    """In a window of five readings only coeff 2 exists; tsfresh gives it first, whatever was asked for first."""
    given = [{"coeff": 8}, {"coeff": 2}]
    check(fourier.spkt_welch_density, "spkt_welch_density", given)
    found = alone(fourier.spkt_welch_density, np.array([0.0, 1.0, 0.0, -1.0, 0.5]), given)
    assert found[0] > 0
    assert np.isnan(found[1])


def test_a_longer_window_is_cut_into_segments() -> None:
    """Three segments of 256 readings overlap by half; a fourth that is not whole is left out."""
    x = np.random.default_rng(3).normal(size=600)
    parameters = [{"coeff": 2}, {"coeff": 128}]
    found = alone(fourier.spkt_welch_density, x, parameters)
    assert found.tolist() == alone(fourier.spkt_welch_density, x[:512], parameters).tolist()
    assert found.tolist() != alone(fourier.spkt_welch_density, x[:511], parameters).tolist()


def test_an_unknown_part_is_refused() -> None:
    """A typo is answered with what there is."""
    with pytest.raises(ConfigError, match="attr must be one of real, imag, abs, angle; got 'absolute'"):
        alone(fourier.fft_coefficient, np.ones(4), [{"coeff": 1, "attr": "absolute"}])
    with pytest.raises(ConfigError, match="aggtype must be one of centroid"):
        alone(fourier.fft_aggregated, np.ones(4), [{"aggtype": "mean"}])


def test_a_negative_coefficient_is_refused() -> None:
    """Counting it from the end, as numpy would, helps nobody."""
    with pytest.raises(ConfigError, match="0 or more; got -1"):
        alone(fourier.fft_coefficient, np.ones(4), [{"coeff": -1, "attr": "abs"}])
