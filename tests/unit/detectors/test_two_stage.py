"""The second is asked only where the first suspects something."""

import math

import numpy as np
import pandas as pd
import pytest

from wheeltapper.detectors import build
from wheeltapper.errors import ConfigError


def normal_rows(n_rows: int = 400, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n_rows, 2)), columns=["flow", "pressure"])


def test_a_row_that_nobody_suspects_gets_the_first_detector_s_score():
    """Below the bound of one in ten, the second adds nothing."""
    detector = build("two_stage", {"first": "ecod", "second": "k_sigma"}).fit(normal_rows())
    rows = normal_rows(50, seed=1) * 0.2
    first = detector._parts["first"].rarity(rows)
    assert first.max() < math.log(10)
    np.testing.assert_array_equal(detector.score(rows), first)


def test_a_suspected_row_gets_the_bound_and_the_second_detector_s_score():
    """Nine deviations away: ln 10 from the first, the rest from the second."""
    detector = build("two_stage", {"first": "ecod", "second": "k_sigma"}).fit(normal_rows())
    row = pd.DataFrame({"flow": [9.0], "pressure": [0.0]})
    expected = math.log(10) + detector._parts["second"].rarity(row)
    np.testing.assert_allclose(detector.score(row), expected)
    assert detector.contributions(row).iloc[0].idxmax() == "flow"


def test_the_second_is_asked_about_nothing_else(monkeypatch):
    """Of one suspected row among fifty, it sees one."""
    detector = build("two_stage", {"first": "k_sigma", "second": "ecod"}).fit(normal_rows())
    rows = normal_rows(50, seed=1) * 0.2
    rows.iloc[7] = 9.0
    second = detector._parts["second"].detector
    seen, score = [], second.score
    monkeypatch.setattr(second, "score", lambda some: seen.extend(some.index) or score(some))
    detector.score(rows)
    assert seen == [7]


def test_without_a_second_the_first_decides_alone_and_it_is_said(caplog):
    """The score is the first's, without a bound, and both the log and the notes say who is missing."""
    detector = build("two_stage", {"first": "ecod", "second": None}).fit(normal_rows())
    far = pd.DataFrame({"flow": [50.0], "pressure": [0.0]})
    np.testing.assert_array_equal(detector.score(far), detector._parts["first"].rarity(far))
    assert "no second stage: ecod alone decides" in detector.notes[0]
    assert detector.notes[0] in caplog.text
    assert build("two_stage").notes == ()


def test_a_part_that_is_no_detector_is_refused_by_the_option_s_name():
    """The near miss comes along."""
    with pytest.raises(ConfigError, match=r"option 'second'.*Did you mean 'ecod'"):
        build("two_stage", {"second": "ecood"})
