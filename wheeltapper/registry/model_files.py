"""The files of a logged model: the bundle, and beside it what MLflow shows of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from wheeltapper import __version__, manifest
from wheeltapper.errors import BundleError

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = "bundle"
"""Where the bundle's files lie inside a logged model, beside MLflow's own."""
_EXAMPLE = "input_example.json"
_OUTPUTS = ("score", "threshold", "severity")


def write(
    place: Path,
    *,
    model: Any,
    files: Mapping[str, bytes],
    bundle: str,
    columns: Sequence[str],
    requirements: Sequence[str],
    example: pd.DataFrame | None,
) -> None:
    """Write a bundle and what MLflow shows of it: MLmodel with the signature, requirements, example.

    There is no ``python_function`` in it: MLflow cannot load it, so its code is never run by mistake.
    """
    manifest.write(place / _FOLDER, files)
    (place / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    description = _describe(model, columns)
    if example is not None:
        description.saved_input_example_info = _write_example(place, columns, example)
    description.add_flavor("wheeltapper", bundle=_FOLDER, bundle_hash=bundle, wheeltapper_version=__version__)
    description.save(str(place / "MLmodel"))


def _describe(model: Any, columns: Sequence[str]) -> Any:
    """Return MLflow's description of a model whose inputs and outputs are columns of numbers."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    return Model(
        artifact_path=model.artifact_location,
        run_id=model.source_run_id,
        model_id=model.model_id,
        model_uuid=model.model_id,
        signature=ModelSignature(
            inputs=Schema([ColSpec("double", name) for name in columns]),
            outputs=Schema([ColSpec("double", name) for name in _OUTPUTS]),
        ),
    )


def _write_example(place: Path, columns: Sequence[str], example: pd.DataFrame) -> dict[str, str]:
    """Write a few rows of input, and return how MLmodel names their file."""
    rows = example[list(columns)].astype(float).to_numpy().tolist()
    (place / _EXAMPLE).write_text(json.dumps({"columns": list(columns), "data": rows}), encoding="utf-8")
    return {"artifact_path": _EXAMPLE, "type": "dataframe", "pandas_orient": "split"}


def bundle_uri(model_location: str) -> str:
    """Return where the bundle of a logged model lies.

    >>> bundle_uri("file:///srv/plant/mlartifacts/models/m-1f2e/artifacts/")
    'file:///srv/plant/mlartifacts/models/m-1f2e/artifacts/bundle'
    """
    return f"{model_location.rstrip('/')}/{_FOLDER}"


def are_complete(model: Any, bundle: str) -> bool:
    """Say whether all files of a logged model arrived and, if they lie on this machine, are still as they were."""
    if str(model.status) != "READY":
        return False
    folder = local_path(bundle_uri(model.artifact_location))
    try:
        return folder is None or manifest.verify(folder, bundle) == bundle
    except BundleError:
        return False


def local_path(uri: str) -> Path | None:
    """Return the path that a URI names on this machine, or None if it lies elsewhere.

    >>> local_path("file:///srv/plant/mlartifacts").as_posix(), local_path("s3://plant/mlartifacts")
    ('/srv/plant/mlartifacts', None)
    """
    parts = urlparse(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(uri) if Path(uri).is_absolute() else None
