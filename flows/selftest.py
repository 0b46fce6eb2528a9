"""Known faults → today's readings → champion: the smallest fault of each sensor that it finds."""

from __future__ import annotations

from prefect import flow

from flows._alone import alone
from flows._input import PlantName, run_name
from tasks.selftest import examine_champion
from wheeltapper.selftest.champion import Examined


@flow(name="selftest", flow_run_name=run_name)
@alone
def selftest(plant: PlantName) -> Examined:
    """Inject faults into the newest normal readings, and determine which of them the champion finds."""
    return examine_champion(plant)
