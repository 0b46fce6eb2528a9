"""Runs, data sets, figures and models in MLflow's words."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheeltapper import __version__, manifest
from wheeltapper.errors import RegistryError

if TYPE_CHECKING:
    import pandas as pd

BUNDLE, MODEL = "wheeltapper.bundle", "wheeltapper.model"
"""Tags of runs, models and versions: the bundle's hash, and the model's URI."""
FOLDER = "bundle"
"""Where the bundle's files lie inside a logged model, beside MLflow's own."""
_OUTPUTS = ("score", "threshold", "severity")
_LONGEST_DIGEST = 36


@dataclass(frozen=True)
class Dataset:
    """What a run has learnt from or was judged on, as MLflow shows it."""

    name: str
    """Such as ``readings`` or ``features``."""
    digest: str
    """Hash of the content; MLflow keeps its first 36 characters."""
    source: str
    """Where it came from, such as ``delta table readings@v3``."""
    context: str
    """What it was used for: ``train``, ``calibrate``, ``validate`` or ``test``."""
    rows: int
    columns: Mapping[str, str]
    """Column → type, one of MLflow's: ``double``, ``string``, ``datetime``, ``boolean``, ``long``."""


@dataclass(frozen=True)
class Version:
    """One registered model of a plant and objective."""

    plant: str
    objective: str
    version: int
    bundle: str
    """Hash that the bundle must have when it is loaded."""
    run_id: str
    source: str
    """Where its files lie, as a URI."""
    model_uri: str
    aliases: tuple[str, ...]


def as_text(value: Any) -> str:
    """Write a setting as text: plain values as they are, anything composed as JSON."""
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, (dict, list, tuple)) else str(value)


def new_metrics(run: Any, metrics: Mapping[str, float]) -> list[Any]:
    """Turn figures into MLflow's; those that the run has already are left out, the others reach its models, too."""
    from mlflow.entities import Metric

    for name, value in metrics.items():
        if math.isinf(value):
            # MLflow would store 1.8e308 in its place.
            raise RegistryError(f"metric '{name}' is infinite: expected a number, or NaN where there is none.")
    # Of two values with the same time MLflow shows the larger one: a new value needs a later time.
    now = max(int(time.time() * 1000), run.info.start_time)
    known = run.data.metrics
    values = [
        Metric(name, float(value), now, 0) for name, value in metrics.items() if not _same(known.get(name), value)
    ]
    return [linked(value, model) for value in values for model in (models_of(run) or (None,))]


def _same(one: float | None, other: float) -> bool:
    return one is not None and (one == other or (math.isnan(one) and math.isnan(other)))


def linked(metric: Any, model_id: str | None) -> Any:
    """Return a figure that is shown at a model as well as at its run."""
    from mlflow.entities import Metric

    # MLflow shows a model's NaN as 0: a figure that does not exist stays with the run.
    shown_at = None if math.isnan(metric.value) else model_id
    return Metric(metric.key, metric.value, metric.timestamp, metric.step, model_id=shown_at)


def models_of(run: Any) -> list[str]:
    """List the identifiers of the models that a run has put out."""
    return [] if run.outputs is None else [one.model_id for one in run.outputs.model_outputs]


def dataset_input(dataset: Dataset) -> Any:
    """Return a data set as MLflow attaches it to a run."""
    from mlflow.entities import Dataset as Shown
    from mlflow.entities import DatasetInput, InputTag

    colspec = [{"type": kind, "name": name, "required": True} for name, kind in dataset.columns.items()]
    size = {"num_rows": dataset.rows, "num_elements": dataset.rows * len(dataset.columns)}
    shown = Shown(
        name=dataset.name,
        digest=dataset.digest[:_LONGEST_DIGEST],
        # The UI shows where a data set came from for files of this machine, and not for Delta tables.
        source_type="local",
        source=json.dumps({"uri": dataset.source}),
        schema=json.dumps({"mlflow_colspec": colspec}),
        profile=json.dumps(size),
    )
    return DatasetInput(shown, tags=[InputTag("mlflow.data.context", dataset.context)])


def write_model(
    place: Path,
    *,
    model: Any,
    files: Mapping[str, bytes],
    bundle: str,
    columns: Sequence[str],
    requirements: Sequence[str],
    example: pd.DataFrame | None,
) -> None:
    """Write what MLflow shows of a model beside the bundle: MLmodel with the signature, requirements, example.

    There is no ``python_function`` in it, so MLflow cannot load it, and nobody runs code by mistake.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    manifest.write(place / FOLDER, files)
    (place / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    described = Model(
        artifact_path=model.artifact_location,
        run_id=model.source_run_id,
        model_id=model.model_id,
        model_uuid=model.model_id,
        signature=ModelSignature(
            inputs=Schema([ColSpec("double", name) for name in columns]),
            outputs=Schema([ColSpec("double", name) for name in _OUTPUTS]),
        ),
    )
    if example is not None:
        split = {"columns": list(columns), "data": example[list(columns)].astype(float).to_numpy().tolist()}
        (place / "input_example.json").write_text(json.dumps(split), encoding="utf-8")
        described.saved_input_example_info = {
            "artifact_path": "input_example.json",
            "type": "dataframe",
            "pandas_orient": "split",
        }
    described.add_flavor("wheeltapper", bundle=FOLDER, bundle_hash=bundle, wheeltapper_version=__version__)
    described.save(str(place / "MLmodel"))


def model_name(plant: str, objective: str) -> str:
    """Return the name under which a plant's models for one objective are registered."""
    return f"{plant}.{objective}"


def as_version(plant: str, objective: str, found: Any, aliases: Mapping[str, str]) -> Version:
    """Read a version back from MLflow.

    Raises
    ------
    RegistryError
        If it lacks the tags that Wheeltapper writes.
    """
    if BUNDLE not in found.tags or MODEL not in found.tags:
        raise RegistryError(
            f"version {found.version} of {model_name(plant, objective)} was not registered by Wheeltapper: "
            f"it lacks the tags {BUNDLE} and {MODEL}. Delete that version in MLflow."
        )
    return Version(
        plant=plant,
        objective=objective,
        version=int(found.version),
        bundle=found.tags[BUNDLE],
        run_id=found.run_id,
        source=found.source,
        model_uri=found.tags[MODEL],
        aliases=tuple(sorted(alias for alias, number in aliases.items() if int(number) == int(found.version))),
    )


def as_row(run: Any) -> dict[str, Any]:
    """Return what people and reports want to know of a run."""
    return {
        "name": run.info.run_name,
        "params": dict(run.data.params),
        "metrics": dict(run.data.metrics),
        "tags": {name: text for name, text in run.data.tags.items() if not name.startswith("mlflow.")},
        "run_id": run.info.run_id,
        "status": run.info.status,
        "model_uri": run.data.tags.get(MODEL),
    }
