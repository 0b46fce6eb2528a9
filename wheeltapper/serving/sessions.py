"""Sessions: a person signs in to the page once with a key; from then on a cookie stands for it.

The cookie holds a random id and says nothing of the key. The home keeps the hash of the id beside the hash of the key:
a session survives a restart of the service, and ends with its key.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from wheeltapper.errors import ConfigError
from wheeltapper.serving.keys import Key, KeyFile, digest, utc_now
from wheeltapper.serving.private_file import PrivateFile, Stamp

LIFETIME = timedelta(days=30)
"""A person signs in again after it."""
MOST = 1000
"""Sessions at the same time; the oldest end first."""
FILE_NAME = "sessions.json"
_ID_BYTES = 32
_LONGEST = 100


class Sessions:
    """Who is signed in to the page.

    Parameters
    ----------
    path : Path
        The file of the sessions, usually ``sessions.json`` under the home.
    keys : KeyFile
        A session lasts no longer than its key.
    clock : callable
        Returns the present time.
    """

    def __init__(self, path: Path, keys: KeyFile, clock: Callable[[], datetime] = utc_now) -> None:
        self._file, self._keys, self._clock = PrivateFile(path, "sessions"), keys, clock
        self._stamp: Stamp | None = None
        self._by_digest: dict[str, tuple[str, datetime]] = {}
        self._reading = Lock()

    @classmethod
    def of_home(cls, home: Path, keys: KeyFile) -> Sessions:
        """Return the sessions of a home."""
        return cls(home.resolve() / FILE_NAME, keys)

    def begin(self, key: Key) -> str:
        """Begin a session of a key and return its id, the content of the cookie.

        Raises
        ------
        StoreError
            If the file could not be written.
        """
        session = secrets.token_urlsafe(_ID_BYTES)
        with self._file.changing() as entries:
            now = self._clock()
            entry = {"sha256": digest(session), "key": key.sha256, "ends_at": (now + LIFETIME).isoformat()}
            going = [kept for kept in entries if _read(kept)[1] > now]
            entries[:] = [*going[-(MOST - 1) :], entry]
        return session

    def find(self, session: str) -> Key | None:
        """Return the key of a session; None if the session, or its key, has ended.

        Raises
        ------
        ConfigError
            If one of the files is damaged.
        """
        if not session or len(session) > _LONGEST:
            return None
        # Where in a table a hash of 256 random bits lies tells an attacker nothing that leads to another session.
        of_key, ends_at = self._all().get(digest(session), ("", None))
        if ends_at is None or ends_at <= self._clock():
            return None
        return self._keys.with_digest(of_key)

    def end(self, session: str) -> None:
        """End a session; nothing happens if it has ended already.

        Raises
        ------
        StoreError
            If the file could not be written.
        """
        sha256 = digest(session)
        with self._file.changing() as entries:
            entries[:] = [entry for entry in entries if entry.get("sha256") != sha256]

    def _all(self) -> dict[str, tuple[str, datetime]]:
        with self._reading:
            stamp = self._file.stamp()
            if stamp != self._stamp:
                entries = self._file.read()
                self._by_digest = {str(entry.get("sha256")): _read(entry) for entry in entries}
                self._stamp = stamp
            return self._by_digest


def _read(entry: dict[str, Any]) -> tuple[str, datetime]:
    try:
        return str(entry["key"]), datetime.fromisoformat(entry["ends_at"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError("the file of sessions has a damaged entry. Delete the file; people sign in again.") from error
