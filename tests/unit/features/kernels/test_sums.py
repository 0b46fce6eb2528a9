"""Sums in numpy's order: the last bit, too."""

import numpy as np

from wheeltapper.features.kernels._sums import total, variance

LENGTHS = (0, 1, 7, 8, 9, 60, 127, 128, 129, 131, 256, 257, 300, 1000, 4097)


def test_sums_are_those_of_numpy() -> None:
    """Few values one by one, up to 128 in eight partial sums, more in halves."""
    x = np.random.default_rng(0).normal(size=5000)
    for n in LENGTHS:
        assert total(x, 2, n) == np.sum(x[2 : 2 + n]), n


def test_variances_are_those_of_numpy() -> None:
    """A sensor that is stuck at a tenth has a variance of 0, or of rounding error: whichever numpy has."""
    x = np.random.default_rng(0).normal(size=5000)
    for n in LENGTHS[1:]:
        assert variance(x, 3, n, np.empty(n)) == np.var(x[3 : 3 + n]), n
        assert variance(np.full(n, 0.1), 0, n, np.empty(n)) == np.var(np.full(n, 0.1)), n
