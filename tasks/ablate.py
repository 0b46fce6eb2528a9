"""Measure the effect of each part of the pipeline: the same plant with and without it, over several seeds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from prefect import task

from tasks import DEFAULTS
from wheeltapper import check_plant, plants
from wheeltapper.config import Settings
from wheeltapper.training import ablation
from wheeltapper.training.ablation import Outcome, Trial

_log = logging.getLogger("wheeltapper.ablate")


@task(name="plan ablation", **DEFAULTS)
def plan_ablation(plant: str, study: str, seeds: int, detector: str) -> list[Trial]:
    """List the trials: every variant of every requested study, with every seed."""
    return ablation.plan_trials(check_plant.load(plant), study, seeds, detector)


@task(name="ablation trial", task_run_name="{trial.study}: {trial.variant}, seed {trial.seed}", **DEFAULTS)
def run_trial(plant: str, trial: Trial) -> list[Outcome]:
    """Run one trial; with all baselines and candidates it is one outcome of each."""
    outcomes = ablation.run_trial(plants.load(plant), trial)
    if trial.detector is None:
        _log.info("seeds: seed %s, %d detectors", trial.seed, len(outcomes))
    for outcome in outcomes if trial.detector is not None else ():
        _log.info(
            "%s: %s, seed %s: %s of %s faults", trial.study, trial.variant, trial.seed, outcome.found, outcome.faults
        )
    return outcomes


@task(name="sum up ablation", **DEFAULTS)
def sum_up(plant: str, outcomes: Sequence[Outcome], now: datetime) -> dict[str, Any]:
    """Return mean and standard deviation over the seeds, and store them with every trial in the reports."""
    known = plants.load(plant)
    return ablation.sum_up(known, outcomes, now, Settings().reports / known.name)
