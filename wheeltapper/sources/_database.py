"""Connecting to a database for reading only, and speaking of it without its password."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.sources._files import locate
from wheeltapper.spelling import near_miss

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_CONNECT_SECONDS = 10
"""Long enough for a far server; without it, an address that does not answer hangs for minutes."""


@dataclass(frozen=True)
class Database:
    """Where the readings are; its words for people never hold the password."""

    url: URL

    @property
    def shown(self) -> str:
        """The database, as messages and origins name it: ``postgresql://db.example:5432/plant``."""
        kind = self.url.get_backend_name()
        if kind == "sqlite":
            return f"sqlite:///{_sqlite_file(self.url).name}"
        host = self.url.host or str(self.url.query.get("host", "")) or "this machine"
        port = f":{self.url.port}" if self.url.port else ""
        return f"{kind}://{host}{port}/{self.url.database or ''}"

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a connection that only reads, from one state of the database; times come in UTC.

        Raises
        ------
        SourceError
            If it cannot be connected to, or refuses what is asked while the connection is open.
        """
        engine = self._engine()
        try:
            with self._open(engine) as connection:
                if self.url.get_backend_name() == "postgresql":
                    connection.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
                    connection.execute(sa.text("SET TIME ZONE 'UTC'"))
                yield connection
        except SQLAlchemyError as error:
            # Without the chain: drivers put connection strings into their errors.
            raise SourceError(f"{self.shown} refused: {self.reason(error)}") from None
        finally:
            engine.dispose()

    def reason(self, error: Exception) -> str:
        """Say an error in one line, without the password."""
        text = " ".join(str(getattr(error, "orig", None) or error).split())[:400]
        for secret in {str(self.url.password or ""), quote(str(self.url.password or ""), safe="")} - {""}:
            text = text.replace(secret, "***")
        return text

    def _open(self, engine: sa.Engine) -> sa.Connection:
        try:
            return engine.connect()
        except SQLAlchemyError as error:
            raise SourceError(
                f"cannot connect to {self.shown}: {self.reason(error)}. Check url in the source, and that the "
                "database is up and lets this machine in."
            ) from None

    def _engine(self) -> sa.Engine:
        arguments: dict[str, Any] = {}
        if self.url.get_backend_name() == "postgresql" and "connect_timeout" not in self.url.query:
            arguments = {"connect_timeout": _CONNECT_SECONDS}
        try:
            return sa.create_engine(self.url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
        except NoSuchModuleError:
            raise SourceError(
                f"no kind of database named '{self.url.drivername}'. Write url like postgresql://…, mysql+pymysql://… "
                "or sqlite:///…"
            ) from None
        except ModuleNotFoundError as error:
            raise SourceError(
                f"{self.url.drivername} needs the Python package '{error.name}', which is not here. "
                f"Install it: pip install {error.name}"
            ) from None


def database(url: str, plant: Plant) -> Database:
    """Read a URL with its ``${NAME}`` references; a relative SQLite file is looked for as files are.

    Raises
    ------
    SourceError
        If a variable is not set, the URL is none, or there is no such SQLite file (SQLite itself would make an
        empty one).
    """
    try:
        parsed = make_url(_expand(url))
    except (ArgumentError, ValueError):
        raise SourceError(
            "url is no database URL. Write it like postgresql://user:${PLANT_PASSWORD}@host:5432/name "
            "or sqlite:///file.db"
        ) from None
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    if parsed.get_backend_name() == "sqlite" and not str(parsed.database or "").startswith("file:"):
        path = locate(Path(str(parsed.database or "")), plant)
        if not path.is_file():
            raise SourceError(f"{path} is no SQLite file. Write url like sqlite:///file.db")
        parsed = parsed.set(database=f"file:{quote(path.as_posix())}", query={"mode": "ro", "uri": "true"})
    return Database(parsed)


def _sqlite_file(url: URL) -> Path:
    return Path(str(url.database).removeprefix("file:"))


def _expand(url: str) -> str:
    """Put the environment's values in; in user and password, signs such as @ are kept from ending them."""
    who, at, where = url.rpartition("@")
    return _filled(who, is_quoted=True) + at + _filled(where, is_quoted=False)


def _filled(text: str, is_quoted: bool) -> str:
    def value(reference: re.Match[str]) -> str:
        name = reference[1]
        if name not in os.environ:
            close = near_miss(name, sorted(os.environ))
            raise SourceError(f"url names ${{{name}}}, but the environment has no {name}.{close} Set it and try again.")
        return quote(os.environ[name], safe="") if is_quoted else os.environ[name]

    return _REFERENCE.sub(value, text)
