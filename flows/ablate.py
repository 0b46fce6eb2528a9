"""the plant, with and without each part → the effect of the part."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field

from flows._input import PlantName, clock, run_name
from flows._runner import runner
from tasks.ablate import plan_ablation, run_trial, sum_up

Study = Annotated[
    Literal["all", "scaling", "features", "sampling", "seeds"], Field(description="The part that is varied.")
]
Seeds = Annotated[int, Field(ge=2, le=100, description="Seeds of each variant; three at least tell luck from merit.")]
DetectorName = Annotated[str, Field(description="Detector that is fitted; empty: the plant's first candidate.")]


@flow(name="ablate", flow_run_name=run_name, task_runner=runner())
def ablate(plant: PlantName, study: Study = "all", seeds: Seeds = 3, detector: DetectorName = "") -> dict[str, Any]:
    """Measure the effect of regimes, feature sets and sampling, or of luck; no model is stored or promoted."""
    begun = [run_trial.submit(plant, trial) for trial in plan_ablation(plant, study, seeds, detector)]
    return sum_up(plant, [outcome for trial in begun for outcome in trial.result()], clock())
