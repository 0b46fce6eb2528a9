"""readings → windows → features."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows._input import End, PlantName, Start
from tasks.featurize import compute_features


@flow(name="featurize", flow_run_name="featurize {plant}")
def featurize(plant: PlantName, start: Start = None, end: End = None) -> dict[str, Any]:
    """Compute feature rows from stored readings."""
    return compute_features(plant, start, end)
