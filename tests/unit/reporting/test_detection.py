"""Which faults were found, and when: every fault is counted, the missed ones too."""

import math

import pytest

from tests.unit.reporting.conftest import faults_of, judgement, outcome
from tests.unit.reporting.test_figures import texts
from wheeltapper.errors import DataError
from wheeltapper.reporting.figures import detection

FAULTS = faults_of(("p", 0, 30, "wear"), ("p", 60, 80, "leak"), ("q", 0, 10, "wear"))
OUTCOMES = [outcome("p", "wear", 0, 12.0), outcome("q", "wear", 0, None), outcome("p", "leak", 60, 4.0)]


def test_a_fate_is_a_delay_beside_the_length_of_the_fault():
    """The quickest first: 4 of 20 minutes, 12 of 30; the missed one last."""
    fate = detection.fault_outcomes(OUTCOMES, FAULTS)
    assert fate["delay"].tolist()[:2] == [4.0, 12.0]
    assert math.isnan(fate["delay"][2])
    assert fate["lasted"].tolist() == [20.0, 30.0, 10.0]


def test_a_fault_that_is_not_in_the_table_any_more_has_no_length():
    """A person may have taken it back since it was judged."""
    assert detection.fault_outcomes(OUTCOMES, FAULTS.iloc[:0])["lasted"].isna().all()


def test_the_curve_ends_at_the_detection_rate():
    """Two of three: a third after 4 minutes, two thirds after 12."""
    minutes, share = detection.found_over_time(detection.fault_outcomes(OUTCOMES, FAULTS))
    assert minutes == [0.0, 4.0, 12.0]
    assert share == [0.0, 1 / 3, 2 / 3]


def test_each_fault_has_its_line():
    """Three bars as long as the faults, two dots at the delays, one cross."""
    left = detection.delay_figure(detection.fault_outcomes(OUTCOMES, FAULTS)).axes[0]
    assert [bar.get_width() for bar in left.containers[0]] == [20.0, 30.0, 10.0]
    found, missed = left.lines
    assert found.get_xdata().tolist() == [4.0, 12.0]
    assert missed.get_ydata().tolist() == [2]


def test_of_many_faults_the_quickest_and_the_missed_stay():
    """There are thirty lines for 100 faults, the first and the last among them; the curve contains all."""
    many = faults_of(*[("p", 10 * number, 10 * number + 5, "wear") for number in range(100)])
    outcomes = [outcome("p", "wear", 10 * number, number / 10 if number < 90 else None) for number in range(100)]
    left, right = detection.delay_figure(detection.fault_outcomes(outcomes, many)).axes
    assert len(left.containers[0]) == detection.MOST
    assert left.lines[0].get_xdata()[0] == 0.0
    assert len(left.lines[1].get_xdata()) > 0
    assert right.lines[0].get_ydata()[-1] == 0.9


def test_kinds_are_drawn_with_their_counts():
    """The kind that is found least comes first, all kinds together last."""
    kind = {"faults": 4, "detection_rate_low": 0.1, "detection_rate_high": 0.9}
    kinds = [{"kind": "wear", "found": 3, "detection_rate": 0.75} | kind]
    kinds += [{"kind": "seal_leak", "found": 1, "detection_rate": 0.25} | kind]
    axes = detection.kinds_figure(judgement("lof", by_kind=kinds, faults=8, found=4, detection_rate=0.5)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["seal leak", "wear", "all kinds"]
    assert {"1 of 4", "3 of 4", "4 of 8"} <= set(texts(axes.figure))
    assert list(axes.lines[0].get_xdata()) == [0.1, 0.9]


def test_no_fault_is_refused():
    """No known fault is no perfect record."""
    with pytest.raises(DataError, match="at least one known fault"):
        detection.kinds_figure(judgement("lof", by_kind=()))
    with pytest.raises(DataError, match="at least one fault"):
        detection.delay_figure(detection.fault_outcomes(OUTCOMES, FAULTS).iloc[:0])
