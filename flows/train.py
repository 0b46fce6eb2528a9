"""features → every candidate in parallel → leaderboard → gates → verdict; once for each objective of the plant."""

from __future__ import annotations

from prefect import flow
from prefect.futures import wait

from flows._alone import alone
from flows._input import PlantName, clock, run_name
from flows._runner import runner
from flows._whole import whole
from tasks.judge import judge_candidates
from tasks.train import open_training, train_candidate
from wheeltapper.training.choose import TrainingVerdict
from wheeltapper.training.shared import Shared


@flow(name="train", flow_run_name=run_name, task_runner=runner())
@alone
def train(plant: PlantName) -> list[TrainingVerdict]:
    """Train, judge and, if the gates pass, promote."""
    shared = Shared()
    begun = [
        (training, [train_candidate.submit(plant, training, label, shared) for label in training.candidates])
        for training in open_training(plant)
    ]
    wait([candidate for _, candidates in begun for candidate in candidates])  # nothing trains on after a failure
    return [
        judge_candidates(plant, training, whole([candidate.result() for candidate in candidates]), shared, clock())
        for training, candidates in begun
    ]
