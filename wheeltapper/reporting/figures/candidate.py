"""What MLflow shows of one candidate: its scores over time, its confusion, and its curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheeltapper.reporting.figures import canvas, comparison, timeline
from wheeltapper.training.objective import Trained
from wheeltapper.training.result import CandidateResult
from wheeltapper.training.table import TrainingTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ASSETS = 24
"""Assets whose scores are drawn."""
DOTS_PER_INCH = 100


def draw_candidate(result: CandidateResult, trained: Trained, table: TrainingTable) -> dict[str, bytes]:
    """Draw what can be drawn of a candidate: name of the picture → PNG."""
    return {name: canvas.to_png(figure, DOTS_PER_INCH) for name, figure in _figures(result, trained, table).items()}


def _figures(result: CandidateResult, trained: Trained, table: TrainingTable) -> dict[str, Figure]:
    judgement, figures = result.judgement, dict[str, "Figure"]()
    if trained.alarms is not None:
        assets = sorted(trained.scores["asset_id"].unique())[:MOST_ASSETS]
        figures["scores.png"] = timeline.score_grid_figure(trained.scores, table.faults, trained.alarms, assets)
    if judgement.get("confusion") is not None:
        figures["confusion.png"] = comparison.confusion_figure(judgement["confusion"])
    if judgement.get("naming") is not None:
        figures["kinds.png"] = comparison.naming_figure(judgement["naming"])
    if result.curves:
        figures["roc.png"] = comparison.roc_figure({result.label: result.curves["roc"]})
        figures["precision_recall.png"] = comparison.pr_figure(
            {result.label: result.curves["pr"]}, judgement["base_rate"]
        )
    return figures
