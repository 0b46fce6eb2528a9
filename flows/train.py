"""features → every candidate in parallel → leaderboard → gates → verdict."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows._alone import alone
from flows._input import PlantName, clock, run_name
from flows._runner import runner
from tasks.judge import judge_candidates
from tasks.train import open_training, train_candidate


@flow(name="train", flow_run_name=run_name, task_runner=runner())
@alone
def train(plant: PlantName) -> dict[str, Any]:
    """Train, judge and, if it earns it, promote."""
    training = open_training(plant)
    candidates = [train_candidate.submit(plant, training, label) for label in training["candidates"]]
    results = [candidate.result() for candidate in candidates]
    return judge_candidates(plant, training, results, clock())
