"""Severities of normal and faulty windows, none of them left out."""

import numpy as np
import pytest

from tests.unit.reporting.conftest import faults_of, scores_of
from tests.unit.reporting.test_figures import texts
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.reporting.figures import severity

SCORES = scores_of("p", [0.1, 0.2, 3.0, 4.0, 1.5])


def test_windows_are_split_by_what_was_true():
    """Minutes 2 and 3 lie in the fault; 0, 1 and 4 are normal."""
    groups = severity.by_truth(SCORES, faults_of(("p", 2, 3, "wear")))
    assert {name: values.tolist() for name, values in groups.items()} == {
        "normal": [0.1, 0.2, 1.5],
        "in a fault": [3.0, 4.0],
    }


def test_without_faults_there_is_one_group():
    """Without known faults, normal and faulty windows cannot be separated."""
    assert list(severity.by_truth(SCORES, tables.FAULTS.empty())) == ["every window"]


def test_the_curve_is_not_cut_short():
    """From everything above nothing, at 0, to nothing above the highest value."""
    levels, share = severity.above(np.array([0.5, 2.0, 2.0, 8.0]))
    assert levels.tolist() == [0.0, 0.5, 2.0, 2.0, 8.0]
    assert share.tolist() == [1.0, 0.75, 0.25, 0.25, 0.0]
    levels, share = severity.above(np.arange(1, 100_001.0))
    assert len(levels) <= 401
    assert (share[0], levels[-1], share[-1]) == (1.0, 100_000.0, 0.0)
    assert (np.diff(share) <= 0).all()


def test_the_shares_at_the_threshold_are_said():
    """One of three normal windows and both faulty ones lie above it, and every window is in the histogram."""
    figure = severity.detector_evaluation_figure(severity.by_truth(SCORES, faults_of(("p", 2, 3, "wear"))))
    shown = " ".join(texts(figure)).replace("\u00a0", " ")
    assert "normal: 33 % above the threshold" in shown
    assert "in a fault: 100 % above the threshold" in shown
    assert [stairs.get_data().values.sum() for stairs in figure.axes[0].patches] == pytest.approx([1.0, 1.0])


def test_no_window_is_refused():
    """An empty histogram would look like a quiet plant."""
    with pytest.raises(DataError, match="at least one scored window"):
        severity.detector_evaluation_figure(severity.by_truth(tables.SCORES.empty(), tables.FAULTS.empty()))
