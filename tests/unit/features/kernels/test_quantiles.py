"""Quantiles, corridors and shapes: tsfresh's values, window by window."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check, expected
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels import quantiles

NOISE = {"skewness": 1e-12, "kurtosis": 1e-12}
"""Both are unitless and about 1; of a symmetrical window tsfresh's skewness is 1e-16 where 0 is true, because pandas
adds up in as many partial sums as the processor has lanes."""


@pytest.mark.parametrize("name", sorted(quantiles.KERNELS))
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows."""
    check(quantiles.KERNELS[name], name, atol=NOISE.get(name, 0.0))


def test_shape_far_from_zero() -> None:
    """1e6 ± 1e-3 keeps its digits, and a sensor that is stuck anywhere has no shape."""
    far = 1e6 + 1e-3 * np.random.default_rng(5).normal(size=60)
    for name in ("skewness", "kurtosis"):
        kernel = quantiles.KERNELS[name]
        np.testing.assert_allclose(alone(kernel, far, [{}]), expected(name, far, [{}]), rtol=1e-9)
        assert np.isnan(alone(kernel, np.full(59, 1013.1), [{}]))


def test_a_quantile_lies_between_readings() -> None:
    """Of 10, 20, 30 the quarter lies half way from the first to the second."""
    given = [{"q": share} for share in (0, 0.25, 0.5, 0.9, 1)]
    found = alone(quantiles.quantile, np.array([30.0, 10.0, 20.0]), given)
    np.testing.assert_allclose(found, [10, 15, 20, 28, 30])


def test_changes_inside_a_corridor() -> None:
    """Of 0, 1, 3, 9, 2 the lower 80 % are all but 9: the changes between them are +1 and +2."""
    given = [
        {"ql": 0.0, "qh": 0.8, "isabs": isabs, "f_agg": kind} for isabs in (False, True) for kind in ("mean", "var")
    ]
    x = np.array([0.0, 1.0, 3.0, 9.0, 2.0])
    assert alone(quantiles.change_quantiles, x, given).tolist() == [1.5, 0.25, 1.5, 0.25]
    assert alone(quantiles.change_quantiles, -x[::-1], [{**given[0], "ql": 0.2, "qh": 1.0}]).tolist() == [1.5]


def test_what_is_no_corridor_counts_as_no_change() -> None:
    """What tsfresh gives is 0 for quantiles in the wrong order, and for those that there are not."""
    given = [
        {"ql": low, "qh": high, "isabs": True, "f_agg": "mean"}
        for low, high in ((0.8, 0.2), (0.5, 0.5), (-0.1, 0.5), (0.5, 1.1))
    ]
    check(quantiles.change_quantiles, "change_quantiles", given)


def test_shares_that_tell_apart() -> None:
    """Shares so near to the truth that only numpy's own digits fall on its side of them."""
    x = np.random.default_rng(2).normal(size=60)
    apart = abs(x.mean() - np.median(x)) / np.ptp(x)
    given = [{"r": share} for share in (np.nextafter(apart, 0), apart, np.nextafter(np.nextafter(apart, 1), 1))]
    check(quantiles.symmetry_looking, "symmetry_looking", given)
    check(quantiles.large_standard_deviation, "large_standard_deviation", [{"r": float(x.std() / np.ptp(x))}])


def test_readings_beyond_one_sigma() -> None:
    """Of 0, 0, 0, 4 the mean is 1 and the deviation √3: only the 4 is beyond."""
    found = alone(quantiles.ratio_beyond_r_sigma, np.array([0.0, 0.0, 0.0, 4.0]), [{"r": 1}, {"r": 0.5}, {"r": 2}])
    assert found.tolist() == [0.25, 1.0, 0.0]


def test_mean_of_the_largest() -> None:
    """Of 1, −5, 3 the two largest without sign are 5 and 3; three of three are too many."""
    given = [{"number_of_maxima": many} for many in (1, 2, 3)]
    found = alone(quantiles.mean_n_absolute_max, np.array([1.0, -5.0, 3.0]), given)
    np.testing.assert_array_equal(found, [5, 4, np.nan])


def test_variation_of_a_mean_of_zero() -> None:
    """−1 and 1 have a spread, but nothing to compare it with."""
    assert np.isnan(alone(quantiles.variation_coefficient, np.array([-1.0, 1.0]), [{}]))
    assert alone(quantiles.variation_coefficient, np.array([1.0, 3.0]), [{}]).tolist() == [0.5]


def test_wrong_parameters_are_refused() -> None:
    """What makes no sense is answered with what was asked."""
    with pytest.raises(ConfigError, match=r"from 0 to 1; got \[1\.5\]"):
        alone(quantiles.quantile, np.ones(4), [{"q": 1.5}])
    with pytest.raises(ConfigError, match="f_agg of change_quantiles must be mean or var here; got 'median'"):
        alone(quantiles.change_quantiles, np.ones(4), [{"ql": 0.0, "qh": 0.5, "isabs": True, "f_agg": "median"}])
    with pytest.raises(ConfigError, match=r"1 or more; got \[0\]"):
        alone(quantiles.mean_n_absolute_max, np.ones(4), [{"number_of_maxima": 0}])
