"""scores + faults + age → verdict: keep or retrain."""

from __future__ import annotations

from prefect import flow

from flows._alone import alone
from flows._input import PlantName, clock, run_name
from tasks.evaluate import evaluate_champion
from wheeltapper.training.evaluate import Evaluation


@flow(name="evaluate", flow_run_name=run_name)
@alone
def evaluate(plant: PlantName) -> Evaluation:
    """Check whether the champion still keeps its promises."""
    return evaluate_champion(plant, clock())
