"""The databases of a new home: copied from those that were made before, for making them takes five seconds.

The copies are kept in the virtual environment that holds Prefect and MLflow, one for each version of either. They have
the tables of a database that no run has used yet. Both programs look at its revision when they open it, and migrate it
if they want another one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

_OF_ONE_HOME = ("flow_run", "configuration", "runs", "experiments")
"""Tables whose rows belong to one home: runs, keys, and places of files."""


def kept(package: str) -> Path | None:
    """Return where the copy of a package's database is kept; outside a virtual environment no folder is ours: None."""
    if sys.prefix == sys.base_prefix:
        return None
    return Path(sys.prefix) / "cache" / f"{package}-{version(package)}.db"


def is_new(database: Path) -> bool:
    """Say whether nothing is left of a database; a log of changes without its database is something."""
    return not any(database.with_name(database.name + ending).exists() for ending in ("", "-wal", "-shm", "-journal"))


def provide(database: Path, source: Path | None) -> bool:
    """Copy the kept database to where none is yet; return whether that was done.

    One that is there stays as it is, also where another run makes it at the same time.
    """
    if source is None or not is_new(database) or not _is_usable(source):
        return False
    with contextlib.suppress(OSError):
        database.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=database.parent) as folder:
            draft = Path(folder) / database.name
            shutil.copyfile(source, draft)
            os.link(draft, database)  # refuses where one has come meanwhile, which replacing would not
            return True
    return False


def keep(database: Path, target: Path | None) -> None:
    """Keep a copy of a database that was just made and no run has used; where that fails, keep none.

    Parameters
    ----------
    database : Path
    target : Path or None
        What `kept` says.
    """
    if target is None or not database.is_file():
        return
    with contextlib.suppress(OSError, sqlite3.Error):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            draft = Path(folder) / target.name
            with contextlib.closing(sqlite3.connect(database, timeout=20)) as source:
                source.execute("VACUUM INTO ?", (str(draft),))
            if _is_usable(draft):
                draft.replace(target)


def _is_usable(database: Path) -> bool:
    """Say whether a file is a whole database with a revision that no run has used."""
    if not database.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as source:
            sound = source.execute("PRAGMA quick_check").fetchone() == ("ok",)
            revision = source.execute("SELECT version_num FROM alembic_version").fetchone()
            tables = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            used = [source.execute(f"SELECT 1 FROM {name}").fetchone() for name in _OF_ONE_HOME if name in tables]
    except sqlite3.Error:
        return False
    return sound and revision is not None and not any(used)
