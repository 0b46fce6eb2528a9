"""Compare the candidates of a training, check the gates, and carry out the verdict."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact

from tasks import DEFAULTS
from wheeltapper import objectives
from wheeltapper.training import choose
from wheeltapper.training.choose import TrainingVerdict
from wheeltapper.training.result import CandidateResult
from wheeltapper.training.session import Training
from wheeltapper.training.shared import Shared
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.judge")

SHOWN = (
    "candidate",
    "cost_per_asset_week",
    "found",
    "faults",
    "false_alarms_per_asset_week",
    "vus_pr",
    "vus_pr_random",
)
"""Columns of the leaderboard in Prefect's UI."""


@task(name="judge candidates", **DEFAULTS)
def judge_candidates(
    plant: str, training: Training, results: Sequence[CandidateResult], shared: Shared, now: datetime
) -> TrainingVerdict:
    """Return the verdict of a training, and show its leaderboard in Prefect's UI."""
    _log.debug("ranking %d candidates, checking the gates, judging on the test part", len(results))
    space = Workspace.open(plant)
    objective = objectives.named(space.plant, training.objective)
    verdict = choose.choose(space, objective, training, results, shared, now)
    create_table_artifact(
        [_columns_shown(row) for row in verdict.judged.leaderboard],
        key=f"leaderboard-{space.plant.name}-{objective.name}".replace("_", "-").lower(),
        description=verdict.judged.in_short(),
    )
    return verdict


def _columns_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    columns = SHOWN if "cost_per_asset_week" in row else tuple(row)
    return {name: _rounded(row.get(name)) for name in columns}


def _rounded(value: Any) -> Any:
    return json.loads(f"{value:.4g}") if isinstance(value, float) else value
