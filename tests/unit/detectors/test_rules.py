"""Rules that a person could read out."""

import numpy as np
import pandas as pd
import pytest

from wheeltapper.detectors import build
from wheeltapper.errors import ConfigError, DataError


def usual(**values: float) -> pd.DataFrame:
    """Twenty rows that hardly move."""
    return pd.DataFrame({name: np.linspace(value - 1, value + 1, 21) for name, value in values.items()})


WEATHER = {"temperature": 25.0, "humidity": 40.0, "sound": 55.0}


def test_a_broken_rule_counts_its_weight_and_how_far_it_is_broken():
    """At 65 °C, with 25 usual and 45 the limit, the rule is broken by as much as it had room: 0.4 × (1 + 1)."""
    detector = build("rules", {"preset": "reference_004"}).fit(usual(**WEATHER))
    rows = pd.DataFrame(
        {"temperature": [25.0, 65.0, 45.0], "humidity": [40.0, 40.0, 60.0], "sound": [55.0, 55.0, 39.25]}
    )
    np.testing.assert_allclose(detector.score(rows), [0.0, 0.8, 0.3 * 1.05])
    assert detector.contributions(rows).iloc[1].to_dict() == pytest.approx(
        {"temperature": 0.8, "humidity": 0.0, "sound": 0.0}
    )


def test_any_broken_rule_is_an_alarm_and_a_kept_one_is_none():
    """The threshold is the smallest weight; a value at its limit keeps the rule, a hair beyond breaks it."""
    detector = build("rules", {"preset": "reference_004"}).fit(usual(**WEATHER))
    assert detector.own_threshold == 0.3
    at, beyond = (pd.DataFrame([WEATHER | {"sound": value}]) for value in (70.0, 70.001))
    assert detector.score(at)[0] == 0
    assert detector.score(beyond)[0] > detector.own_threshold


def test_without_rules_the_range_of_training_stands_in():
    """From 9 to 11: 13 is beyond by twice the room. The threshold comes from the alarm budget."""
    detector = build("rules").fit(usual(flow=10.0))
    assert detector.own_threshold is None
    np.testing.assert_allclose(detector.score(pd.DataFrame({"flow": [9.0, 11.0, 13.0]})), [0.0, 0.0, 3.0])


def test_a_feature_can_have_a_rule_too():
    """How fast the flow changes is limited on one side only, with weight 1."""
    detector = build("rules", {"rules": [{"sensor": "flow__rate", "above": 4.0}]}).fit(usual(flow=10.0, flow__rate=0.0))
    rows = pd.DataFrame({"flow": [99.0, 99.0], "flow__rate": [-50.0, 6.0]})
    np.testing.assert_allclose(detector.score(rows), [0.0, 1.5])


def test_a_rule_about_a_sensor_that_is_not_there_is_refused_with_the_near_miss():
    """A typo must not be a rule that nothing breaks."""
    detector = build("rules", {"rules": [{"sensor": "temperatur", "above": 4.0}]})
    with pytest.raises(DataError, match="Did you mean 'temperature'"):
        detector.fit(usual(**WEATHER))


@pytest.mark.parametrize(
    "rule",
    [
        {"sensor": "flow"},
        {"above": 1.0},
        {"sensor": "flow", "above": "high"},
        {"sensor": "flow", "above": 1.0, "weight": 0},
        {"sensor": "flow", "above": 1.0, "below": 2.0},
        {"sensor": "flow", "over": 1.0},
    ],
)
def test_a_rule_that_says_nothing_is_refused(rule):
    """The message shows the rule."""
    with pytest.raises(ConfigError, match=r"option 'rules'.*flow|option 'rules'.*above"):
        build("rules", {"rules": [rule]})
