"""Strips over time and weights are drawn with the values that were passed."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.unit.reporting.conftest import alarm_of, minute
from tests.unit.reporting.test_figures import texts
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.reporting.figures import attribution

MOVED = pd.DataFrame({"flow": [0.0, 0.1, 0.0], "pressure": [0.2, 3.0, 1.0]}, index=[minute(0), minute(1), minute(3)])


def test_a_pause_stays_empty():
    """Windows at minutes 0, 1 and 3 on three steps: each keeps its place, none is stretched over the pause."""
    cells, first, last = attribution.strip(MOVED, steps=4)
    assert cells.shape == (2, 3)
    assert cells[1].tolist() == [0.2, 3.0, 1.0]
    even = attribution.strip(MOVED.set_axis([minute(0), minute(1), minute(10)]))[0]
    assert np.isnan(even).any()
    assert first < last


def test_the_highest_of_a_step_is_kept():
    """A spike between two drawn steps is not thinned away."""
    long = pd.DataFrame({"p": np.zeros(1000)}, index=[minute(at) for at in range(1000)])
    long.iloc[503] = 9.0
    cells, _, _ = attribution.strip(long, steps=50)
    assert cells.max() == 9.0
    assert cells.shape == (1, 50)


def test_the_sensor_that_moved_most_stands_on_top():
    """Pressure before flow, and the alarm is named."""
    figure = attribution.multi_sensor_figure({"a1": MOVED}, alarm_of("pump-1", 1, 3))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["pressure", "flow"]
    assert any(text.startswith("pump-1, alarm of 2026-02-03 10:01") for text in texts(figure))


def test_every_alarm_weighs_the_same():
    """Pressure 80 % of one alarm, flow all of another: 40 and 50 %; an alarm that says nothing is left out."""
    other = alarm_of("p", 3, 4, "a2").assign(sensors=json.dumps([{"sensor": "flow", "share": 1.0}]))
    silent = alarm_of("p", 7, 8, "a3").assign(sensors=json.dumps(["flow"]))
    weights = attribution.sensor_weights(pd.concat([alarm_of("p", 1, 2), other, silent]))
    assert weights == {"pressure": 0.4, "flow": 0.5}
    assert attribution.sensor_weights(tables.ALARMS.empty()) == {}


def test_the_fifteen_weightiest_are_drawn_and_the_rest_is_told():
    """Twenty features: fifteen bars in order, five more in words."""
    weights = {f"f{number:02d}": (20 - number) / 210 for number in range(20)}
    axes = attribution.importance_figure(weights).axes[0]
    assert [bar.get_width() for bar in axes.containers[0]] == sorted(weights.values(), reverse=True)[:15]
    assert "5 more features together 7.1\u00a0%" in axes.get_xlabel()


def test_nothing_that_moved_is_refused():
    """A detector that says nothing gets no bars of zero."""
    with pytest.raises(DataError, match="at least one alarm"):
        attribution.importance_figure({"f": 0.0})
    with pytest.raises(DataError, match="at least one alarm"):
        attribution.multi_sensor_figure({}, tables.ALARMS.empty())
