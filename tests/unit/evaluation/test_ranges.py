"""Range-based precision, recall and F1, against cases worked out by hand from the paper's definitions."""

from datetime import timedelta

import numpy as np
import pytest

from wheeltapper.evaluation.exposure import watched_rows
from wheeltapper.evaluation.ranges import Ranges, judge_ranges, rewards
from wheeltapper.tables import microseconds

MINUTE = timedelta(minutes=1)


def drawn(text):
    """Return a range for every run of one letter: ``AABB`` are two that touch."""
    places = [place for place, letter in enumerate(text) if letter != " "]
    begins = [place for place in places if place == 0 or text[place - 1] != text[place]]
    ends = [place for place in places if place == len(text) - 1 or text[place + 1] != text[place]]
    return Ranges(np.array(begins, dtype=np.int64), np.array(ends, dtype=np.int64))


def figures(line, **options):
    rows = watched_rows(line.scores, spacing=MINUTE, max_gap=3 * MINUTE)
    spans = line.faults.assign(start=microseconds(line.faults["start"]), end=microseconds(line.faults["end"]))
    return judge_ranges(rows, spans, seed=1, **options)


def test_a_range_covered_by_half_in_one_piece():
    """Four of eight windows: overlap 1/2, one piece; with existence 0.5 that is 0.5 + 0.5 · 1/2."""
    real, rung = drawn("  RRRRRRRR"), drawn("PPPPPP")
    assert rewards(real, rung, existence=0.0).tolist() == [0.5]
    assert rewards(real, rung, existence=0.5).tolist() == [0.75]


def test_pieces_cost_their_number():
    """The same four of eight windows in two pieces: cardinality 1/2 makes 1/4 of them."""
    assert rewards(drawn("RRRRRRRR"), drawn("PP PP"), existence=0.0).tolist() == [0.25]


def test_pieces_that_touch_are_still_pieces():
    """Two faults without a window between them: an alarm over both is covered wholly, by two, so half."""
    assert rewards(drawn("PPPP"), drawn("AABB"), existence=0.0).tolist() == [0.5]


def test_a_range_that_nothing_touches_earns_nothing():
    """Neither existence nor overlap, also where the neighbour ends one window before."""
    assert rewards(drawn("   RRR"), drawn("PPP"), existence=0.5).tolist() == [0.0]
    assert rewards(drawn("RRR"), drawn(""), existence=0.5).tolist() == [0.0]
    assert rewards(drawn(""), drawn("PPP"), existence=0.5).tolist() == []


@pytest.mark.parametrize(("bias", "share"), [("flat", 2 / 4), ("front", 7 / 10), ("back", 3 / 10), ("middle", 3 / 6)])
def test_bias_says_which_windows_weigh_more(bias, share):
    """The first two of four windows: front weights 4 + 3 of 10, back 1 + 2 of 10, middle 1 + 2 of 6."""
    assert rewards(drawn("RRRR"), drawn("PP"), existence=0.0, bias=bias) == pytest.approx([share])


def test_pooled_figures_by_hand(draw):
    """Fault of 4 covered by 2 in one piece, fault of 2 missed, one run of 2 right by half, one of 1 for nothing.

    Recall (0.5 + 0.5 · 2/4 + 0) / 2 = 3/8; precision (2/2 + 0) / 2 = 1/2; F1 = 2 · 3/8 · 1/2 / (7/8) = 3/7.
    """
    found = figures(draw("0099000090000", faults="  LLLL    BB"))
    assert (found.range_recall, found.range_precision) == pytest.approx((3 / 8, 1 / 2))
    assert found.range_f1 == pytest.approx(3 / 7)


def test_existence_is_not_asked_of_precision(draw):
    """A run of four with one window inside the fault is right by a quarter, not by more for touching it."""
    found = figures(draw("0999900000", faults="    LL"))
    assert found.range_precision == pytest.approx(1 / 4)
    assert found.range_recall == pytest.approx(0.5 + 0.5 / 2)


def test_faults_on_each_other_are_one_range(draw):
    """Two faults that share windows cover a run once; counted twice, precision would exceed what is there."""
    line = draw("0099990000", faults="  LLL") + draw("", faults="    BB")
    assert figures(line).range_precision == 1
    assert figures(line).range_recall == 1


def test_assets_are_judged_apart_and_pooled(draw):
    """A run on pump b says nothing about the fault of pump a; an asset without faults has no figure of its own."""
    line = draw("000000", faults="  LL", asset="a") + draw("009900", faults="  LL", asset="b") + draw("9000", asset="c")
    found = figures(line)
    assert found.range_f1_by_asset == {"a": 0, "b": 1}
    assert (found.range_recall, found.range_precision) == (1 / 2, 1 / 2)


def test_always_on_is_no_better_than_random(draw):
    """Every window anomalous: full recall, and the very same at random instants."""
    found = figures(draw("9" * 20, faults="  LLLLL"))
    assert (found.range_recall, found.range_precision) == (1, 5 / 20)
    assert (found.range_f1, found.range_f1_random) == pytest.approx((0.4, 0.4))


def test_a_right_run_beats_itself_at_random_instants(draw):
    """Five of a hundred windows: exactly on the fault F1 is 1, elsewhere nearly always 0."""
    found = figures(draw("0" * 40 + "9" * 5 + "0" * 55, faults=" " * 40 + "LLLLL"))
    assert found.range_f1 == 1
    assert 0 <= found.range_f1_random < 0.3


def test_nothing_rang_and_nothing_known(draw):
    """Silence has recall and F1 of 0 and no precision; without a watched fault there is no figure at all."""
    silent = figures(draw("000000", faults="  LL"))
    assert (silent.range_precision, silent.range_recall, silent.range_f1) == (None, 0, 0)
    assert set(figures(draw("009900")).model_dump().values()) == {None}
    assert set(figures(draw("000   000", faults="    L")).model_dump().values()) == {None}


def test_spans_that_share_a_window_become_one():
    """1–4 lies over 3–3 and shares 4 with 4–6; 8–7 holds no window."""
    first, last = np.array([3, 1, 4, 8]), np.array([3, 4, 6, 7])
    found = Ranges.of_spans(first, last)
    assert (found.first.tolist(), found.last.tolist()) == ([1], [6])


def test_same_input_same_figures(draw):
    """The random placements depend on the seed alone."""
    line = draw("0099000090000", faults="  LLLL    BB")
    assert figures(line) == figures(line)
    assert isinstance(figures(line).range_f1, float)
