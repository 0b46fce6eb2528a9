"""MLflow's database, opened quietly: made once, migrated after a copy, asked again while it is busy."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from wheeltapper.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAUSES = (0.5, 2.0)
"""Seconds before a busy database is asked again; SQLite itself has waited 20 s each time."""


def quieten() -> None:
    """Keep MLflow from calling home and from talking on the terminal; must come before its first import."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    import mlflow  # noqa: F401  (its own set-up of the loggers must come before ours)

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # It announces every new database, and prints a traceback for every error that it raises all the same.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def connect(tracking_uri: str) -> MlflowClient:
    """Open the database; the first time makes its tables, a newer MLflow's first time migrates them.

    Raises
    ------
    RegistryError
        If it cannot be opened, or was made by a newer MLflow.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _migrate(tracking_uri)
        client = MlflowClient(tracking_uri, registry_uri=tracking_uri)
        client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise RegistryError(f"MLflow cannot open {tracking_uri}: {error}") from error
    return client


def _migrate(tracking_uri: str) -> None:
    """Bring an older MLflow's database up to date, after a copy of it was put beside it."""
    from alembic.util import CommandError
    from mlflow.store.db import utils

    database = sqlite_file(tracking_uri)
    revision = None if database is None or not database.exists() else _revision(database)
    if revision is None or revision == utils._get_latest_schema_revision():
        return
    with closing(sqlite3.connect(f"{database}.{revision}")) as copy, closing(sqlite3.connect(str(database))) as old:
        old.backup(copy)
    engine = utils.create_sqlalchemy_engine_with_retry(tracking_uri)
    try:
        utils._upgrade_db(engine)
    except CommandError as error:
        raise RegistryError(
            f"{database} was made by a newer MLflow (its schema is {revision}). Install that version again, "
            "or begin with another WHEELTAPPER_HOME."
        ) from error
    finally:
        engine.dispose()


def _revision(database: Path) -> str | None:
    """Return the version of a database's schema, or None where there is none yet."""
    with closing(sqlite3.connect(str(database))) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
    return None if found is None else str(found[0])


def patiently(action: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call MLflow; ask again where the database is busy, and turn a refusal into our own error."""
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


def sqlite_file(tracking_uri: str) -> Path | None:
    """Return the database's file, or None where it is not SQLite."""
    return Path(tracking_uri.removeprefix("sqlite:///")) if tracking_uri.startswith("sqlite:///") else None


def local_path(uri: str) -> Path | None:
    """Return the path that a URI names on this machine, or None where it lies elsewhere."""
    parts = urlparse(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(uri) if Path(uri).is_absolute() else None


def quoted(text: str) -> str:
    """Write a text the way that MLflow's searches want it."""
    if not text.isprintable() or "'" in text or '"' in text or "\\" in text:
        raise RegistryError(f"expected a key without quotes and backslashes, got {text!r}.")
    return f"'{text}'"
