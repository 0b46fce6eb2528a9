"""The dashboard shows the newest state of each machine, and counts every alarm once."""

from datetime import timedelta

import pandas as pd
import pytest

from tests.unit.reporting.conftest import alarm_of, minute, readings_of, scores_of
from tests.unit.reporting.test_figures import texts
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.reporting.figures.state import MOST, dashboard_figure, states

LATE = timedelta(minutes=5)


def seen(readings: pd.DataFrame) -> pd.Series:
    return readings.groupby("asset_id")["timestamp"].max()


def test_the_newest_window_counts():
    """Severity 3 at minute 1 and 0.4 at minute 2: now it is 0.4, seen at minute 2."""
    state = states(
        scores_of("p", [0.1, 3.0, 0.4]), tables.ALARMS.empty(), seen(readings_of("p", [1.0] * 4)), ["p"], LATE
    )
    assert state["severity"].tolist() == [0.4]
    assert state["scored"].tolist() == [minute(2)]
    assert state["seen"].tolist() == [minute(3)]


def test_a_machine_that_needs_somebody_comes_first():
    """C has an open alarm and b is anomalous; a and d are quiet and keep their order behind."""
    scores = pd.concat([scores_of(name, [level]) for name, level in zip("abcd", (0.1, 1.5, 0.2, 0.3), strict=True)])
    open_alarm = alarm_of("c", 0, 0).assign(state="open")
    state = states(scores, open_alarm, seen(readings_of("a", [1.0])), list("abcd"), LATE)
    assert state["asset"].tolist() == ["b", "c", "a", "d"]
    assert state["is_open"].tolist() == [False, True, False, False]


def test_a_silent_machine_is_late():
    """P was last seen at minute 1, q at minute 9: more than five minutes apart."""
    readings = pd.concat([readings_of("p", [1.0] * 2), readings_of("q", [1.0] * 10)])
    scores = pd.concat([scores_of("p", [0.1]), scores_of("q", [0.1])])
    state = states(scores, tables.ALARMS.empty(), seen(readings), ["p", "q"], LATE)
    assert state["is_late"].tolist() == [True, False]
    assert f"silent since {minute(1):%Y-%m-%d %H:%M}" in texts(dashboard_figure(state, tables.ALARMS.empty()))


def test_the_counts_are_those_of_the_table_of_alarms():
    """Two alarms of p and one of q, all led by pressure: 2 and 1 stand twice, by sensor and in all."""
    alarms = pd.concat([alarm_of("p", 0, 0, "a1"), alarm_of("p", 2, 2, "a2"), alarm_of("q", 1, 1, "a3")])
    scores = pd.concat([scores_of("p", [0.1]), scores_of("q", [0.1])])
    state = states(scores, alarms, seen(readings_of("p", [1.0])), ["p", "q"], LATE)
    assert state["alarms"].tolist() == [2, 1]
    cells = [text.get_text() for text in dashboard_figure(state, alarms).axes[1].texts]
    assert cells == ["2", "2", "1", "1"]


def test_fifty_machines_are_cut_to_those_that_fit():
    """No more lines than have room."""
    scores = pd.concat([scores_of(f"p{number}", [0.1]) for number in range(50)])
    state = states(scores, tables.ALARMS.empty(), seen(readings_of("p1", [1.0])), [f"p{n}" for n in range(50)], LATE)
    assert len(state) == 50
    assert len(dashboard_figure(state, tables.ALARMS.empty()).axes[0].get_yticklabels()) == MOST


def test_nothing_scored_is_refused():
    """An empty dashboard would look like a quiet plant."""
    state = states(tables.SCORES.empty(), tables.ALARMS.empty(), seen(readings_of("p", [1.0])), [], LATE)
    with pytest.raises(DataError, match="expected at least one scored window"):
        dashboard_figure(state, tables.ALARMS.empty())
