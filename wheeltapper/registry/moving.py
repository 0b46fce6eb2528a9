"""A home that was moved or copied: MLflow stores whole paths, which are corrected when the database is opened."""

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
    """Correct the paths in a database that was moved with its files; one that was not moved stays as it is.

    Parameters
    ----------
    database : Path
        MLflow's database, with its tables.
    artifacts : Path
        Folder of MLflow's files in the same home.

    Raises
    ------
    RegistryError
        If the database was moved without its files.
    """
    current = artifacts.resolve().as_uri()
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        places = [place for (place,) in connection.execute(_OURS)]
        former = [place for place in places if place != current and _is_same_name(place, artifacts)]
        if former and not artifacts.is_dir():
            raise RegistryError(
                f"{database} was moved without its files: they were in {former[0]}, and {artifacts} does not exist. "
                "Move or copy all of WHEELTAPPER_HOME, or start with another one."
            )
        with connection:
            for place in former:
                _rewrite(connection, place, current)


def _is_same_name(place: str, artifacts: Path) -> bool:
    """Say whether a place has the folder's name; the user has chosen any other name on purpose."""
    return place.rpartition("/")[2] == artifacts.name


def _rewrite(connection: sqlite3.Connection, before: str, after: str) -> None:
    """Replace the beginning of every path that leads to the folder or into it."""
    for table, column in _PATHS:
        connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR substr({column}, 1, ?) = ?",
            (after, len(before) + 1, before, len(before) + 1, before + "/"),
        )
