"""A version: one registered model of a plant's objective, with the hash that its bundle must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wheeltapper.errors import RegistryError
from wheeltapper.registry.names import BUNDLE, MODEL, model_name


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


def as_version(plant: str, objective: str, registered: Any, aliases: Mapping[str, str]) -> Version:
    """Return one of MLflow's registered versions as ours.

    Parameters
    ----------
    registered : mlflow.entities.model_registry.ModelVersion
        The version that MLflow returned.
    aliases : mapping
        Alias → number of the version that it points at.

    Raises
    ------
    RegistryError
        If it lacks the tags that Wheeltapper writes.
    """
    if BUNDLE not in registered.tags or MODEL not in registered.tags:
        raise RegistryError(
            f"version {registered.version} of {model_name(plant, objective)} was not registered by Wheeltapper: "
            f"it lacks the tags {BUNDLE} and {MODEL}. Delete that version in MLflow."
        )
    number = int(registered.version)
    return Version(
        plant=plant,
        objective=objective,
        version=number,
        bundle=registered.tags[BUNDLE],
        run_id=registered.run_id,
        source=registered.source,
        model_uri=registered.tags[MODEL],
        aliases=tuple(sorted(alias for alias, target in aliases.items() if int(target) == number)),
    )
