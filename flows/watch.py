"""New readings → features → scores → alarms: one parent flow, because separate runs would start 20 s later each."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect import flow

from flows._input import PlantName, run_name, with_form
from wheeltapper import unchanged

if TYPE_CHECKING:
    from wheeltapper.readings.delivery.deliver import Ingested
    from wheeltapper.scoring.batch import Scored

_log = logging.getLogger("wheeltapper.watch")


@dataclass(frozen=True)
class Watched:
    """The results of one look at a plant; None where nothing had happened since the one before."""

    ingest: Ingested | None = None
    score: Scored | None = None


@flow(name="watch", flow_run_name=run_name)
@with_form
def watch(plant: PlantName) -> Watched:
    """Store the readings that are new, score them with the champion and raise alarms."""
    if unchanged.title(plant) is not None:
        _log.info("nothing is new")
        return Watched()
    from flows._look import look

    return Watched(*look(plant))
