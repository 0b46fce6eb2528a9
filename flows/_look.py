"""One look at a plant: what `watch` does unless nothing has happened; imported only then, as large packages are."""

from __future__ import annotations

from flows._alone import alone
from flows._input import PlantName, clock
from flows.featurize import featurize
from flows.ingest import ingest
from flows.score import score
from tasks.give_up import give_up_old_versions
from wheeltapper.config import Settings
from wheeltapper.readings.delivery import quiet
from wheeltapper.readings.delivery.deliver import Ingested
from wheeltapper.scoring.batch import Scored
from wheeltapper.unchanged import Look
from wheeltapper.workspace import Workspace


@alone
def look(plant: PlantName) -> tuple[Ingested, Scored]:
    """Store the readings that are new, score them with the champion and raise alarms."""
    begun = Look.begin(Settings(), plant)
    ingested = ingest(plant, new=True)
    featurize(plant)
    scored = score(plant)
    if Settings().keep_versions is not None:
        give_up_old_versions(plant, clock())
    quiet.end(Workspace.open(plant), begun)
    return ingested, scored
