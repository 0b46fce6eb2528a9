"""Quality: the drawings that show how good the models are, and which features raise the live model's alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wheeltapper.reporting.figures import comparison
from wheeltapper.reporting.figures.attribution import TOP, importance_figure, sensor_weights
from wheeltapper.reporting.figures.detection import MOST, delay_figure, fault_outcomes, kinds_figure
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
            f"{words.things(len(board), 'candidate')} compared by faults found, false alarms, cost and VUS-PR. "
            "The leaderboard contains the same figures.",
            comparison.comparison_figure(board, data.plant.alarm_budget),
        )
    counts = {str(row["candidate"]): row["confusion"] for row in board if row.get("confusion") is not None}
    if counts:
        yield Drawing(
            "confusion_matrices",
            "quality",
            f"How many windows were called normal and anomalous ({part} part)",
            "Confusion matrices. Rows: normal, in a fault; columns: called normal, called anomalous. "
            + "; ".join(f"{name}: {_matrix(count)}" for name, count in counts.items()),
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


def _matrix(count: Mapping[str, Any]) -> str:
    return f"{count['tn']} and {count['fp']}, {count['fn']} and {count['tp']}"


def _detections(data: ReportData) -> Iterator[Drawing]:
    """Draw which faults the model of the verdict found, how late, and which kinds its alarms named."""
    row = summary.row_of(data.leaderboard, data.about)
    if row is None or not row["faults"]:
        return
    where = f"{row['candidate']} on the {row['part']} part"
    if row.get("by_kind"):
        shares = "; ".join(
            f"{words.spaced(kind['kind'])} {kind['found']} of {kind['faults']}" for kind in row["by_kind"]
        )
        yield Drawing(
            "detection_by_kind",
            "kinds",
            f"Share of faults found, by kind: {where}",
            f"Share of faults found with its 95 % interval: {shares}.",
            kinds_figure(row),
        )
    naming = row.get("naming")
    if naming and naming["kinds"]:
        yield Drawing(
            "failure_types",
            "naming",
            f"The kind that the first alarm named, for each kind of fault: {where}",
            "Matrix of true kinds (rows) and kinds named by alarms (columns). The table above has the same counts.",
            comparison.naming_figure(naming),
        )
    if row.get("outcomes"):
        outcomes = fault_outcomes(row["outcomes"], data.faults)
        total = len(outcomes)
        remark = f"; {MOST} of {total} are shown, evenly chosen by delay" if total > MOST else ""
        yield Drawing(
            "detection_delay",
            "delay",
            f"Time from the start of a fault until its alarm opens: {where}{remark}",
            f"{words.count(int(outcomes['found'].sum()))} of {words.things(total, 'fault')} found. For each fault, the "
            "delay of its first alarm and the length of the fault. The table of faults contains the figures.",
            delay_figure(outcomes),
        )


def _severities(data: ReportData) -> Iterator[Drawing]:
    groups = by_truth(data.scores, data.faults)
    if groups:
        shares = "; ".join(f"{name}: {words.percent(float((v > 1).mean()))}" for name, v in groups.items())
        yield Drawing(
            "detector_evaluation",
            "severities",
            f"Severities of normal and faulty windows: {data.champion}, all windows that it has scored"
            if len(data.faults)
            else f"Severities of all windows that {data.champion} has scored; no fault is known, so there is one group",
            f"Histogram of severities; share of windows above each threshold. Above the one in use: {shares}.",
            detector_evaluation_figure(groups),
        )


def what_raised_alarms(data: ReportData) -> Iterator[Drawing]:
    """Draw the features with the largest share of the alarms' severity; sensors where no features are named."""
    by_feature = {name: weight for name, weight in data.weights.items() if weight > 0}
    weights, kind = (by_feature, "feature") if by_feature else (sensor_weights(data.alarms), "sensor")
    if not any(weight > 0 for weight in weights.values()):
        return
    ordered = sorted(weights, key=lambda name: (-weights[name], name))[:TOP]
    remark = "" if kind == "feature" else " (its detector cannot name features)"
    yield Drawing(
        "feature_importance",
        "importance",
        f"{kind.capitalize()}s with the largest share of the alarms' severity{remark}",
        f"Share of the alarms' severity by {kind}: "
        + "; ".join(f"{name} {words.percent(weights[name])}" for name in ordered)
        + ".",
        importance_figure(weights, kind),
    )
