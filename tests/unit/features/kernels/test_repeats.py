"""Features of readings that come back: tsfresh's values, window by window."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check, expected
from wheeltapper.features.kernels import repeats


@pytest.mark.parametrize("name", sorted(repeats.KERNELS))
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows."""
    check(repeats.KERNELS[name], name)


def test_repeated_readings_by_hand() -> None:
    """7 1 1 1 4 4: three values, two of them repeated (1 and 4) in five readings; 1 + 4 = 5, 3·1 + 2·4 = 11."""
    x = np.array([7.0, 1.0, 1.0, 1.0, 4.0, 4.0])
    found = [alone(repeats.KERNELS[name], x, [{}])[0] for name in repeats.NAMES]
    assert found == [1, 0, 1, 3 / 6, 2 / 3, 5 / 6, 5, 11]


def test_counts_by_hand() -> None:
    """Of −1 0 0 2: two are 0, three lie in [−1, 2), three are 0 or more, three 0 or less."""
    x = np.array([-1.0, 0.0, -0.0, 2.0])
    assert alone(repeats.value_count, x, [{"value": 0}, {"value": 9}, {"value": np.nan}]).tolist() == [2.0, 0.0, 0.0]
    assert alone(repeats.range_count, x, [{"min": -1, "max": 2}]).tolist() == [3.0]
    assert alone(repeats.count_above, x, [{"t": 0}, {"t": 2}]).tolist() == [0.75, 0.25]
    assert alone(repeats.count_below, x, [{"t": 0}, {"t": -1}]).tolist() == [0.75, 0.25]


def test_a_query_is_answered_by_tsfresh() -> None:
    """The pattern 0 1 0 occurs twice in 0 1 0 5 2 0 1 0; without a pattern there is no answer."""
    x = np.array([0.0, 1.0, 0.0, 5.0, 2.0, 0.0, 1.0, 0.0])
    asked = [{"query": None}, {"query": [0.0, 1.0, 0.0], "threshold": 1e-6, "normalize": False}]
    found = [alone(repeats.query_similarity_count, x, [one])[0] for one in asked[:1]]
    assert np.isnan(found[0])
    assert expected("query_similarity_count", x, asked[1:]).tolist() == [2.0]
    assert alone(repeats.query_similarity_count, x, asked[1:]).tolist() == [2.0]
