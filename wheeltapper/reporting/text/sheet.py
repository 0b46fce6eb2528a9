"""Sheet: every figure of a judgement under a clear name, with its unit and interval, the parts side by side.

The leaderboard shows the figures that decide; the sheet shows all of them. A test compares it with the fields of
`evaluation.judgement.Judgement`: a new field is either shown, or left out with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wheeltapper.reporting.text import words

Row = Mapping[str, Any]
Kind = Literal["count", "share", "ratio", "number", "rate", "minutes", "hours", "weeks", "money"]

MOST = 30
"""Machines with false alarms that are listed; those of the others are added up in one more line."""


@dataclass(frozen=True)
class Line:
    """One figure of the sheet; its interval, if any, is in the fields that end in ``_low`` and ``_high``."""

    field: str
    """Field of the judgement; ``cost.total`` is the field ``total`` of the record ``cost``."""
    name: str
    kind: Kind
    means: str = ""


SHEET: dict[str, tuple[Line, ...]] = {
    "Faults": (
        Line("faults", "Faults watched", "count", "at least one scored window lies inside"),
        Line("not_observed", "Faults not watched", "count", "no window inside was scored, so they are not counted"),
        Line("found", "Faults found", "count"),
        Line("detection_rate", "Share of faults found", "share"),
        Line("chance_found", "Share that random alarms would find", "share", "the same number of alarms"),
        Line(
            "delay_minutes_median", "Median delay", "minutes", "from the start of the fault until its first alarm opens"
        ),
        Line("delay_minutes_mean", "Mean delay", "minutes"),
        Line("delay_minutes_max", "Longest delay", "minutes"),
        Line("failures", "Failures", "count", "faults of kinds that end in a failure"),
        Line("foreseen", "Failures with an alarm before them", "count"),
        Line("foreseen_rate", "Share of failures with an alarm before them", "share"),
        Line("lead_minutes_median", "Median lead time", "minutes", "from the opening of the alarm to the failure"),
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
        Line("cost.total", "Cost of the whole part", "money", "sum of the next five lines"),
        Line("cost.missed_faults", "Missed faults", "money"),
        Line("cost.found_faults", "Repair of found faults", "money"),
        Line("cost.delay", "Delay until faults were found", "money"),
        Line("cost.false_alarms", "False alarms", "money"),
        Line("cost.wrong_alarm_hours", "Hours in false alarm", "money"),
        Line("cost.without_detector", "The same faults without a model", "money", "all missed"),
        Line("cost.net_saving", "Saved", "money", "cost without a model, minus the cost of the whole part"),
        Line("cost.spent", "Spent", "money", "on repairs, false alarms and hours in false alarm"),
        Line("cost.roi", "ROI", "number", "saved / spent"),
    ),
    "How well the score ranks windows, at every threshold": (
        Line("vus_pr", "VUS-PR", "ratio", "do faulty times score higher than normal ones; precision and recall"),
        Line("vus_pr_random", "VUS-PR of random scores", "ratio"),
        Line("vus_roc", "VUS-ROC", "ratio", "random scores reach about 0.5"),
        Line("average_precision", "Average precision", "ratio", "random scores reach the share of windows in a fault"),
        Line("roc_auc", "ROC AUC", "ratio", "random scores reach 0.5"),
        Line("base_rate", "Share of windows in a known fault", "share", "of the scored windows"),
    ),
    "Windows at the threshold": (
        Line("windows_anomalous", "Windows called anomalous", "count"),
        Line("confusion.tp", "In a fault, called anomalous", "count", "true positives"),
        Line("confusion.fp", "Normal, called anomalous", "count", "false positives"),
        Line("confusion.fn", "In a fault, called normal", "count", "false negatives"),
        Line("confusion.tn", "Normal, called normal", "count", "true negatives"),
        Line("window_precision", "Precision of windows", "share", "of those called anomalous: in a fault"),
        Line("window_recall", "Recall of windows", "share", "of those in a fault: called anomalous"),
        Line("window_f1", "F1 of windows", "ratio"),
        Line("window_specificity", "Specificity of windows", "share", "of the normal ones: called normal"),
    ),
    "Runs of anomalous windows compared with the spans of faults": (
        Line("range_precision", "Range precision", "ratio"),
        Line("range_recall", "Range recall", "ratio"),
        Line("range_f1", "Range F1", "ratio"),
        Line("range_f1_random", "Range F1 of random windows", "ratio", "the same number of windows at random times"),
    ),
    "The plant itself, without any model": (
        Line("availability", "Availability", "share", "share of the watched time outside every known fault"),
        Line("mtbf_hours", "MTBF (mean time between faults)", "hours", "watched hours / faults watched"),
    ),
}
"""Title of a group → its figures, in the order of the page."""

LEFT_OUT = {
    "candidate": "the caption names it",
    "part": "each column is one",
    "notes": "they are listed below the leaderboard",
    "currency": "it is the unit of every cost",
    "by_kind": "has a table: By kind of fault",
    "outcomes": "has a table: Every fault and its outcome",
    "naming": "has tables: What the alarms named",
    "false_alarms_by_asset": "has a table below the sheet",
    "false_alarms_by_regime": "has a table below the sheet",
    "cost_by_asset_week": "one number for each asset and week, to compare two candidates; the sheet shows their mean",
    "range_f1_by_asset": "one number for each asset, to resample; the sheet shows the range F1 of all",
}
"""Field of a judgement → why the sheet does not show it."""


def parts_of(leaderboard: Sequence[Row], candidate: str | None) -> dict[str, Row]:
    """Return a candidate's judgements by part, the test part last; nothing if it has none."""
    rows = {str(row["part"]): row for row in leaderboard if candidate is not None and row["candidate"] == candidate}
    return {part: rows[part] for part in sorted(rows, key=lambda name: (name == "test", name))}


def sheet(judgements: Mapping[str, Row]) -> dict[str, list[dict[str, Any]]]:
    """Return the sheet of one candidate: title of a group → lines, each with a cell for every part.

    Parameters
    ----------
    judgements : mapping of part → judgement as JSON
        A figure that it does not have, as in runs of earlier versions, is not judged.
    """
    return {title: [_line(line, judgements.values()) for line in lines] for title, lines in SHEET.items()}


def _line(line: Line, judgements: Iterable[Row]) -> dict[str, Any]:
    return {"name": line.name, "means": line.means, "cells": [_cell(line, judgement) for judgement in judgements]}


def _cell(line: Line, judgement: Row) -> dict[str, str]:
    """Write one figure and its interval; both are empty where they could not be judged."""
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
    """Return lines of counts by name, the highest first, with a cell for every part; those after `MOST` are added up.

    Parameters
    ----------
    judgements : mapping of part → judgement as JSON
    field : str
        A field that counts by name, such as ``false_alarms_by_regime``. Where it is missing, nothing was counted.
    """
    counted = [judgement.get(field) or {} for judgement in judgements.values()]
    names = sorted({name for counts in counted for name in counts}, key=lambda name: (-_total(counted, name), name))
    lines = [{"name": name, "counts": [counts.get(name, 0) for counts in counted]} for name in names[:MOST]]
    rest = names[MOST:]
    if rest:
        sums = [sum(counts.get(name, 0) for name in rest) for counts in counted]
        lines.append({"name": words.things(len(rest), "other"), "counts": sums})
    return lines


def _total(counted: Sequence[Mapping[str, int]], name: str) -> int:
    return sum(counts.get(name, 0) for counts in counted)
