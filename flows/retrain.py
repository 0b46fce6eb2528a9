"""evaluate; if the verdict says so: train and judge."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows._alone import alone
from flows._input import PlantName, run_name
from flows.evaluate import evaluate
from flows.train import train


@flow(name="retrain", flow_run_name=run_name)
@alone
def retrain(plant: PlantName) -> dict[str, Any]:
    """Train again if the champion needs it."""
    health = evaluate(plant)
    if health["verdict"] != "retrain":
        return {"evaluate": health, "train": None}
    return {"evaluate": health, "train": train(plant)}
