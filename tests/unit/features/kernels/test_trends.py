"""Straight lines and shares: tsfresh's values, window by window."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels import trends

LINE = ("slope", "intercept", "rvalue", "stderr", "pvalue")


@pytest.mark.parametrize("name", sorted(trends.KERNELS))
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows.

    No tolerance beside 1e-9 of the value, not even for the standard error of a perfectly straight line.
    """
    check(trends.KERNELS[name], name)


def test_pieces_of_every_length() -> None:
    """One reading a piece, a last piece that is shorter, a piece as long as the window."""
    given = [
        {"attr": attr, "chunk_len": length, "f_agg": kind}
        for length in (1, 7, 59, 60)
        for attr in LINE
        for kind in ("mean", "var", "max", "min")
    ]
    check(trends.agg_linear_trend, "agg_linear_trend", given)


def test_a_straight_line() -> None:
    """1, 3, 5, 7 climbs by 2 from 1, and nothing of it is chance."""
    found = alone(trends.linear_trend, np.array([1.0, 3.0, 5.0, 7.0]), [{"attr": attr} for attr in LINE])
    np.testing.assert_allclose(found, [2, 1, 1, 0, 0], atol=1e-7)


def test_two_points() -> None:
    """Two points are always a line: its p-value is 0, or 1 where it is level."""
    given = [{"attr": "pvalue"}, {"attr": "stderr"}]
    assert alone(trends.linear_trend, np.array([1.0, 3.0]), given).tolist() == [0, 0]
    assert alone(trends.linear_trend, np.array([2.0, 2.0]), given).tolist() == [1, 0]


def test_the_line_through_maxima() -> None:
    """Pieces (0, 1), (0, 3), (0, 5): their maxima climb by 2, their minima not at all."""
    x = np.array([0.0, 1.0, 0.0, 3.0, 0.0, 5.0])
    given = [{"attr": "slope", "chunk_len": 2, "f_agg": kind} for kind in ("max", "min", "mean", "var")]
    # Variances are 0.25, 2.25, 6.25.
    np.testing.assert_allclose(alone(trends.agg_linear_trend, x, given), [2, 0, 1, 3])


def test_energy_of_segments() -> None:
    """Of 1, 1, 2, 0 in three segments the first holds two readings: 2 of 6."""
    given = [{"num_segments": 3, "segment_focus": place} for place in range(3)]
    found = alone(trends.energy_ratio_by_chunks, np.array([1.0, 1.0, 2.0, 0.0]), given)
    np.testing.assert_allclose(found, [2 / 6, 4 / 6, 0])


def test_where_half_the_mass_is_reached() -> None:
    """Of |−1|, 1, 2 half lies in the first two of three readings."""
    found = alone(trends.index_mass_quantile, np.array([-1.0, 1.0, 2.0]), [{"q": 0.5}, {"q": 2.0}])
    assert found.tolist() == [2 / 3, 1 / 3]  # What is never reached counts as reached at once: tsfresh has it so.


def test_wrong_parameters_are_refused() -> None:
    """What makes no sense is answered with what there is."""
    with pytest.raises(ConfigError, match=r"attr must be one of slope, .* got 'angle'"):
        alone(trends.linear_trend, np.ones(4), [{"attr": "angle"}])
    with pytest.raises(ConfigError, match="f_agg must be one of max, min, mean, var here; got 'median'"):
        alone(trends.agg_linear_trend, np.ones(4), [{"attr": "slope", "chunk_len": 2, "f_agg": "median"}])
    with pytest.raises(ConfigError, match="segment_focus must be less than num_segments"):
        alone(trends.energy_ratio_by_chunks, np.ones(4), [{"num_segments": 3, "segment_focus": 3}])
