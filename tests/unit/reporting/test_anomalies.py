"""Anomalous windows are marked on the readings at which they end."""

import pytest
from matplotlib.dates import num2date

from tests.unit.reporting.conftest import faults_of, minute, readings_of, scores_of
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.reporting.figures.anomalies import MARKS, anomalies_figure, marked


def test_a_dot_stands_at_its_reading(plant):
    """Severity 3 at minute 2, where pressure was 5 bar; the line shows every reading."""
    readings, scores = readings_of("p", [8.0, 8.0, 5.0, 8.0]), scores_of("p", [0.1, 0.2, 3.0, 0.4])
    figure = anomalies_figure(readings, scores, faults_of(("p", 2, 2, "wear")), plant.asset_type, ["pressure"])
    line, dots = figure.axes[0].lines
    assert line.get_ydata().tolist() == [8.0, 8.0, 5.0, 8.0]
    assert dots.get_ydata().tolist() == [5.0]
    assert num2date(dots.get_xdata()[0]) == minute(2)
    assert figure.axes[0].get_ylabel() == "pressure\n(bar)"


def test_the_most_severe_are_marked():
    """From 300 anomalous windows, those of the highest severity are marked."""
    readings, scores = readings_of("p", [1.0] * 300), scores_of("p", [2.0 + number for number in range(300)])
    assert marked(readings, scores)["timestamp"].tolist() == [minute(at) for at in range(300 - MARKS, 300)]


def test_readings_of_another_time_are_refused(plant):
    """Nothing was scored while these were taken."""
    scores = scores_of("p", [0.1]).assign(window_end=minute(900))
    with pytest.raises(DataError, match="in the scored time"):
        anomalies_figure(readings_of("p", [1.0]), scores, tables.FAULTS.empty(), plant.asset_type, ["pressure"])
