"""The tail: alarms counted level by level, and what lies beyond the data."""

from __future__ import annotations

import numpy as np
import pytest

from wheeltapper.config import Alarms
from wheeltapper.scoring.alarms import Stretches
from wheeltapper.scoring.tail import ANCHOR, Tail, count_alarms

RULE = Alarms(open_after=2, close_after=3)


def peaks(heights: np.ndarray) -> tuple[np.ndarray, np.ndarray, Stretches]:
    """Return one stretch of calm with a peak of two windows for each height, ten windows apart."""
    score = np.zeros(10 * len(heights) + 10)
    for place, height in enumerate(heights):
        score[10 * place + 5 : 10 * place + 7] = height
    stretch = Stretches(np.zeros(len(score), dtype=np.int64), np.ones(len(score), dtype=bool))
    return score, np.ones(len(score)), stretch


def test_alarms_are_counted_level_by_level() -> None:
    """A hundred peaks of 2, 3, … 101: as many alarms at each level as there are peaks above it."""
    score, limit, stretch = peaks(np.random.default_rng(1).permutation(np.arange(2.0, 102.0)))
    tail = count_alarms(score, limit, stretch, RULE)
    assert tail is not None
    for count in (80, 60, 40, 25):
        assert 102 - count - 2 <= tail.level(count) <= 102 - count + 2
        assert tail.count(tail.level(count)) == pytest.approx(count)


def test_a_single_window_is_no_alarm() -> None:
    """Peaks of one window each, where two in a row open an alarm: nothing to count."""
    score, limit, stretch = peaks(np.zeros(50))
    score[5::10] = 9.0
    assert count_alarms(score, limit, stretch, RULE) is None


def test_the_tail_goes_on_beyond_the_data() -> None:
    """Two thousand exponential peaks: ten times fewer alarms lie ln 10 = 2.3 scales higher, at any rarity."""
    uniform = (np.arange(2000) + 0.5) / 2000
    score, limit, stretch = peaks(1.5 - np.log(1 - np.random.default_rng(2).permutation(uniform)))
    tail = count_alarms(score, limit, stretch, RULE)
    assert tail is not None
    assert ANCHOR <= tail.counts[-1] < 1.5 * ANCHOR
    for count in (2.0, 0.2):
        assert tail.level(count) == pytest.approx(1.5 + np.log(2000 / count), rel=0.1)
        assert tail.count(tail.level(count)) == pytest.approx(count, rel=1e-6)


def test_what_is_extrapolated_is_doubted_more() -> None:
    """A rate that was counted on 100 alarms, on 20, and one that lies ten and a hundred times beyond."""
    tail = Tail((1.0, 2.0, 3.0), (400.0, 100.0, 20.0), 0.0, 1.0, 60)
    doubts = [tail.log_error(count) for count in (100, 20, 2, 0.2)]
    assert doubts[:2] == pytest.approx([0.1, 1 / np.sqrt(20)])
    assert doubts == sorted(doubts)
    assert doubts[3] > 3 * doubts[1]


def test_a_level_and_its_count_belong_together() -> None:
    """Between the knots the logarithm of the count is a straight line; no level lies below the lowest knot."""
    tail = Tail((1.0, 2.0, 3.0), (400.0, 100.0, 20.0), 0.0, 1.0, 60)
    assert tail.level(200) == pytest.approx(1.5)
    assert tail.level(1e6) == 1.0
    assert tail.level(20 / np.e) == pytest.approx(4.0)
    assert tail.count(4.0) == pytest.approx(20 / np.e)
    assert tail.count(0.5) == pytest.approx(400)


def test_no_level_asks_for_less_than_one_spread() -> None:
    """Peaks of 0.9 spreads stay unheard in a regime whose level is 3, however low the level is set."""
    score, limit, stretch = peaks(np.full(50, 0.9))
    assert count_alarms(score, 3 * limit, stretch, RULE) is None
