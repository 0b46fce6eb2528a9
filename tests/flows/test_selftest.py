"""How well a candidate tells a stepped window from a clean one, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tasks._selftest import _separation


@pytest.mark.parametrize(
    ("clean", "stepped", "chance"),
    [
        ([1.0, 2.0], [3.0, 4.0], 1.0),
        ([1.0, 2.0], [1.0, 2.0], 0.5),
        ([3.0, 4.0], [1.0, 2.0], 0.0),
        ([1.0, 1.0], [1.0, 1.0], 0.5),
        ([1.0, 2.0, 3.0, 4.0], [2.5], 0.5),
        ([1.0, 2.0, 3.0, 4.0], [3.5], 0.75),
    ],
)
def test_separation_is_the_chance_that_a_stepped_window_scores_higher(
    clean: list[float], stepped: list[float], chance: float
) -> None:
    """1 for a candidate that always hears the step, 0.5 for a deaf one (ties count half), 0 for an inverted one."""
    assert _separation(np.array(clean), np.array(stepped)) == chance
