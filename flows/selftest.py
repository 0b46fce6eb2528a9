"""Known faults → today's readings → champion: the smallest fault of each sensor that it finds."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows._alone import alone
from flows._input import PlantName, run_name
from tasks.selftest import examine_champion


@flow(name="selftest", flow_run_name=run_name)
@alone
def selftest(plant: PlantName) -> dict[str, Any]:
    """Put known faults into the newest normal readings, and ask which of them the champion finds."""
    return examine_champion(plant)
