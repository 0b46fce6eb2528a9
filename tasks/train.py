"""Open a plant's trainings, and train one candidate in one of them."""

from __future__ import annotations

import logging

from prefect import task

from tasks import DEFAULTS
from wheeltapper import objectives
from wheeltapper.reporting.figures.candidate import draw_candidate
from wheeltapper.training import candidate_run
from wheeltapper.training.opening import open_trainings
from wheeltapper.training.result import CandidateResult
from wheeltapper.training.session import Training
from wheeltapper.training.shared import Shared
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.train")


@task(name="open training run", **DEFAULTS)
def open_training(plant: str) -> tuple[Training, ...]:
    """Check the tables, and find or create one run in MLflow for each objective."""
    _log.debug("verifying the tables, opening MLflow")
    space = Workspace.open(plant)
    return open_trainings(space, objectives.of(space.plant))


@task(name="train candidate", task_run_name="train {label}", **DEFAULTS)
def train_candidate(plant: str, training: Training, label: str, shared: Shared) -> CandidateResult:
    """Fit and judge one candidate as one MLflow run; the result of a finished run is read."""
    space = Workspace.open(plant)
    objective = objectives.named(space.plant, training.objective)
    return candidate_run.train_candidate(space, objective, training, label, shared, draw_candidate)
