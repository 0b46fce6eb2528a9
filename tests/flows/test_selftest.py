"""How well a candidate tells a stepped window from a clean one, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks._selftest import Twins, _difference, _separation


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


def test_a_twin_is_put_together_from_what_differs() -> None:
    """One of three columns is kept, and all rows come back as they were."""
    clean = pd.DataFrame({"asset_id": ["a", "a"], "x": [1.0, np.nan], "y": [3.0, 4.0]})
    twin = clean.assign(x=[2.0, np.nan])
    difference = _difference(clean, twin)
    assert list(difference.columns) == ["x"]
    twins = Twins(clean, {"x": difference, "y": _difference(clean, clean)})
    pd.testing.assert_frame_equal(twins.moderate("x"), twin)
    pd.testing.assert_frame_equal(twins.moderate("y"), clean)
