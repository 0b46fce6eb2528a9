"""champion.score(features) → scores → alarms."""

from __future__ import annotations

from prefect import flow

from flows._alone import alone
from flows._input import PlantName, run_name
from tasks.score import score_windows
from wheeltapper.scoring.batch import Scored


@flow(name="score", flow_run_name=run_name)
@alone
def score(plant: PlantName) -> Scored:
    """Score the newest windows with the champion, and with the challenger in its shadow."""
    return score_windows(plant)
