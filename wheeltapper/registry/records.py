"""The settings, figures and data sets of a run in MLflow's classes, and a run as a row of figures."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wheeltapper.errors import RegistryError
from wheeltapper.registry.names import MODEL

_LONGEST_DIGEST = 36


@dataclass(frozen=True)
class Dataset:
    """Data that a run has learnt from or was judged on, as MLflow shows it."""

    name: str
    """Such as ``readings`` or ``features``."""
    digest: str
    """Hash of the content; MLflow keeps its first 36 characters."""
    source: str
    """Where it came from, such as ``delta table readings@v3``."""
    context: str
    """Its use: ``train``, ``calibrate``, ``validate`` or ``test``."""
    rows: int
    columns: Mapping[str, str]
    """Column → type, one of MLflow's: ``double``, ``string``, ``datetime``, ``boolean``, ``long``."""


def as_text(value: Any) -> str:
    """Write a setting as text: plain values as they are, mappings and lists as JSON.

    >>> as_text(20), as_text(["latest", "rates"])
    ('20', '["latest", "rates"]')
    """
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, (dict, list, tuple)) else str(value)


def changed_metrics(run: Any, metrics: Mapping[str, float]) -> list[Any]:
    """Return the figures that the run does not have yet, as MLflow's metrics of the run and of its models.

    Raises
    ------
    RegistryError
        If a figure is infinite.
    """
    from mlflow.entities import Metric

    for name, value in metrics.items():
        if math.isinf(value):
            # MLflow would store 1.8e308 in its place.
            raise RegistryError(f"metric '{name}' is infinite: expected a number, or NaN where there is none.")
    # MLflow shows the larger of two values with the same time: a new value needs a later time.
    now = max(int(time.time() * 1000), run.info.start_time)
    stored = run.data.metrics
    changed = [
        Metric(name, float(value), now, 0) for name, value in metrics.items() if not _is_same(stored.get(name), value)
    ]
    return [metric_of_model(metric, model) for metric in changed for model in (models_of(run) or (None,))]


def _is_same(stored: float | None, value: float) -> bool:
    return stored is not None and (stored == value or (math.isnan(stored) and math.isnan(value)))


def metric_of_model(metric: Any, model_id: str | None) -> Any:
    """Return a metric that MLflow shows at a model as well as at its run."""
    from mlflow.entities import Metric

    # MLflow shows a model's NaN as 0: a figure that does not exist stays with the run.
    shown_at = None if math.isnan(metric.value) else model_id
    return Metric(metric.key, metric.value, metric.timestamp, metric.step, model_id=shown_at)


def models_of(run: Any) -> list[str]:
    """List the identifiers of the models that a run has logged."""
    return [] if run.outputs is None else [output.model_id for output in run.outputs.model_outputs]


def dataset_input(dataset: Dataset) -> Any:
    """Return a data set as MLflow attaches it to a run."""
    from mlflow import entities

    colspec = [{"type": kind, "name": name, "required": True} for name, kind in dataset.columns.items()]
    size = {"num_rows": dataset.rows, "num_elements": dataset.rows * len(dataset.columns)}
    shown = entities.Dataset(
        name=dataset.name,
        digest=dataset.digest[:_LONGEST_DIGEST],
        # The UI shows the source of data sets that are files of this machine, and not of Delta tables.
        source_type="local",
        source=json.dumps({"uri": dataset.source}),
        schema=json.dumps({"mlflow_colspec": colspec}),
        profile=json.dumps(size),
    )
    return entities.DatasetInput(shown, tags=[entities.InputTag("mlflow.data.context", dataset.context)])


def as_row(run: Any) -> dict[str, Any]:
    """Return what people and reports read of a run."""
    return {
        "name": run.info.run_name,
        "params": dict(run.data.params),
        "metrics": dict(run.data.metrics),
        "tags": {name: text for name, text in run.data.tags.items() if not name.startswith("mlflow.")},
        "run_id": run.info.run_id,
        "status": run.info.status,
        "model_uri": run.data.tags.get(MODEL),
    }
