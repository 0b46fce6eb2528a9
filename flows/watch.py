"""New readings → features → scores → alarms: one parent flow, because separate runs would start 20 s later each."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import flow

from flows._alone import alone
from flows._input import PlantName, clock, run_name
from flows.featurize import featurize
from flows.ingest import ingest
from flows.score import score
from tasks.give_up import give_up_old_versions
from wheeltapper.config import Settings
from wheeltapper.readings.delivery.deliver import Ingested
from wheeltapper.scoring.batch import Scored


@dataclass(frozen=True)
class Watched:
    """The results of one look at a plant."""

    ingest: Ingested
    score: Scored


@flow(name="watch", flow_run_name=run_name)
@alone
def watch(plant: PlantName) -> Watched:
    """Store the readings that are new, score them with the champion and raise alarms."""
    ingested = ingest(plant, new=True)
    featurize(plant)
    scored = score(plant)
    if Settings().keep_versions is not None:
        give_up_old_versions(plant, clock())
    return Watched(ingested, scored)
