"""evaluate; if the verdict says so: train and judge."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows._input import PlantName
from flows.evaluate import evaluate
from flows.train import train


@flow(name="retrain", flow_run_name="retrain {plant}")
def retrain(plant: PlantName) -> dict[str, Any]:
    """Train again if the champion needs it."""
    health = evaluate(plant)
    if health["verdict"] != "retrain":
        return {"evaluate": health, "train": None}
    return {"evaluate": health, "train": train(plant)}
