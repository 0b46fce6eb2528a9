"""Train one candidate as one run in MLflow, once; its results are stored before the run counts as finished."""

from __future__ import annotations

import logging
import platform
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper import faultpoints, steps, tables
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.registry import Dataset
from wheeltapper.scoring.bundle import EXAMPLE_ROWS, requirements
from wheeltapper.training import table as training_table
from wheeltapper.training.objective import Job, Objective, Trained
from wheeltapper.training.result import DOCUMENT, CandidateResult
from wheeltapper.training.session import Training
from wheeltapper.training.shared import Shared
from wheeltapper.training.table import TrainingTable
from wheeltapper.workspace import Workspace

Draw = Callable[[CandidateResult, Trained, TrainingTable], Mapping[str, Any]]
"""Draws the figures of a candidate for MLflow: name → figure."""

_log = logging.getLogger("wheeltapper.train")


def train_candidate(
    space: Workspace, objective: Objective, training: Training, label: str, shared: Shared, draw: Draw
) -> CandidateResult:
    """Fit and judge one candidate; if its run is already finished, its result is read.

    Raises
    ------
    WheeltapperError
        If it cannot be trained. Its run and the training's run are marked as failed; the next training continues both.
    """
    run_id = space.registry.candidate_run(training.run_id, f"{training.key}:{label}", label)
    if space.registry.finished(run_id):
        _log.info("%s: trained before on the same data", label)
        shared.count(f"candidates done {training.key}")
        return CandidateResult.model_validate(space.registry.document(run_id, DOCUMENT))
    try:
        return _train(space, objective, training, label, run_id, shared, draw)
    except Exception:
        # Otherwise the runs would look as if they were still going on.
        for failed in (run_id, training.run_id):
            space.registry.finish(failed, "FAILED")
        raise


def table_of(space: Workspace, objective: Objective, training: Training, shared: Shared) -> TrainingTable:
    """Return the rows of a training, read once for all its candidates."""
    return shared.get(f"table {training.key}", lambda: training_table.read(space, training.refs, objective.embargo))


def _train(
    space: Workspace, objective: Objective, training: Training, label: str, run_id: str, shared: Shared, draw: Draw
) -> CandidateResult:
    counter = f"candidates done {training.key}"
    steps.report(_log, shared.count(counter, 0), len(training.candidates), "training %s", label)
    baselines = objective.baselines(space.plant)
    table = table_of(space, objective, training, shared)
    provenance = _provenance(space, objective, training, table)
    candidate = (baselines | objective.candidates(space.plant))[label]
    trained = objective.train(Job(space, training, label, candidate, run_id, table, provenance, shared))
    bundle, model_uri = _keep_model(space, training, label, run_id, trained, table)
    result = CandidateResult(
        label=label,
        is_baseline=label in baselines,
        run_id=run_id,
        bundle=bundle,
        model_uri=model_uri,
        judgement=trained.judgement.model_dump(mode="json"),
        self_test=trained.self_test,
        curves=dict(trained.curves),
        thresholds=dict(trained.thresholds),
        calibration=None if trained.calibration is None else dict(trained.calibration),
        search=None if trained.search is None else dict(trained.search),
    )
    space.registry.log(
        run_id,
        params={"detector": trained.options.name, **trained.params}
        | {f"option.{name}": value for name, value in trained.options.options.items()},
        metrics=trained.metrics,
        tags={"baseline": str(result.is_baseline).lower()},
        figures=draw(result, trained, table),
        documents={DOCUMENT: result.document()},
        datasets=_datasets(table, training),
    )
    table.every.give_back()
    faultpoints.hit("train.before_finish")
    space.registry.finish(run_id)
    _log.info("%s: %s", label, trained.summary)
    steps.report(_log, shared.count(counter), len(training.candidates), "candidates trained")
    return result


def _keep_model(
    space: Workspace, training: Training, label: str, run_id: str, trained: Trained, table: TrainingTable
) -> tuple[str, str]:
    """Write the model's bundle and log it with the run; return its hash and MLflow's address of it."""
    folder = space.bundles / training.key / label.replace(" ", "_").replace("/", "_")
    shutil.rmtree(folder, ignore_errors=True)  # left by an earlier attempt that was killed
    model = trained.model
    bundle = model.write(folder)
    packages = [f"{name}=={version(name)}" for name in model.packages]
    return bundle, space.registry.log_bundle(
        run_id, folder, list(model.columns), packages, model.example(_first_rows(table))
    )


def _first_rows(table: TrainingTable) -> pd.DataFrame:
    """Return the first rows that are usable, and those before them."""
    first = np.flatnonzero(table.windows["usable"])[:EXAMPLE_ROWS]
    is_first = np.zeros(len(table.windows), dtype=bool)
    is_first[: first[-1] + 1 if len(first) else EXAMPLE_ROWS] = True
    return table.every.where(is_first).read()


def _provenance(space: Workspace, objective: Objective, training: Training, table: TrainingTable) -> dict[str, Any]:
    """Return the origin of the bundle, without clock or paths: the same inputs give the same bytes."""
    packages = ("wheeltapper", *requirements(FeaturePlan.of(space.plant)))
    return {
        "plant": space.plant.name,
        "settings": objective.settings(space.plant),
        "run": training.key,
        "seed": space.plant.seed,
        "digests": training.digests,
        "learned_until": {asset: str(when) for asset, when in table.cuts["validate_from"].items()},
        "known_until": {str(asset): str(when) for asset, when in table.last_seen().items()},
        "alarms": space.plant.alarms.model_dump(mode="json"),
        "packages": {name: version(name) for name in packages},
        "python": platform.python_version(),
    }


def _datasets(table: TrainingTable, training: Training) -> list[Dataset]:
    ref = training.refs["features"]
    columns = {name: "double" for name in _first_rows(table).columns if name not in tables.FEATURES.names()}
    source = f"delta table {ref.table}@v{ref.version}"
    return [
        Dataset(f"features {part}", ref.digest, source, part, int((table.part == part).sum()), columns)
        for part in ("train", "calibrate", "validate")
    ]
