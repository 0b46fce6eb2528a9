"""API keys: who may use the service, and for what. Only their hashes are stored.

A key is 32 random bytes, so that a plain SHA-256 of it cannot be turned back by trying; salts and slow hashes are for
passwords that people choose. A running service notices a changed file at the next request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from wheeltapper.errors import ConfigError
from wheeltapper.names import listing
from wheeltapper.serving.private_file import PrivateFile, Stamp

READ, WRITE, DECIDE = "read", "write", "decide"
SCOPES = (READ, WRITE, DECIDE)
"""read: scores, alarms, models. write: send readings. decide: answer alarms."""
PREFIX = "wt_"
"""What every key begins with, so that people and scanners recognise one."""
FIRST = "first"
"""Name of the key that is made when there is none."""
FILE_NAME = "keys.json"

_SECRET_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LONGEST = 200
"""Characters; longer text is no key and is not hashed."""


def utc_now() -> datetime:
    """Return the time of this machine's clock."""
    return datetime.now(UTC)


def digest(text: str) -> str:
    """Return the SHA-256 of a key, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Key:
    """What is known of a key: everything but the key itself."""

    name: str
    scopes: frozenset[str]
    sha256: str
    last4: str
    """Its last four characters, by which a person recognises it."""
    created_at: datetime
    expires_at: datetime | None = None
    """From this instant on it is refused; None: never."""

    def is_active(self, now: datetime) -> bool:
        """Tell whether the key is accepted at an instant."""
        return self.expires_at is None or now < self.expires_at

    def as_entry(self) -> dict[str, Any]:
        """Return the key as it stands in the file."""
        return {
            "name": self.name,
            "scopes": [scope for scope in SCOPES if scope in self.scopes],
            "sha256": self.sha256,
            "last4": self.last4,
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at and self.expires_at.isoformat(),
        }

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> Key:
        """Read a key from its entry in the file.

        Raises
        ------
        ConfigError
            If something in it is missing or makes no sense.
        """
        try:
            created, expires = entry["created_at"], entry["expires_at"]
            key = cls(
                name=str(entry["name"]),
                scopes=frozenset(entry["scopes"]),
                sha256=str(entry["sha256"]),
                last4=str(entry["last4"]),
                created_at=_instant(created),
                expires_at=None if expires is None else _instant(expires),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"the file of keys has a damaged entry: {type(error).__name__}: {error}") from error
        if not key.scopes <= set(SCOPES) or not re.fullmatch(r"[0-9a-f]{64}", key.sha256):
            raise ConfigError(f"the file of keys has a damaged entry for {key.name!r}: scopes or hash make no sense")
        return key


@dataclass(frozen=True)
class NewKey:
    """A key that was just made. Its text is shown once and then known to its owner only."""

    key: Key
    text: str = field(repr=False)


class KeyFile:
    """The keys of one home.

    Parameters
    ----------
    path : Path
        The file, usually ``keys.json`` under the home.
    clock : callable
        Returns the present time.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self._file, self._clock = PrivateFile(path, "keys"), clock
        self._stamp: Stamp | None = None
        self._keys: tuple[Key, ...] = ()
        self._reading = Lock()

    @classmethod
    def of_home(cls, home: Path) -> KeyFile:
        """Return the keys of a home."""
        return cls(home.resolve() / FILE_NAME)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def all_keys(self) -> tuple[Key, ...]:
        """Return all keys in the order in which they were made; the file is read only if it has changed.

        Raises
        ------
        ConfigError
            If the file is damaged, or others than its owner may write to it.
        """
        with self._reading:
            stamp = self._file.stamp()
            if stamp != self._stamp:
                self._keys = tuple(Key.from_entry(entry) for entry in self._file.read())
                self._stamp = stamp
            return self._keys

    def find(self, text: str) -> Key | None:
        """Return the active key with this text; None if there is none.

        The time that this takes says nothing about how much of a guess was right.

        Raises
        ------
        ConfigError
            As by `all_keys`.
        """
        keys = self.all_keys()
        if len(text) > _LONGEST:
            return None
        return self._with_digest(keys, digest(text))

    def with_digest(self, sha256: str) -> Key | None:
        """Return the active key with this hash; None if there is none.

        Raises
        ------
        ConfigError
            As by `all_keys`.
        """
        return self._with_digest(self.all_keys(), sha256)

    def create(self, name: str, scopes: Iterable[str], lifetime: timedelta | None = None) -> NewKey:
        """Make a key.

        Parameters
        ----------
        name : str
            Who uses it. It stands in logs and beside decisions.
        scopes : iterable of str
            What it is for: some of `SCOPES`.
        lifetime : timedelta, optional
            After it the key is refused; by default it is accepted until it is revoked.

        Raises
        ------
        ConfigError
            If the name is taken or is no name, or a scope is unknown.
        StoreError
            If the file could not be written.
        """
        _require_name(name)
        allowed = _require_scopes(scopes)
        with self._file.changing() as entries:
            now = self._clock()
            keys = [Key.from_entry(entry) for entry in entries]
            if any(key.name == name and key.is_active(now) for key in keys):
                raise ConfigError(
                    f"there is a key named '{name}'. Choose another name, or replace that key: "
                    f"wheeltapper keys rotate {name}"
                )
            made = _make(name, allowed, now, lifetime)
            entries[:] = [key.as_entry() for key in keys if key.name != name] + [made.key.as_entry()]
        return made

    def revoke(self, name: str) -> tuple[Key, ...]:
        """Remove the key with this name, and what a rotation has left of it, and return them.

        Raises
        ------
        ConfigError
            If there is none.
        StoreError
            If the file could not be written.
        """
        with self._file.changing() as entries:
            keys = [Key.from_entry(entry) for entry in entries]
            revoked = tuple(key for key in keys if key.name == name)
            if not revoked:
                raise _no_such_key(name, keys)
            entries[:] = [key.as_entry() for key in keys if key.name != name]
        return revoked

    def rotate(self, name: str, grace: timedelta = timedelta(0)) -> NewKey:
        """Make a new key with the name and the scopes of another, which stays valid for a while.

        Parameters
        ----------
        name : str
        grace : timedelta
            How long the old key is still accepted; by default no longer.

        Raises
        ------
        ConfigError
            If there is no active key with this name.
        StoreError
            If the file could not be written.
        """
        with self._file.changing() as entries:
            now = self._clock()
            keys = [Key.from_entry(entry) for entry in entries]
            active = [key for key in keys if key.name == name and key.is_active(now)]
            if not active:
                raise _no_such_key(name, [key for key in keys if key.is_active(now)])
            newest = active[-1]
            lifetime = None if newest.expires_at is None else newest.expires_at - newest.created_at
            made = _make(name, newest.scopes, now, lifetime)
            old = [_ended(key, now + grace) for key in active] if grace > timedelta(0) else []
            others = [key for key in keys if key.name != name]
            entries[:] = [key.as_entry() for key in [*others, *old, made.key]]
        return made

    def ensure_first(self) -> NewKey | None:
        """Make a key with every scope if there has never been one, and return it so that it can be shown once.

        Where all keys were revoked, none is made: the service then refuses everybody.

        Raises
        ------
        ConfigError
            As by `all_keys`.
        StoreError
            If the file could not be written.
        """
        if self._file.stamp() is not None:
            self.all_keys()  # a damaged file is reported at the start
            return None
        with self._file.changing() as entries:
            if self._file.stamp() is not None:  # another process was faster
                return None
            made = _make(FIRST, frozenset(SCOPES), self._clock(), None)
            entries.append(made.key.as_entry())
        return made

    def _with_digest(self, keys: tuple[Key, ...], sha256: str) -> Key | None:
        match = None
        for key in keys:
            if hmac.compare_digest(key.sha256, sha256):
                match = key
        return match if match is not None and match.is_active(self._clock()) else None


def _make(name: str, scopes: frozenset[str], now: datetime, lifetime: timedelta | None) -> NewKey:
    text = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    key = Key(name, scopes, digest(text), text[-4:], now, None if lifetime is None else now + lifetime)
    return NewKey(key, text)


def _ended(key: Key, end: datetime) -> Key:
    end = end if key.expires_at is None else min(end, key.expires_at)
    return Key(key.name, key.scopes, key.sha256, key.last4, key.created_at, end)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return instant


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be the name of a key: expected 1 to 64 letters, digits, '_', '-' and '.', "
            "beginning with a letter or digit."
        )


def _require_scopes(scopes: Iterable[str]) -> frozenset[str]:
    allowed = frozenset(scopes)
    unknown = sorted(allowed - set(SCOPES))
    if unknown or not allowed:
        got = f"got {listing(unknown)}" if unknown else "got none"
        raise ConfigError(f"expected one or more of the scopes {', '.join(SCOPES)}; {got}.")
    return allowed


def _no_such_key(name: str, keys: list[Key]) -> ConfigError:
    names = sorted({key.name for key in keys})
    there_is = f"there is {listing(names)}" if names else "there is none"
    return ConfigError(f"there is no key named {name!r} ({there_is}). To see them: wheeltapper keys list")
