"""A home that was moved or copied: MLflow keeps whole paths, and they follow the database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from wheeltapper.errors import RegistryError

_PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's database that hold places of files."""

_OURS = """
SELECT DISTINCT artifact_location FROM experiments JOIN experiment_tags USING (experiment_id)
WHERE key = 'mlflow.experimentKind' AND artifact_location LIKE 'file:%'
"""
"""Where the files of the plants' experiments lie; MLflow's own experiment lacks the tag."""


def follow(database: Path, artifacts: Path) -> None:
    """Let a database that was moved with its files find them again; one that was not moved stays as it is.

    Parameters
    ----------
    database : Path
        MLflow's database, which has its tables.
    artifacts : Path
        Folder of MLflow's files in the same home.

    Raises
    ------
    RegistryError
        If the database was moved without its files.
    """
    here = artifacts.resolve().as_uri()
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        others = [place for (place,) in connection.execute(_OURS) if place != here and _is_same_name(place, artifacts)]
        if others and not artifacts.is_dir():
            raise RegistryError(
                f"{database} was moved without its files: they were in {others[0]}, and {artifacts} is not there. "
                "Move or copy all of WHEELTAPPER_HOME, or begin with another one."
            )
        with connection:
            for place in others:
                _rewrite(connection, place, here)


def _is_same_name(place: str, artifacts: Path) -> bool:
    """Leave alone what somebody has put into a folder of another name on purpose."""
    return place.rpartition("/")[2] == artifacts.name


def _rewrite(connection: sqlite3.Connection, before: str, after: str) -> None:
    """Replace the beginning of every path that leads to the folder or into it."""
    for table, column in _PATHS:
        connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR substr({column}, 1, ?) = ?",
            (after, len(before) + 1, before, len(before) + 1, before + "/"),
        )
