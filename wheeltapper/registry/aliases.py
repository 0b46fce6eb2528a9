"""Aliases: which version is live (champion), scores in the shadow (challenger) or was live before (previous).

MLflow itself lets the last writer of an alias win. Here a change states the version that it expects, under a lock:
exactly one of several racing changes succeeds.
"""

from __future__ import annotations

from wheeltapper import faultpoints
from wheeltapper.errors import RegistryError
from wheeltapper.registry.client import Client
from wheeltapper.registry.models import Models
from wheeltapper.registry.names import CHALLENGER, CHAMPION, PREVIOUS, model_name
from wheeltapper.registry.versions import Version, as_version


class Aliases:
    """The aliases of the versions of each plant's objective."""

    def __init__(self, client: Client, models: Models) -> None:
        self._client = client
        self._models = models

    def champion(self, plant: str, objective: str) -> Version | None:
        """Return the version that is live, or None."""
        return self.at(plant, objective, CHAMPION)

    def challenger(self, plant: str, objective: str) -> Version | None:
        """Return the version that scores in the shadow, or None."""
        return self.at(plant, objective, CHALLENGER)

    def at(self, plant: str, objective: str, alias: str) -> Version | None:
        """Return the version that an alias (``champion``, ``challenger``, ``previous``) points at, or None."""
        name = model_name(plant, objective)
        model = self._client.lookup("get_registered_model", name)
        if model is None or alias not in model.aliases:
            return None
        registered = self._client.call("get_model_version", name, model.aliases[alias])
        return as_version(plant, objective, registered, dict(model.aliases))

    def set_alias(self, plant: str, objective: str, alias: str, version: int, *, expected: int | None) -> None:
        """Point an alias at a version, if it still points at the version that the caller expects.

        When the champion changes, ``previous`` points at the version that was champion. An alias that points
        at ``version`` already stays as it is: the caller repeats a change that succeeded.

        Parameters
        ----------
        expected : int or None
            The version that the alias points at now; None if it is not set.

        Raises
        ------
        RegistryError
            If another process moved the alias meanwhile, or there is no such version.
        """
        name = model_name(plant, objective)
        with self._client.locked():
            current = self._require_expected(plant, objective, alias, version, expected)
            if current == version:
                return
            self._require_version(plant, objective, version)
            # The champion's alias comes last: it alone decides, and until it moves nothing has happened.
            if alias == CHAMPION and current is not None:
                self._client.call("set_registered_model_alias", name, PREVIOUS, str(current))
            self._client.call("set_registered_model_alias", name, alias, str(version))
        faultpoints.hit("registry.after_alias")

    def drop_alias(self, plant: str, objective: str, alias: str, *, expected: int | None) -> None:
        """Remove an alias, if it still points at the version that the caller expects; one that is not set stays so.

        Raises
        ------
        RegistryError
            If another process moved the alias meanwhile.
        """
        with self._client.locked():
            if self._require_expected(plant, objective, alias, None, expected) is not None:
                self._client.call("delete_registered_model_alias", model_name(plant, objective), alias)

    def _require_expected(
        self, plant: str, objective: str, alias: str, target: int | None, expected: int | None
    ) -> int | None:
        """Return the version that the alias points at; it must be the expected one, or the target already."""
        version = self.at(plant, objective, alias)
        current = None if version is None else version.version
        if current not in (expected, target):
            raise RegistryError(
                f"{model_name(plant, objective)}: expected {alias} to be {_described(expected)}, but it is "
                f"{_described(current)}: another process changed it meanwhile. Nothing was changed; look at the new "
                "version and decide again."
            )
        return current

    def _require_version(self, plant: str, objective: str, version: int) -> None:
        name = model_name(plant, objective)
        if self._client.lookup("get_model_version", name, str(version)) is None:
            numbers = ", ".join(str(existing.version) for existing in self._models.versions(plant, objective))
            raise RegistryError(f"{name} has no version {version} (it has: {numbers or 'none'}).")


def _described(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"
