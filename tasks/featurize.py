"""Featurize: compute feature rows from readings, part by part, and check them against their expectations."""

from __future__ import annotations

import logging
from datetime import datetime

from prefect import task

from expectations import features as promises
from tasks import DEFAULTS
from wheeltapper import steps
from wheeltapper.features import table
from wheeltapper.features.job import FeatureJob, FeaturePart, plan_job
from wheeltapper.features.table import ComputedPart, Featurized
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.featurize")


@task(name="plan features", **DEFAULTS)
def plan_features(plant: str, start: datetime | None, end: datetime | None) -> FeatureJob:
    """Plan the computation: everything, or only the windows that contain a new reading."""
    return plan_job(Workspace.open(plant), start, end)


@task(name="compute features", **DEFAULTS)
def compute_part(plant: str, job: FeatureJob, part: FeaturePart) -> ComputedPart:
    """Compute the feature rows of one part and write them beside the table."""
    steps.report(_log, job.parts.index(part), len(job.parts), "computing features, part %s", part.name)
    return table.compute_part(Workspace.open(plant), job, part, promises.check)


@task(name="store features", **DEFAULTS)
def store_features(plant: str, job: FeatureJob, parts: list[ComputedPart]) -> Featurized:
    """Make computed parts the newest version of the table."""
    stored = table.store_parts(Workspace.open(plant), job, parts)
    share = f"{stored.usable / stored.windows:.0%}"
    _log.info("%s windows with %d features, %s usable", f"{stored.windows:,}", stored.columns, share)
    return stored


@task(name="update features", **DEFAULTS)
def update_features(plant: str, job: FeatureJob) -> Featurized:
    """Compute the windows of a job's parts again and keep all others."""
    updated = table.update(Workspace.open(plant), job, promises.check)
    if not updated.windows:
        _log.info("no new windows")
        return updated
    share = f"{updated.usable / updated.windows:.0%}"
    text = "%s windows with %d features computed anew, %s usable"
    _log.info(text, f"{updated.windows:,}", updated.columns, share)
    return updated
