"""Check whether the champion still keeps its promises."""

from __future__ import annotations

from datetime import datetime

from prefect import task

from tasks import DEFAULTS
from wheeltapper import objectives
from wheeltapper.training import evaluate
from wheeltapper.training.evaluate import Evaluation
from wheeltapper.workspace import OBJECTIVE, Workspace


@task(name="evaluate champion", **DEFAULTS)
def evaluate_champion(plant: str, now: datetime) -> Evaluation:
    """Return ``keep`` or ``retrain`` with reasons, and the champion's judgement since training."""
    space = Workspace.open(plant)
    settings = objectives.named(space.plant, OBJECTIVE).settings(space.plant)
    return evaluate.evaluate_champion(space, settings, now)
