"""source → clean → check → readings, quarantine, Data Docs → flags of sensors that do not measure."""

from __future__ import annotations

from prefect import flow

from flows._alone import alone
from flows._input import End, OnlyNew, PlantName, Start, clock, run_name
from tasks.flag import flag_sensors
from tasks.ingest import ingest_readings
from tasks.watch import find_start
from wheeltapper.readings.delivery.deliver import Ingested


@flow(name="ingest", flow_run_name=run_name)
@alone
def ingest(plant: PlantName, start: Start = None, end: End = None, new: OnlyNew = False) -> Ingested:
    """Store the source's readings; rows that cannot be trusted go to quarantine with a reason."""
    begin = find_start(plant) if new and end is not None else start
    ingested = ingest_readings(plant, begin, end, clock(), new)
    flag_sensors(plant)
    return ingested
