"""The control room's rule, by hand."""

import numpy as np
import pandas as pd

from wheeltapper.detectors.limits import Limits


def rows(*pairs: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["temperature", "pressure"], dtype="float64")


NORMAL = rows(*[(20 + at % 5, 5.0 + at % 3) for at in range(15)])
"""Temperature 20 to 24, usually 22; pressure 5 to 7, usually 6."""


def test_a_given_limit_is_the_threshold_exactly():
    """At the limit the score is 1, halfway 0.5, at the usual value 0; an unlimited side never counts."""
    rule = Limits(high={"temperature": 42.0}).fit(NORMAL)
    assert rule.own_threshold == 1.0
    np.testing.assert_allclose(rule.score(rows((42, 6), (32, 6), (22, 6), (62, 6), (22, 99))), [1, 0.5, 0, 2, 0])


def test_both_sides_count():
    """The nearer limit decides."""
    rule = Limits(low={"pressure": 4.0}, high={"pressure": 7.0}).fit(NORMAL)
    np.testing.assert_allclose(rule.score(rows((22, 4), (22, 5), (22, 6.5))), [1, 0.5, 0.5])


def test_without_limits_the_range_of_training_stands_in():
    """Nothing seen in training is beyond 1, anything outside its range is, and the threshold is left to the budget."""
    rule = Limits().fit(NORMAL)
    assert rule.own_threshold is None
    assert rule.score(NORMAL).max() == 1
    assert (rule.score(rows((24.5, 6), (22, 4.5))) > 1).all()


def test_a_machine_that_runs_beyond_its_limit_still_scores():
    """With the usual value above the limit every step up counts, and nothing is divided by zero."""
    rule = Limits(high={"temperature": 10.0}).fit(NORMAL)
    assert np.isfinite(rule.score(NORMAL)).all()
    assert rule.score(rows((30, 6)))[0] > 1


def test_the_sensor_beyond_its_limit_takes_all_the_blame():
    """The whole score belongs to the worst sensor."""
    rule = Limits(high={"temperature": 42.0, "pressure": 8.0}).fit(NORMAL)
    blame = rule.contributions(rows((62, 6)))
    assert blame.iloc[0].to_dict() == {"temperature": 2.0, "pressure": 0.0}
