"""The main job: all of it once."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import flow

from flows._alone import alone
from flows._input import End, PlantName, Start, clock, run_name
from flows._whole import whole
from flows.featurize import featurize
from flows.ingest import ingest
from flows.score import score
from flows.train import train
from tasks.report import write_report
from wheeltapper.readings.delivery.deliver import Ingested
from wheeltapper.scoring.batch import Scored
from wheeltapper.training.choose import TrainingVerdict


@dataclass(frozen=True)
class PipelineRun:
    """Results of a run of the main job."""

    ingest: Ingested
    verdicts: tuple[TrainingVerdict, ...]
    """One for each objective, in the order of the plant's YAML."""
    score: Scored | None
    """None where no model is live."""
    report: str
    """Path of the report."""


@flow(name="pipeline", flow_run_name=run_name)
@alone
def pipeline(plant: PlantName, start: Start = None, end: End = None) -> PipelineRun:
    """Turn readings into a promoted, explained, tracked model and its alarms."""
    ingested = ingest(plant, start, end)
    featurize(plant, start, end)
    verdicts = train(plant)
    scored = score(plant) if verdicts[0].has_champion else None
    report = write_report(plant, whole(verdicts[0].as_dict()), clock())
    return PipelineRun(ingested, tuple(verdicts), scored, report)
