"""Prefect's database of a new home: copied where it was made before, and never over one that is there."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys

import pytest

from wheeltapper.station import new_database


def make(path, *statements):
    """Make a database like one of Prefect's that no run has used, and run statements in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = ("alembic_version (version_num)", "flow_run (id)", "configuration (key)")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for table in tables:
            database.execute(f"CREATE TABLE {table}")
        database.execute("INSERT INTO alembic_version VALUES ('abc')")
        for statement in statements:
            database.execute(statement)
    return path


def revision(path):
    """Return a database's revision."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_a_new_home_gets_the_kept_database_and_one_that_is_there_stays(tmp_path):
    """Kept, provided, and not provided a second time."""
    kept, home = tmp_path / "cache" / "prefect.db", tmp_path / "home" / "prefect.db"
    new_database.keep(make(tmp_path / "made.db"), kept)
    assert new_database.provide(home, kept)
    assert revision(home) == "abc"
    assert [path.name for path in home.parent.iterdir()] == ["prefect.db"]
    with contextlib.closing(sqlite3.connect(home)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'later'")
    assert not new_database.provide(home, kept)
    assert revision(home) == "later"


def test_a_log_without_its_database_is_no_new_home(tmp_path):
    """SQLite would write the log's changes into the copy."""
    kept = make(tmp_path / "kept.db")
    (tmp_path / "prefect.db-wal").write_bytes(b"changes")
    assert not new_database.provide(tmp_path / "prefect.db", kept)


@pytest.mark.parametrize("statement", ["INSERT INTO flow_run VALUES (1)", "INSERT INTO configuration VALUES ('KEY')"])
def test_a_database_that_holds_runs_or_keys_is_not_kept(tmp_path, statement):
    """What belongs to one home does not get into another."""
    new_database.keep(make(tmp_path / "made.db", statement), tmp_path / "kept.db")
    assert not (tmp_path / "kept.db").exists()


@pytest.mark.parametrize("content", [b"", b"not a database", None])
def test_without_a_sound_copy_prefect_makes_its_database_itself(tmp_path, content):
    """A copy that is missing, empty or broken is left aside."""
    kept = tmp_path / "kept.db"
    if content is not None:
        kept.write_bytes(content)
    assert not new_database.provide(tmp_path / "home" / "prefect.db", kept)
    assert not new_database.provide(tmp_path / "home" / "prefect.db", None)
    assert not (tmp_path / "home" / "prefect.db").exists()


def test_only_a_virtual_environment_keeps_a_copy(monkeypatch):
    """Folders of the system's Python are not ours."""
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert new_database.kept("prefect") is None


_ANSWER = """
import json, sys, urllib.request
from pathlib import Path
from wheeltapper.config import Settings
from wheeltapper.station import new_database, servers
new_database.kept = lambda package: Path(sys.argv[2])
settings = Settings(home=sys.argv[1])
servers.prepare_environment(settings)
with servers.prefect(settings, lambda: None) as api:
    request = urllib.request.Request(
        f"{api}/flow_runs/count", data=b"{}", method="POST", headers={"Content-Type": "application/json"})
    print(json.load(urllib.request.urlopen(request)))
"""


@pytest.mark.slow
def test_prefects_server_answers_with_a_database_that_it_made_and_with_a_copy_of_it(tmp_path):
    """The first server makes the database, which is kept; the second starts with the copy, of the same revision."""
    kept = tmp_path / "cache" / "prefect.db"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    for home in ("first", "second"):
        command = (sys.executable, "-c", _ANSWER, str(tmp_path / home), str(kept))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "0"
        assert kept.is_file()
    second = tmp_path / "second" / "prefect" / "prefect.db"
    assert revision(second) == revision(tmp_path / "first" / "prefect" / "prefect.db") == revision(kept)
    # Prefect has not remembered its kinds of blocks as listed: the server of `up` will list them.
    assert not (second.parent / "memo_store.toml").exists()
    log = (tmp_path / "second" / "logs" / "prefect.log").read_text()
    assert "Traceback" not in log
