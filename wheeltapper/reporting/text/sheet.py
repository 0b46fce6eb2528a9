"""Sheet: every figure of a judgement under a clear name, with its unit and interval, one part beside the other.

The leaderboard shows what decides; here is the rest, so that nobody has to open a JSON file for it. A test holds the
sheet against the fields of `evaluation.judgement.Judgement`: a new one is shown, or left out with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wheeltapper.reporting.text import words

Row = Mapping[str, Any]
Kind = Literal["count", "share", "ratio", "number", "rate", "minutes", "hours", "weeks", "money"]

MOST = 30
"""Machines with false alarms that are listed; the rest is added up in one more line."""


@dataclass(frozen=True)
class Line:
    """One figure of the sheet. Its interval is the field's ``_low`` and ``_high``, where the judgement has them."""

    field: str
    """Of the judgement; ``cost.total`` is a field of the record that stands in ``cost``."""
    name: str
    kind: Kind
    means: str = ""


SHEET: dict[str, tuple[Line, ...]] = {
    "Faults": (
        Line("faults", "Faults watched", "count", "with at least one scored window inside"),
        Line("not_observed", "Faults not watched", "count", "nobody looked, so they count for nobody"),
        Line("found", "Faults found", "count"),
        Line("detection_rate", "Share of faults found", "share"),
        Line("chance_found", "Share that alarms at random would find", "share", "as many of them"),
        Line("delay_minutes_median", "Median delay", "minutes", "from a fault's start to its first alarm's opening"),
        Line("delay_minutes_mean", "Mean delay", "minutes"),
        Line("delay_minutes_max", "Longest delay", "minutes"),
        Line("failures", "Failures", "count", "faults of kinds that end in one"),
        Line("foreseen", "Failures foreseen", "count", "an alarm opened before them"),
        Line("foreseen_rate", "Share of failures foreseen", "share"),
        Line("lead_minutes_median", "Median lead time", "minutes", "from the alarm's opening to the failure foreseen"),
        Line("lead_minutes_min", "Shortest lead time", "minutes"),
    ),
    "Alarms": (
        Line("alarms", "Alarms", "count"),
        Line("false_alarms", "False alarms", "count", "opened outside every known fault"),
        Line("false_alarms_per_asset_week", "False alarms per asset and week", "rate"),
        Line("alarm_fraction", "Time in alarm", "share", "of the watched time outside faults"),
        Line("asset_weeks", "Time watched", "weeks", "of all assets together"),
    ),
    "Cost": (
        Line("cost_per_asset_week", "Cost per asset and week", "money"),
        Line("cost.total", "Cost of the whole part", "money", "the next five added up"),
        Line("cost.missed_faults", "Missed faults", "money"),
        Line("cost.found_faults", "Repairs of found faults", "money"),
        Line("cost.delay", "Delay until they were found", "money"),
        Line("cost.false_alarms", "False alarms", "money"),
        Line("cost.wrong_alarm_hours", "Hours in alarm for nothing", "money"),
        Line("cost.without_detector", "The same faults unwatched", "money", "every one missed"),
        Line("cost.net_saving", "Saved", "money", "unwatched, less the cost of the whole part"),
        Line("cost.spent", "Spent", "money", "on repairs, false alarms and hours in alarm for nothing"),
        Line("cost.roi", "ROI", "number", "saved / spent"),
    ),
    "How well the score ranks windows, whatever the threshold": (
        Line("vus_pr", "VUS-PR", "ratio", "faulty times above normal ones, precision and recall"),
        Line("vus_pr_random", "VUS-PR of guessing", "ratio"),
        Line("vus_roc", "VUS-ROC", "ratio", "guessing reaches about 0.5"),
        Line("average_precision", "Average precision", "ratio", "guessing reaches the share of windows in a fault"),
        Line("roc_auc", "ROC AUC", "ratio", "guessing reaches 0.5"),
        Line("base_rate", "Share of windows in a known fault", "share", "of those watched"),
    ),
    "Windows at the threshold": (
        Line("windows_anomalous", "Windows called anomalous", "count"),
        Line("confusion.tp", "In a fault, called anomalous", "count", "true positives"),
        Line("confusion.fp", "Normal, called anomalous", "count", "false positives"),
        Line("confusion.fn", "In a fault, quiet", "count", "false negatives"),
        Line("confusion.tn", "Normal, quiet", "count", "true negatives"),
        Line("window_precision", "Precision of windows", "share", "called anomalous: in a fault"),
        Line("window_recall", "Recall of windows", "share", "in a fault: called anomalous"),
        Line("window_f1", "F1 of windows", "ratio"),
        Line("window_specificity", "Specificity of windows", "share", "normal: quiet"),
    ),
    "Runs of anomalous windows against faults as spans": (
        Line("range_precision", "Range precision", "ratio"),
        Line("range_recall", "Range recall", "ratio"),
        Line("range_f1", "Range F1", "ratio"),
        Line("range_f1_random", "Range F1 of guessing", "ratio", "the same windows at random instants"),
    ),
    "The plant, whoever watches it": (
        Line("availability", "Availability", "share", "of the watched time: outside every known fault"),
        Line("mtbf_hours", "MTBF (mean time between faults)", "hours", "all watched hours / faults watched"),
    ),
}
"""Title of a group → its figures, in the order of the page."""

LEFT_OUT = {
    "candidate": "the caption names it",
    "part": "each column is one",
    "notes": "they stand below the leaderboard",
    "currency": "it is the unit of every cost",
    "by_kind": "a table of its own: By kind of fault",
    "outcomes": "a table of its own: Each fault and what became of it",
    "naming": "tables of its own: What the alarms said it was",
    "false_alarms_by_asset": "a table of its own below the sheet",
    "false_alarms_by_regime": "a table of its own below the sheet",
    "cost_by_asset_week": "a number for each asset and week, to compare two candidates pair by pair; the cost is told",
    "range_f1_by_asset": "a number for each asset, to resample; the range F1 of all is told",
}
"""Field of a judgement → why the sheet does not show it."""


def parts_of(leaderboard: Sequence[Row], candidate: str | None) -> dict[str, Row]:
    """Return a candidate's judgements by part, the test part last; nothing if it has none."""
    own = {str(row["part"]): row for row in leaderboard if candidate is not None and row["candidate"] == candidate}
    return {part: own[part] for part in sorted(own, key=lambda name: (name == "test", name))}


def sheet(judgements: Mapping[str, Row]) -> dict[str, list[dict[str, Any]]]:
    """Return the sheet of one candidate: title of a group → lines, each with a cell for every part.

    Parameters
    ----------
    judgements : mapping of part → judgement as JSON
        What it does not say, as in records of earlier versions, is not judged.
    """
    return {title: [_line(line, judgements.values()) for line in lines] for title, lines in SHEET.items()}


def _line(line: Line, judgements: Iterable[Row]) -> dict[str, Any]:
    return {"name": line.name, "means": line.means, "cells": [_cell(line, one) for one in judgements]}


def _cell(line: Line, judgement: Row) -> dict[str, str]:
    """Write one figure, and its interval or nothing; an empty value is one that nobody could judge."""
    value, low, high = (_value(judgement, line.field + end) for end in ("", "_low", "_high"))
    unit = str(judgement.get("currency", ""))
    interval = f"{_written(line.kind, low, unit)} to {_written(line.kind, high, unit)}"
    return {
        "value": _written(line.kind, value, unit) if words.is_known(value) else "",
        "interval": interval if words.is_known(low) and words.is_known(high) else "",
    }


def _value(judgement: Row, field: str) -> Any:
    record, _, name = field.rpartition(".")
    inside = judgement.get(record) if record else judgement
    return (inside or {}).get(name)


def _written(kind: Kind, value: Any, currency: str) -> str:
    """Write a figure with its unit."""
    plain = {"count": words.count, "share": words.percent, "ratio": words.ratio, "minutes": words.minutes}
    if kind in plain:
        return str(plain[kind](value))
    text = words.rough(value) if kind == "rate" else words.number(value)
    unit = {"hours": "h", "weeks": "asset-weeks", "money": currency}.get(kind, "")
    return f"{text}\u00a0{unit}" if unit else text


def counts_by(judgements: Mapping[str, Row], field: str) -> list[dict[str, Any]]:
    """Return lines of counts by name, most first, with a cell for every part; those after `MOST` are added up.

    Parameters
    ----------
    judgements : mapping of part → judgement as JSON
    field : str
        One that counts by name, such as ``false_alarms_by_regime``. Nobody counted where it is missing.
    """
    counted = [one.get(field) or {} for one in judgements.values()]
    names = sorted({name for counts in counted for name in counts}, key=lambda name: (-_total(counted, name), name))
    lines = [{"name": name, "counts": [counts.get(name, 0) for counts in counted]} for name in names[:MOST]]
    rest = names[MOST:]
    if rest:
        sums = [sum(counts.get(name, 0) for name in rest) for counts in counted]
        lines.append({"name": words.things(len(rest), "other"), "counts": sums})
    return lines


def _total(counted: Sequence[Mapping[str, int]], name: str) -> int:
    return sum(counts.get(name, 0) for counts in counted)
