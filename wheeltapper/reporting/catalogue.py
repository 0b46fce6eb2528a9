"""Catalogue: every figure that a report can have, the question it answers, and why it is missing where it is.

The report prints it at its end, the documents print it from here, and a test holds both against what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One figure, or several of one kind where the name ends in ``*``."""

    name: str
    """Also the name of its file."""
    answers: str
    """The question that somebody has who looks at it."""
    needs: str
    """What it cannot be drawn without: the reason that is given where it is missing."""
    chapter: str
    """Id of the section of the report that it stands in."""
    known_as: str = ""
    """What it is called elsewhere."""
    rows: str = ""
    """Rows of the survey of other systems that it answers."""

    def is_of(self, name: str) -> bool:
        """Tell whether a figure of this name is one of these."""
        return name.startswith(self.name[:-1]) if self.name.endswith("*") else name == self.name


_JUDGED, _FAULTS, _SCORES, _ALARMS, _READINGS = (
    "a candidate that was judged",
    "known faults in the part that candidates are judged on",
    "a live model's scores",
    "at least one alarm",
    "readings",
)

CATALOGUE = (
    Entry(
        "dashboard",
        "How is every machine now, is an alarm open, and which rang how often?",
        _SCORES,
        "now",
        "real-time dashboard; anomalies of each machine and sensor",
        rows="000-31, 004-07",
    ),
    Entry(
        "model_comparison",
        "Is the model better than rules anybody can check: faults found, false alarms, cost, ranking?",
        _JUDGED,
        "leaderboard",
        "model comparison",
        rows="001-36",
    ),
    Entry(
        "detection_by_kind",
        "Which kinds of fault are found, and how sure is that?",
        _FAULTS,
        "leaderboard",
        "performance of each target",
        rows="000-31",
    ),
    Entry(
        "failure_types",
        "What did alarms say that each fault was, and was it right?",
        "found faults of known kinds, and alarms that may name them",
        "leaderboard",
        "failure type classification, heat map",
        rows="000-31, 003-11",
    ),
    Entry(
        "detection_delay",
        "How long after a fault's start does an alarm open, and how much of the fault is left then?",
        _FAULTS,
        "leaderboard",
        "early detection, time to detection",
        rows="000-31",
    ),
    Entry(
        "confusion_matrices",
        "How many normal and faulty windows are called anomalous, in numbers and in percent?",
        _FAULTS,
        "leaderboard",
        "confusion matrix, raw and normalised",
        rows="000-28, 001-36, 003-11",
    ),
    Entry(
        "roc_curves",
        "What would another threshold find, and what would it call wrongly?",
        _FAULTS,
        "leaderboard",
        "ROC",
        rows="001-36, 003-11",
    ),
    Entry(
        "pr_curves",
        "How much of what is called anomalous would be right, at another threshold?",
        _FAULTS,
        "leaderboard",
        "precision-recall",
        rows="001-36",
    ),
    Entry(
        "detector_evaluation",
        "How far do the severities of normal and faulty windows lie apart, and where does the threshold cut?",
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
        "What did the sensors show at every anomalous window?",
        "readings and scores of a machine with an alarm",
        "alarms",
        "time series with anomalies, scatter by time",
        rows="000-31, 001-36, 003-11",
    ),
    Entry(
        "alarm_*",
        "What did the sensors do before, during and after an alarm?",
        "an alarm with the readings round it",
        "alarms",
    ),
    Entry(
        "multi_sensor_anomalies",
        "Which sensors moved together while an alarm built up?",
        "an alarm, and the live model with the feature rows round it",
        "alarms",
        "multi-sensor anomaly detection",
        rows="000-31",
    ),
    Entry(
        "alarms_by_asset_and_sensor",
        "Which machines ring most, led by which sensors, and how often for nothing?",
        _ALARMS,
        "alarms",
        "bars of anomalies per machine and sensor, count",
        rows="003-11, 004-07",
    ),
    Entry(
        "alarms_over_day",
        "Do alarms come at certain hours: a shift, a cleaning, a batch?",
        _ALARMS,
        "alarms",
        "scatter by date and hour",
        rows="003-11",
    ),
    Entry(
        "data_exploration",
        "How many readings came, from which machines, when, in which regime, and what is missing?",
        _READINGS,
        "data",
        "data exploration, count, count of each machine",
        rows="000-31, 003-11",
    ),
    Entry(
        "sensor_profiles",
        "Which values does each sensor show, in normal running and in a fault (or an alarm)?",
        _READINGS,
        "data",
        "histograms normal against anomalous",
        rows="001-36, 003-11, 004-07",
    ),
    Entry(
        "sensor_boxes",
        "Where do each sensor's values lie in each regime?",
        _READINGS,
        "data",
        "box plot",
        rows="003-11",
    ),
    Entry(
        "feature_importance",
        "Which features moved the alarms most?",
        "an alarm whose detector says what moved it",
        "features",
        "feature importance, top 15",
        rows="000-28",
    ),
)
"""In the order of the report."""


def missing(names: Iterable[str]) -> list[Entry]:
    """Return the entries of which no figure was drawn."""
    drawn = list(names)
    return [entry for entry in CATALOGUE if not any(entry.is_of(name) for name in drawn)]
