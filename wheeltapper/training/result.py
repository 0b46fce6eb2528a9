"""The stored result of one candidate, a document of its run in MLflow."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from wheeltapper.selftest.examine import SelfTest

DOCUMENT = "result.json"
"""Name of the document in MLflow."""


class CandidateResult(BaseModel):
    """One candidate or baseline that was trained and judged on the validate part."""

    model_config = ConfigDict(frozen=True)

    label: str = Field(description="its name on the leaderboard")
    is_baseline: bool
    run_id: str = Field(description="its run in MLflow")
    bundle: str = Field(description="hash of its model")
    model_uri: str
    judgement: dict[str, Any] = Field(description="its figures, as the objective's own class writes them")
    self_test: SelfTest | None = None
    curves: dict[str, Any] = Field(default_factory=dict, description="ROC and precision-recall curves")
    thresholds: dict[str, Any] = Field(default_factory=dict)
    calibration: dict[str, Any] | None = Field(
        None, description="promise behind its threshold, and its maturity; see `Calibration.summary`"
    )
    search: dict[str, Any] | None = Field(None, description="record of the search for its options")

    def document(self) -> dict[str, Any]:
        """Return the result as JSON values, without ``search`` where there was none."""
        content = self.model_dump(mode="json")
        if self.search is None:
            del content["search"]
        return content
