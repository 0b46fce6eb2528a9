"""The connection to MLflow: opened once, locked where things must be unique, patient while the database is busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from wheeltapper.errors import RegistryError
from wheeltapper.registry import moving
from wheeltapper.registry.database import connect, quieten, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LOCK_SECONDS = 120
_PAUSES = (0.5, 2.0)
"""Seconds before a call to a busy database is repeated; SQLite itself has waited 20 s each time."""
_PAGE = 1000
"""Results that a search returns at a time."""


class Client:
    """One experiment of an MLflow database or server.

    Parameters
    ----------
    tracking_uri : str
        ``sqlite:///…`` or the address of an MLflow server.
    artifacts : Path
        Folder of MLflow's files.
    experiment : str
        Name of the plant.
    """

    def __init__(self, tracking_uri: str, artifacts: Path, experiment: str) -> None:
        self.tracking_uri = tracking_uri
        self.artifacts = artifacts
        self.experiment = experiment
        self._opening = threading.Lock()
        self._opened: tuple[MlflowClient, str] | None = None

    def open(self) -> None:
        """Create or migrate the database and the experiment, and follow a home that was moved.

        Only the first call does anything.

        Raises
        ------
        RegistryError
            If the database cannot be opened, was moved without its files, or the experiment was deleted.
        """
        self._open()

    @property
    def experiment_id(self) -> str:
        """MLflow's identifier of the experiment."""
        return self._open()[1]

    def call(self, method: str, /, *args: Any, **options: Any) -> Any:
        """Call one of MLflow's client's methods, again while the database is busy.

        Raises
        ------
        RegistryError
            If MLflow refuses.
        """
        client, _ = self._open()
        return patiently(getattr(client, method), *args, **options)

    def lookup(self, method: str, /, *args: Any) -> Any:
        """Call one of MLflow's client's methods; return None where MLflow has no such thing."""
        try:
            return self.call(method, *args)
        except RegistryError as error:
            code = getattr(error.__cause__, "error_code", None)
            # An alias that is not set is an invalid parameter to MLflow.
            if code == "RESOURCE_DOES_NOT_EXIST" or (code == "INVALID_PARAMETER_VALUE" and "alias" in str(error)):
                return None
            raise

    def search(self, method: str, /, *args: Any, limit: int | None = None, **options: Any) -> list[Any]:
        """Call one of MLflow's searches; return everything that matches, or the first ``limit`` results."""
        results: list[Any] = []
        token = None
        while True:
            page = self.call(method, *args, max_results=limit or _PAGE, page_token=token, **options)
            results.extend(page)
            token = page.token
            if not token or limit:
                return results

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process and thread at a time look for something and create or change it."""
        self.open()
        with self._lock():
            yield

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock beside the database (beside the files, where the database is elsewhere)."""
        place = sqlite_file(self.tracking_uri) or self.artifacts / "registry"
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.with_name(place.name + ".lock"), timeout=_LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout as error:
            raise RegistryError(
                f"another process has held {lock.lock_file} for {_LOCK_SECONDS} s. Wait for it to end, or end it."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _open(self) -> tuple[MlflowClient, str]:
        """Return MLflow's client and the experiment's id."""
        with self._opening:
            if self._opened is None:
                quieten()
                with self._lock():
                    client = connect(self.tracking_uri)
                    database = sqlite_file(self.tracking_uri)
                    if database is not None:
                        moving.follow(database, self.artifacts)
                    self._opened = client, self._find_experiment(client)
            return self._opened

    def _find_experiment(self, client: MlflowClient) -> str:
        experiment = patiently(client.get_experiment_by_name, self.experiment)
        if experiment is None:
            return self._create_experiment(client)
        if experiment.lifecycle_stage != "active":
            raise RegistryError(
                f"the experiment '{self.experiment}' was deleted in MLflow. Bring it back with: "
                f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
            )
        return str(experiment.experiment_id)

    def _create_experiment(self, client: MlflowClient) -> str:
        self.artifacts.mkdir(parents=True, exist_ok=True)
        place = self.artifacts.resolve().as_uri() if sqlite_file(self.tracking_uri) else None
        # The kind keeps the UI from asking whether this is about language models.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(patiently(client.create_experiment, self.experiment, artifact_location=place, tags=tags))


def patiently(action: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call MLflow, again while its database is busy.

    Raises
    ------
    RegistryError
        If MLflow refuses, or its database stays busy.
    """
    from mlflow.exceptions import MlflowException

    for pause in (*_PAUSES, None):
        try:
            return action(*args, **options)
        except MlflowException as error:
            if error.error_code != "TEMPORARILY_UNAVAILABLE" or pause is None:
                name = getattr(action, "__name__", "MLflow").replace("_", " ")
                raise RegistryError(f"MLflow could not {name}: {error}") from error
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")
