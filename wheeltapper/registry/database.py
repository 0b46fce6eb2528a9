"""MLflow's database, opened without output: created once, and migrated after a copy."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from wheeltapper.errors import RegistryError
from wheeltapper.station import new_database

if TYPE_CHECKING:
    from mlflow import MlflowClient


def quieten() -> None:
    """Switch MLflow's telemetry and its output on the terminal off; must be called before its first import."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    import mlflow  # noqa: F401  (its own set-up of the loggers must come before ours)

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # It logs every new database, and prints a traceback for every error that it also raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def connect(tracking_uri: str) -> MlflowClient:
    """Open the database; create its tables if it is new, migrate them if an older MLflow made them.

    Raises
    ------
    RegistryError
        If it cannot be opened, or a newer MLflow made it.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _create(tracking_uri)
        _migrate(tracking_uri)
        client = MlflowClient(tracking_uri, registry_uri=tracking_uri)
        client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise RegistryError(f"MLflow cannot open {tracking_uri}: {error}") from error
    return client


def _create(tracking_uri: str) -> None:
    """Make the tables of a new database, all or nothing: MLflow cannot go on from half of them.

    They are copied from those of another home where there are any, for making them takes MLflow a second. Else they are
    made in a file beside it, which then gets its name; of two runs that do so at once, the first one's stays.
    """
    database = sqlite_file(tracking_uri)
    if database is None or not new_database.is_new(database):
        return
    kept = new_database.kept("mlflow")
    if new_database.provide(database, kept):
        return
    from mlflow.store.db import utils

    database.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=database.parent, prefix=f".{database.name}.") as folder:
        draft = Path(folder) / database.name
        engine = utils.create_sqlalchemy_engine_with_retry(f"sqlite:///{draft}")
        try:
            utils._initialize_tables(engine)
        finally:
            engine.dispose()
        new_database.keep(draft, kept)
        with contextlib.suppress(FileExistsError):
            os.link(draft, database)


def _migrate(tracking_uri: str) -> None:
    """Migrate the database of an older MLflow, after copying it to a file beside it."""
    from alembic.util import CommandError
    from mlflow.store.db import utils

    database = sqlite_file(tracking_uri)
    revision = None if database is None or not database.exists() else schema_revision(database)
    if revision is None or revision == utils._get_latest_schema_revision():
        return
    with closing(sqlite3.connect(f"{database}.{revision}")) as copy, closing(sqlite3.connect(str(database))) as source:
        source.backup(copy)
    engine = utils.create_sqlalchemy_engine_with_retry(tracking_uri)
    try:
        utils._upgrade_db(engine)
    except CommandError as error:
        raise RegistryError(
            f"{database} was made by a newer MLflow (its schema is {revision}). Install that version again, "
            "or start with another WHEELTAPPER_HOME."
        ) from error
    finally:
        engine.dispose()


def schema_revision(database: Path) -> str | None:
    """Return the version of a database's schema, or None if it has no schema yet."""
    with closing(sqlite3.connect(str(database))) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
    return None if row is None else str(row[0])


def sqlite_file(tracking_uri: str) -> Path | None:
    """Return the database's file, or None if it is not SQLite.

    >>> sqlite_file("sqlite:////home/plant/mlflow.db").name
    'mlflow.db'
    """
    return Path(tracking_uri.removeprefix("sqlite:///")) if tracking_uri.startswith("sqlite:///") else None
