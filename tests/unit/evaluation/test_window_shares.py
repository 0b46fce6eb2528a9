import pytest

from wheeltapper.evaluation.window_shares import window_shares


def test_windows_are_counted_as_shares():
    """Three right of five anomalous, three of four faulty found, eight of ten normal left alone; F1 is 6/9.

    Reference row 001-23.
    """
    found = window_shares(tp=3, fp=2, fn=1, tn=8)
    assert list(found.values()) == pytest.approx([3 / 5, 3 / 4, 6 / 9, 8 / 10])


def test_silence_has_no_precision():
    """Nothing was called anomalous: no share of it can be right; recall and F1 are nought, specificity full."""
    assert list(window_shares(tp=0, fp=0, fn=4, tn=10).values()) == [None, 0, 0, 1]


def test_false_alarms_are_counted_as_episodes_by_machine_and_state(draw):
    """Pump a rings twice for nothing, once each in two states, with five windows; pump b rings rightly.

    Reference row 001-25.
    """
    line = draw("0990099900000", faults="            L", asset="a") + draw("0000990000000", faults="    LL", asset="b")
    line.scores.loc[line.scores.index[:3], "regime"] = "high_load"
    one = line.judge()
    assert (one.false_alarms, one.confusion.fp) == (2, 5)
    assert one.false_alarms_by_asset == {"a": 2}
    assert one.false_alarms_by_regime == {"high_load": 1, "normal": 1}


def test_without_false_alarms_the_tallies_are_empty(draw):
    """Not absent: somebody counted, and found none."""
    one = draw("0000990000000", faults="    LL").judge()
    assert (one.false_alarms_by_asset, one.false_alarms_by_regime) == ({}, {})
