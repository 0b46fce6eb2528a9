"""Quality: the drawings that say how good the models are, and what moves the one that is live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wheeltapper.reporting.figures import comparison
from wheeltapper.reporting.figures.attribution import TOP, importance_figure, sensor_weights
from wheeltapper.reporting.figures.detection import MOST, delay_figure, fates, kinds_figure
from wheeltapper.reporting.figures.drawing import Drawing
from wheeltapper.reporting.figures.severity import by_truth, detector_evaluation_figure
from wheeltapper.reporting.text import summary, words

if TYPE_CHECKING:
    from wheeltapper.reporting.data import ReportData


def comparisons(data: ReportData) -> Iterator[Drawing]:
    """Draw what compares candidates, on the part that they are compared on."""
    parts = summary.by_part(data.leaderboard)
    part = next(iter(parts), None)
    board = parts.get(part, []) if part else []
    if any(row.get(name) is not None for row in board for name in comparison.MEASURES):
        yield Drawing(
            "model_comparison",
            "comparison",
            f"Every candidate on the {part} part",
            f"{words.things(len(board), 'candidate')} compared by faults found, false alarms, cost and VUS-PR; "
            "the table of the leaderboard holds the same figures.",
            comparison.comparison_figure(board, data.plant.alarm_budget),
        )
    counts = {str(row["candidate"]): row["confusion"] for row in board if row.get("confusion") is not None}
    if counts:
        yield Drawing(
            "confusion_matrices",
            "quality",
            f"Windows called right and wrong ({part} part)",
            "Confusion matrices, rows: normal and in fault, columns: quiet and anomalous. "
            + "; ".join(f"{name}: {_told(count)}" for name, count in counts.items()),
            comparison.confusion_figure(counts),
        )
    yield from _detections(data)
    yield from _severities(data)
    if data.roc:
        yield Drawing(
            "roc_curves",
            "curves",
            "ROC curves",
            f"ROC curves of {words.listing(list(data.roc))}.",
            comparison.roc_figure(data.roc, data.about),
        )
    if data.pr:
        rates = [row["base_rate"] for row in board if row.get("base_rate") is not None]
        yield Drawing(
            "pr_curves",
            "curves",
            "Precision-recall curves",
            f"Precision-recall curves of {words.listing(list(data.pr))}.",
            comparison.pr_figure(data.pr, rates[0] if rates else None, data.about),
        )


def _told(count: Mapping[str, Any]) -> str:
    return f"{count['tn']} and {count['fp']}, {count['fn']} and {count['tp']}"


def _detections(data: ReportData) -> Iterator[Drawing]:
    """Draw which faults the model that the page is about found, how late, and what it called them."""
    row = summary.own_row(data.leaderboard, data.about)
    if row is None or not row["faults"]:
        return
    where = f"{row['candidate']} on the {row['part']} part"
    if row.get("by_kind"):
        told = "; ".join(f"{words.spaced(one['kind'])} {one['found']} of {one['faults']}" for one in row["by_kind"])
        yield Drawing(
            "detection_by_kind",
            "kinds",
            f"Faults found, by kind: {where}",
            f"Share of faults found with its 95 % interval: {told}.",
            kinds_figure(row),
        )
    naming = row.get("naming")
    if naming and naming["kinds"]:
        yield Drawing(
            "failure_types",
            "naming",
            f"What the first alarm in each fault said it was: {where}",
            "Matrix of true kinds (rows) and said kinds (columns); the table above it holds the same counts.",
            comparison.naming_figure(naming),
        )
    if row.get("outcomes"):
        fate = fates(row["outcomes"], data.faults)
        some = f"; {MOST} of {len(fate)} are shown, from the quickest found to those missed" if len(fate) > MOST else ""
        yield Drawing(
            "detection_delay",
            "delay",
            f"How long after a fault's start its alarm opens: {where}{some}",
            f"{words.count(int(fate['found'].sum()))} of {words.things(len(fate), 'fault')} found, each with the delay "
            "of its first alarm beside how long it lasts; the table of faults holds the figures.",
            delay_figure(fate),
        )


def _severities(data: ReportData) -> Iterator[Drawing]:
    groups = by_truth(data.scores, data.faults)
    if groups:
        told = "; ".join(f"{name}: {words.percent(float((v > 1).mean()))} above it" for name, v in groups.items())
        yield Drawing(
            "detector_evaluation",
            "severities",
            f"Severities of normal and faulty windows: {data.champion}, every window that it has scored"
            if len(data.faults)
            else f"Severities of every window that {data.champion} has scored; no fault is known to tell them apart by",
            f"Histogram of severities and what share lies above each threshold. At the threshold in use, {told}.",
            detector_evaluation_figure(groups),
        )


def what_moved(data: ReportData) -> Iterator[Drawing]:
    """Draw which features moved the alarms; which sensors, where the detector cannot tell features apart."""
    by_feature = {name: weight for name, weight in data.weights.items() if weight > 0}
    weights, what = (by_feature, "feature") if by_feature else (sensor_weights(data.alarms), "sensor")
    if not any(weight > 0 for weight in weights.values()):
        return
    ordered = sorted(weights, key=lambda name: (-weights[name], name))[:TOP]
    reason = "" if what == "feature" else " (its detector does not say which feature)"
    yield Drawing(
        "feature_importance",
        "importance",
        f"Which {what}s moved the alarms most{reason}",
        f"Share of the alarms' severity by {what}: "
        + "; ".join(f"{name} {words.percent(weights[name])}" for name in ordered)
        + ".",
        importance_figure(weights, what),
    )
