"""Langevin features: tsfresh's values, without pandas' bins being made by pandas."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check, expected, parameters
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels import langevin

NAMES = sorted(langevin.KERNELS)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows.

    No tolerance beside 1e-9 of the value: even what is rounding error of a true 0 comes out of the same operations.
    """
    check(langevin.KERNELS[name], name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("offset", [0.0, 80.0, 101325.0])
@pytest.mark.parametrize("rows", [5, 31, 32, 60, 130])
def test_other_lengths_and_levels(name: str, offset: float, rows: int) -> None:
    """Bins are pandas' for few and many readings, near and far from zero, rounded or not, wandering or rising."""
    noise = offset + np.random.default_rng(rows).normal(size=rows)
    rising = offset + 0.37 * np.arange(rows)
    given = parameters(name) if rows > 40 else [{**one, "r": 4} for one in parameters(name)]
    for window in (noise, noise.cumsum(), np.round(noise, 2), rising, -rising):
        np.testing.assert_allclose(alone(langevin.KERNELS[name], window, given), expected(name, window, given), 1e-9)


def test_readings_are_pulled_to_their_level() -> None:
    """In 2 + 8·0.5^t every step is half of the way to 2: the drift is 1 − 0.5·x, and is zero at 2."""
    x = 2 + 8 * 0.5 ** np.arange(9.0)
    line = [{"coeff": 0, "m": 1, "r": 4}, {"coeff": 1, "m": 1, "r": 4}, {"coeff": 2, "m": 1, "r": 4}]
    np.testing.assert_allclose(alone(langevin.friedrich_coefficients, x, line), [-0.5, 1.0, np.nan])
    np.testing.assert_allclose(alone(langevin.max_langevin_fixed_point, x, [{"m": 1, "r": 4}]), [2.0])


@pytest.mark.parametrize("rows", [2, 31, 59, 129])
def test_edges_are_numpys_quantiles_to_the_last_bit(rows: int) -> None:
    """A reading that lies on an edge changes its bin with the edge's last bit, so edges agree to that bit."""
    x = np.random.default_rng(rows).normal(size=rows)
    quantiles = langevin._quantiles(30)
    edges = np.empty(31)
    langevin._quantile_edges(x, quantiles, np.empty(rows), edges)
    np.testing.assert_array_equal(edges, np.quantile(x, quantiles))


def test_equal_readings_cannot_be_binned() -> None:
    """A window in which most readings are alike has no bins of equal counts, so no drift."""
    x = np.where(np.arange(60) % 20 == 7, 1.5, 1.0)
    assert np.isnan(alone(langevin.friedrich_coefficients, x, parameters("friedrich_coefficients"))).all()


def test_polynomials_that_end_in_zero() -> None:
    """x² − 3x has the roots 0 and 3, 0·x² + 2x − 8 the root 4, and 0 none at all."""
    table = np.array([[1.0, -3.0, 0.0], [0.0, 2.0, -8.0], [0.0, 0.0, 0.0], [1.0, -3.0, 2.0]])
    np.testing.assert_allclose(langevin._highest_roots(table), [3.0, 4.0, np.nan, 2.0])


def test_a_coefficient_below_zero_is_refused() -> None:
    """Tsfresh takes it for a mistake, and so do we."""
    with pytest.raises(ConfigError, match="coeff -1"):
        alone(langevin.friedrich_coefficients, np.arange(9.0), [{"coeff": -1, "m": 3, "r": 4}])
