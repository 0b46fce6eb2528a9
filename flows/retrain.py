"""evaluate; if the verdict says so: train and judge."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import flow

from flows._alone import alone
from flows._input import PlantName, run_name
from flows.evaluate import evaluate
from flows.train import train
from wheeltapper.training.choose import TrainingVerdict
from wheeltapper.training.evaluate import Evaluation


@dataclass(frozen=True)
class Retrained:
    """Result of the evaluation, and of the training if there was one."""

    evaluation: Evaluation
    verdicts: tuple[TrainingVerdict, ...] = ()


@flow(name="retrain", flow_run_name=run_name)
@alone
def retrain(plant: PlantName) -> Retrained:
    """Train again if the champion needs it."""
    evaluation = evaluate(plant)
    if evaluation.verdict == "keep":
        return Retrained(evaluation)
    return Retrained(evaluation, tuple(train(plant)))
