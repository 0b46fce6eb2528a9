"""Entropy features: tsfresh's values, window by window."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from tests.unit.features.kernels.reference import alone, check, expected
from wheeltapper.features.kernels import entropies


@pytest.mark.parametrize("name", sorted(entropies.KERNELS))
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows.

    No tolerance beside 1e-9 of the value: a true 0 (one bin, one pattern) is 0 on both sides.
    """
    check(entropies.KERNELS[name], name)


def test_two_bins_by_hand() -> None:
    """1, 1, 2, 9 in two bins are three and one: −¾·log ¾ − ¼·log ¼."""
    found = alone(entropies.binned_entropy, np.array([1.0, 1.0, 2.0, 9.0]), [{"max_bins": 2}])
    np.testing.assert_allclose(found, [-0.75 * math.log(0.75) - 0.25 * math.log(0.25)])


def test_readings_too_close_for_bins_are_refused_as_by_tsfresh() -> None:
    """Between 20 and the next double there is no room for ten bins: numpy says so, in tsfresh as here."""
    with pytest.raises(ValueError, match="Too many bins"):
        alone(entropies.binned_entropy, np.array([20.0, np.nextafter(20.0, 21)]), [{"max_bins": 10}])


def test_words_by_hand() -> None:
    """0 1 0 1 0 1 has the words 0, 1, 01, and an 01 that is known already: three words in six readings."""
    x = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    assert alone(entropies.lempel_ziv_complexity, x, [{"bins": 2}]).tolist() == [0.5]


def test_bins_hold_what_numpys_hold() -> None:
    """Readings on the edges of the bins fall on the side on which numpy's histogram counts them."""
    bins = [{"max_bins": one} for one in (2, 3, 7, 10, 49)]
    for seed, scale in enumerate((0.1, 1 / 3, 0.7, 1e-3, 7e200)):
        x = (np.random.default_rng(seed).integers(-50, 51, size=200) - 0.3 * seed) * scale
        np.testing.assert_allclose(alone(entropies.binned_entropy, x, bins), expected("binned_entropy", x, bins), 1e-9)


def test_letters_lie_on_their_edges_as_in_numpy() -> None:
    """Readings on the edges of the bins, where one rounding error more makes another word, get tsfresh's letters."""
    bins = [{"bins": one} for one in (2, 3, 5, 7, 10, 49, 100)]
    for scale in (0.1, 1 / 3, 1e-300, 5e-324, 7e300):
        x = np.random.default_rng(8).integers(0, 21, size=80) * scale
        np.testing.assert_array_equal(
            alone(entropies.lempel_ziv_complexity, x, bins), expected("lempel_ziv_complexity", x, bins)
        )


def test_patterns_by_hand() -> None:
    """1, 2, 3, 1 rises (1, 2, 3), then turns (2, 3, 1): two patterns, each once."""
    x = np.array([1.0, 2.0, 3.0, 1.0])
    found = alone(entropies.permutation_entropy, x, [{"dimension": 3, "tau": 1}, {"dimension": 5, "tau": 1}])
    np.testing.assert_allclose(found, [math.log(2), np.nan])


def test_patterns_may_skip_readings() -> None:
    """With ``tau`` 2 or 3 every second or third pattern counts; patterns of 16 are too long here and go to tsfresh."""
    x = np.random.default_rng(9).integers(0, 9, size=70).astype(float)
    asked = [{"dimension": d, "tau": tau} for d in (2, 3, 4, 15, 16) for tau in (1, 2, 3)]
    np.testing.assert_allclose(
        alone(entropies.permutation_entropy, x, asked), expected("permutation_entropy", x, asked), 1e-9
    )


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(9.999999999999999e22)
@example(1e23)
@example(0.3)
@example(np.nextafter(0.3, 0))
@example(5e-324)
@example(1.7976931348623157e308)
@settings(derandomize=True, max_examples=500, deadline=None)
def test_leading_digits_are_those_of_the_written_number(number: float) -> None:
    """The digit found by comparison is the one that numpy writes first, for every double."""
    written = int(np.format_float_scientific(abs(number))[0])
    assert entropies._leading_digits(np.array([number])).tolist() == [written]


def test_benfords_law_fits_the_powers_of_two() -> None:
    """The leading digits of 2^0 … 2^99 follow the law; those of 1, 2, …, 9, each once, say nothing about it."""
    assert alone(entropies.benford_correlation, 2.0 ** np.arange(100), [{}])[0] > 0.99
    once = np.arange(1.0, 10.0)
    np.testing.assert_array_equal(
        alone(entropies.benford_correlation, once, [{}]), expected("benford_correlation", once, [{}])
    )
