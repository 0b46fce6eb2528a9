"""Readings are counted exactly, and values are drawn where they lie."""

import numpy as np
import pandas as pd
import pytest

from tests.unit.reporting.conftest import minute, readings_of
from tests.unit.reporting.test_figures import texts
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.reporting.figures import exploration


def test_bars_are_the_counts_of_the_table():
    """Three readings of p and one of q."""
    readings = pd.concat([readings_of("p", [1.0] * 3), readings_of("q", [1.0])])
    axes = exploration.data_exploration_figure(readings, ["pressure", "ratio"]).axes[0]
    assert [bar.get_width() for bar in axes.containers[0]] == [3, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["p", "q"]


def test_missing_values_are_shares():
    """One of four pressures is missing; a sensor without a column is missing altogether."""
    share = exploration.missing_share(readings_of("p", [1.0, np.nan, 1.0, 1.0]), ["pressure", "flow"])
    assert share.to_dict() == {"flow": 1.0, "pressure": 0.25}


def test_time_without_readings_counts_as_none():
    """Readings at minutes 0, 1 and 4: a minute each, and none in between; all of them are there."""
    counts, step = exploration.counts_over_time(pd.Series([minute(0), minute(1), minute(4)]))
    assert step == "1min"
    assert counts.tolist() == [1, 1, 0, 0, 1]


def test_a_year_is_counted_by_longer_steps():
    """A year has too many days for one figure: a step has seven of them, and no reading is lost."""
    times = pd.Series(pd.date_range("2025-01-01", periods=365, freq="1D", tz="UTC"))
    counts, step = exploration.counts_over_time(times)
    assert step == "7D"
    assert counts.sum() == 365


def test_a_box_lies_where_the_values_are(plant):
    """Values 0 to 100: quartiles 25, 50 and 75, whiskers at 1 and 99."""
    axes = exploration.sensor_boxes_figure(readings_of("p", list(range(101))), plant.asset_type).axes[0]
    box = axes.patches[0].get_path().get_extents()
    assert (box.x0, box.x1) == (25, 75)
    ends = {round(x, 6) for line in axes.lines for x in line.get_xdata()}
    assert ends == {1.0, 25.0, 50.0, 75.0, 99.0}
    assert texts(axes.figure).count("normal") >= 1


def test_nothing_is_refused(plant):
    """No reading, no figure."""
    with pytest.raises(DataError, match="at least one reading"):
        exploration.data_exploration_figure(tables.READINGS.empty(), ["pressure"])
    with pytest.raises(DataError, match="at least one reading of a sensor"):
        exploration.sensor_boxes_figure(readings_of("p", [1.0]).drop(columns=["pressure", "ratio"]), plant.asset_type)
