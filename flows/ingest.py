"""source → clean → check → readings, quarantine, Data Docs."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows._alone import alone
from flows._input import End, PlantName, Start, clock, run_name
from tasks.ingest import ingest_readings


@flow(name="ingest", flow_run_name=run_name)
@alone
def ingest(plant: PlantName, start: Start = None, end: End = None) -> dict[str, Any]:
    """Take readings in; put aside, with its reason, what cannot be trusted."""
    return ingest_readings(plant, start, end, clock())
