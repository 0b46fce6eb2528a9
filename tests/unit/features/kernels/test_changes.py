"""Features of steps: tsfresh's values, window by window."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check
from wheeltapper.features.kernels import changes


@pytest.mark.parametrize("name", sorted(changes.KERNELS))
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows."""
    check(changes.KERNELS[name], name)


def test_steps_by_hand() -> None:
    """1 4 2 0: −1/3 a step, 3 + 2 + 2 = 7 altogether, (0 − 2 − 4 + 1)/(2·2) = −5/4, 1 + 16 + 4 = 21."""
    x = np.array([1.0, 4.0, 2.0, 0.0])
    assert [alone(changes.KERNELS[name], x, [{}])[0] for name in changes.NAMES] == [-1 / 3, 7 / 3, 7, -1.25, 21]
