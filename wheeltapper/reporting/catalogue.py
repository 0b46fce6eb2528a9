"""Catalogue: every figure that a report can have, the question that it answers, and what it needs.

The report and docs/report.md contain this list, and a test compares it with what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One figure, or all figures whose names begin alike where the name ends in ``*``."""

    name: str
    """Name of the figure and of its file."""
    answers: str
    """The question that it answers."""
    needs: str
    """What it cannot be drawn without; the report shows this as the reason where the figure is missing."""
    chapter: str
    """Id of the section of the report that contains it."""
    known_as: str = ""
    """Its name in other systems."""
    rows: str = ""
    """Rows of the survey of other systems that ask for it."""

    def is_of(self, name: str) -> bool:
        """Tell whether a figure of this name belongs to the entry."""
        return name.startswith(self.name[:-1]) if self.name.endswith("*") else name == self.name


_JUDGED, _FAULTS, _SCORES, _ALARMS, _READINGS = (
    "at least one judged candidate",
    "known faults in the part on which candidates are judged",
    "scores of a live model",
    "at least one alarm",
    "readings",
)

CATALOGUE = (
    Entry(
        "dashboard",
        "What is the state of every machine now, has it an open alarm, and how many alarms did it have?",
        _SCORES,
        "now",
        "real-time dashboard; anomalies of each machine and sensor",
        rows="000-31, 004-07",
    ),
    Entry(
        "model_comparison",
        "Is the model better than simple rules: faults found, false alarms, cost, ranking?",
        _JUDGED,
        "leaderboard",
        "model comparison",
        rows="001-36",
    ),
    Entry(
        "detection_by_kind",
        "Which kinds of fault are found, and how certain is that?",
        _FAULTS,
        "leaderboard",
        "performance of each target",
        rows="000-31",
    ),
    Entry(
        "failure_types",
        "Which kind did the alarms name for each fault, and was it the right one?",
        "found faults of known kinds, and alarms that name kinds",
        "leaderboard",
        "failure type classification, heat map",
        rows="000-31, 003-11",
    ),
    Entry(
        "detection_delay",
        "How long after the start of a fault does an alarm open, and how long does the fault last?",
        _FAULTS,
        "leaderboard",
        "early detection, time to detection",
        rows="000-31",
    ),
    Entry(
        "confusion_matrices",
        "How many normal and faulty windows are called anomalous, as counts and in percent?",
        _FAULTS,
        "leaderboard",
        "confusion matrix, raw and normalised",
        rows="000-28, 001-36, 003-11",
    ),
    Entry(
        "roc_curves",
        "How many faulty and normal windows would another threshold call anomalous?",
        _FAULTS,
        "leaderboard",
        "ROC",
        rows="001-36, 003-11",
    ),
    Entry(
        "pr_curves",
        "At another threshold, how many of the windows called anomalous would be in a fault?",
        _FAULTS,
        "leaderboard",
        "precision-recall",
        rows="001-36",
    ),
    Entry(
        "detector_evaluation",
        "How much do the severities of normal and faulty windows differ, and does the threshold separate them?",
        _SCORES,
        "leaderboard",
        "score histogram, evaluation of an isolation forest",
        rows="000-31",
    ),
    Entry(
        "score_over_time_*",
        "When did a machine become anomalous, and were there faults and alarms?",
        _SCORES,
        "machines",
        "line of scores over time",
        rows="003-11",
    ),
    Entry(
        "time_series_anomalies",
        "Which values did the sensors have at the anomalous windows?",
        "readings and scores of a machine with an alarm",
        "alarms",
        "time series with anomalies, scatter by time",
        rows="000-31, 001-36, 003-11",
    ),
    Entry(
        "alarm_*",
        "What did the sensors do before, during and after an alarm?",
        "an alarm and the readings around it",
        "alarms",
    ),
    Entry(
        "multi_sensor_anomalies",
        "Which sensors moved together before and during an alarm?",
        "an alarm, and the live model with the feature rows around it",
        "alarms",
        "multi-sensor anomaly detection",
        rows="000-31",
    ),
    Entry(
        "alarms_by_asset_and_sensor",
        "Which machines have the most alarms, by which leading sensors, and how many alarms are false?",
        _ALARMS,
        "alarms",
        "bars of anomalies per machine and sensor, count",
        rows="003-11, 004-07",
    ),
    Entry(
        "alarms_over_day",
        "Do alarms come at certain hours, such as at a shift change, a cleaning or a batch?",
        _ALARMS,
        "alarms",
        "scatter by date and hour",
        rows="003-11",
    ),
    Entry(
        "data_exploration",
        "How many readings are there by machine, time and regime, and which values are missing?",
        _READINGS,
        "data",
        "data exploration, count, count of each machine",
        rows="000-31, 003-11",
    ),
    Entry(
        "sensor_profiles",
        "Which values does each sensor have in normal running, and in a fault (or an alarm)?",
        _READINGS,
        "data",
        "histograms normal against anomalous",
        rows="001-36, 003-11, 004-07",
    ),
    Entry(
        "sensor_boxes",
        "Which values does each sensor have in each regime?",
        _READINGS,
        "data",
        "box plot",
        rows="003-11",
    ),
    Entry(
        "feature_importance",
        "Which features have the largest share of the alarms' severity?",
        "an alarm whose detector says what raised its score",
        "features",
        "feature importance, top 15",
        rows="000-28",
    ),
)
"""In the order of the report."""


def missing(names: Iterable[str]) -> list[Entry]:
    """Return the entries without a drawn figure."""
    drawn = list(names)
    return [entry for entry in CATALOGUE if not any(entry.is_of(name) for name in drawn)]
