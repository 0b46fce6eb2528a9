"""Alarms are counted once each: by machine, by leading sensor, by hour."""

import json

import pandas as pd
import pytest

from tests.unit.reporting.conftest import alarm_of, faults_of
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.reporting.figures import alarm_counts

NO_FAULTS = tables.FAULTS.empty()
ALARMS = pd.concat(
    [
        alarm_of("p", 0, 0, "a1"),
        alarm_of("p", 90, 91, "a2").assign(sensors=json.dumps(["flow", "pressure"])),
        alarm_of("q", 5, 5, "a3").assign(sensors=""),
    ],
    ignore_index=True,
)


def test_the_first_ranked_sensor_leads():
    """One alarm is led by pressure, one by flow; the third names none."""
    assert alarm_counts.leaders(ALARMS) == ["pressure", "flow", alarm_counts.NO_SENSOR]


def test_every_alarm_is_counted_once():
    """Rows add up to the alarms of each machine."""
    counts = alarm_counts.alarm_counts(ALARMS)
    assert counts.loc["p"].to_dict() == {"pressure": 1, "flow": 1, alarm_counts.NO_SENSOR: 0}
    assert counts.sum(axis=1).to_dict() == ALARMS["asset_id"].value_counts().to_dict()
    assert alarm_counts.alarm_counts(ALARMS.iloc[:0]).empty


def test_bars_split_by_known_faults_and_add_up():
    """One of the two alarms of p opens inside a fault: bars of 1 and 1, together 2; q's one is outside."""
    figure = alarm_counts.alarm_bars_figure(ALARMS, faults_of(("p", 80, 100, "wear")))
    right, wrong = figure.axes[0].containers
    assert [bar.get_width() for bar in right] == [1, 0]
    assert [bar.get_width() for bar in wrong] == [1, 1]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["p", "q"]


def test_many_machines_are_added_up():
    """With 30 machines, 25 have a bar, and one more bar counts the others; no alarm is lost."""
    many = pd.concat([alarm_of(f"p{number}", 0, 0, f"a{number}") for number in range(30)])
    figure = alarm_counts.alarm_bars_figure(many, NO_FAULTS)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[-1] == "5 others"
    assert sum(bar.get_width() for bar in figure.axes[0].containers[0]) == 30


def test_an_alarm_stands_at_its_hour():
    """10:00 and 11:30 UTC on the axis of hours."""
    axes = alarm_counts.alarms_over_day_figure(ALARMS, NO_FAULTS).axes[0]
    assert sorted(axes.lines[0].get_ydata()) == pytest.approx([10.0, 10 + 5 / 60, 11.5])


@pytest.mark.parametrize("draw", [alarm_counts.alarm_bars_figure, alarm_counts.alarms_over_day_figure])
def test_no_alarm_is_refused(draw):
    """Without an alarm there is nothing to count."""
    with pytest.raises(DataError, match="at least one alarm"):
        draw(tables.ALARMS.empty(), NO_FAULTS)
