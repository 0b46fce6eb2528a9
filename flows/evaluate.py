"""scores + faults + age → verdict: keep, retrain or roll back."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows._alone import alone
from flows._input import PlantName, clock, run_name
from tasks.evaluate import evaluate_champion


@flow(name="evaluate", flow_run_name=run_name)
@alone
def evaluate(plant: PlantName) -> dict[str, Any]:
    """Ask whether the champion still does what it was promoted for."""
    return evaluate_champion(plant, clock())
