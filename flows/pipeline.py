"""The main job: all of it once."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows._alone import alone
from flows._input import End, PlantName, Start, clock, run_name
from flows.featurize import featurize
from flows.ingest import ingest
from flows.score import score
from flows.train import train
from tasks.report import write_report


@flow(name="pipeline", flow_run_name=run_name)
@alone
def pipeline(plant: PlantName, start: Start = None, end: End = None) -> dict[str, Any]:
    """Turn readings into a promoted, explained, tracked model and its alarms."""
    taken = ingest(plant, start, end)
    featurize(plant, start, end)
    trained = train(plant)
    scored = score(plant) if trained["has_champion"] else None
    report = write_report(plant, trained, clock())
    return {"ingest": taken, "train": trained, "score": scored, "report": report}
