"""readings → windows → features."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows._alone import alone
from flows._input import End, PlantName, Start, run_name
from tasks.featurize import compute_features


@flow(name="featurize", flow_run_name=run_name)
@alone
def featurize(plant: PlantName, start: Start = None, end: End = None) -> dict[str, Any]:
    """Compute feature rows from stored readings."""
    return compute_features(plant, start, end)
