"""readings → windows → features, a part at a time; only new windows, unless the feature plan is new."""

from __future__ import annotations

from prefect import flow

from flows._alone import alone
from flows._input import End, PlantName, Start, run_name
from flows._runner import runner
from tasks.featurize import compute_part, plan_features, store_features, update_features
from wheeltapper.features.table import Featurized


@flow(name="featurize", flow_run_name=run_name, task_runner=runner())
@alone
def featurize(plant: PlantName, start: Start = None, end: End = None) -> Featurized:
    """Compute feature rows from stored readings."""
    job = plan_features(plant, start, end)
    if not job.is_whole:
        return update_features(plant, job)
    if len(job.parts) == 1:
        return store_features(plant, job, [compute_part(plant, job, job.parts[0])])
    parts = [compute_part.submit(plant, job, part) for part in job.parts]
    return store_features(plant, job, [part.result() for part in parts])
