"""What MLflow shows of one candidate: its scores over time, its confusion, and its curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheeltapper.reporting.figures import comparison, timeline
from wheeltapper.training.objective import Trained
from wheeltapper.training.result import CandidateResult
from wheeltapper.training.table import TrainingTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ASSETS = 24
"""Assets whose scores are drawn."""


def draw_candidate(result: CandidateResult, trained: Trained, table: TrainingTable) -> dict[str, Figure]:
    """Draw what can be drawn of a candidate: name of the picture → figure."""
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
