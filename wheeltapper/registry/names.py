"""Names under which Wheeltapper's runs, models and versions lie in MLflow."""

from __future__ import annotations

from wheeltapper.errors import RegistryError

RUN_KEY, ROLE = "wheeltapper.run", "wheeltapper.role"
"""Tags of runs: the key that a run is found by, and what it is (``parent``, ``candidate`` or ``trial``)."""
BUNDLE, MODEL = "wheeltapper.bundle", "wheeltapper.model"
"""Tags of runs, models and versions: the bundle's hash, and the model's URI."""
PARENT, VERSIONS = "mlflow.parentRunId", "mlflow.modelVersions"
"""MLflow's own tags: the run above a run, and the versions that a model's page shows."""
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
"""Aliases of versions: the live version, the one that scores in the shadow, and the one that was live before."""
_MODEL_URI = "models:/"


def model_name(plant: str, objective: str) -> str:
    """Return the name under which a plant's models for one objective are registered.

    >>> model_name("pump_station", "detect")
    'pump_station.detect'
    """
    return f"{plant}.{objective}"


def uri_of_model(model_id: str) -> str:
    """Return the URI of a logged model.

    >>> uri_of_model("m-1f2e")
    'models:/m-1f2e'
    """
    return f"{_MODEL_URI}{model_id}"


def id_of_model(uri: str) -> str:
    """Return the identifier in a logged model's URI.

    >>> id_of_model("models:/m-1f2e")
    'm-1f2e'
    """
    return uri.removeprefix(_MODEL_URI)


def tagged(tags: dict[str, str]) -> str:
    """Write the condition of a search in MLflow for everything that carries all these tags.

    >>> tagged({"wheeltapper.role": "parent"})
    "tags.`wheeltapper.role` = 'parent'"

    Raises
    ------
    RegistryError
        If a value holds quotes or backslashes, which would change what is searched for.
    """
    return " and ".join(f"tags.`{name}` = {quoted(value)}" for name, value in tags.items())


def quoted(text: str) -> str:
    """Quote a text for a search in MLflow.

    >>> quoted("pump_station.detect")
    "'pump_station.detect'"

    Raises
    ------
    RegistryError
        If the text holds quotes or backslashes, which would change what is searched for.
    """
    if not text.isprintable() or "'" in text or '"' in text or "\\" in text:
        raise RegistryError(f"expected a key without quotes and backslashes, got {text!r}.")
    return f"'{text}'"
