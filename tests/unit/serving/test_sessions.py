"""Sessions of the page, apart from HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wheeltapper.errors import ConfigError
from wheeltapper.serving import sessions as module
from wheeltapper.serving.keys import KeyFile
from wheeltapper.serving.sessions import LIFETIME, Sessions


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> KeyFile:
    return KeyFile(tmp_path / "keys.json", clock)


@pytest.fixture
def sessions(tmp_path: Path, keys: KeyFile, clock: Clock) -> Sessions:
    return Sessions(tmp_path / "sessions.json", keys, clock)


def test_a_session_ends_after_its_time(sessions: Sessions, keys: KeyFile, clock: Clock) -> None:
    """Then its entry is forgotten, too, when somebody else signs in."""
    key = keys.create("operator", ["read"]).key
    session = sessions.begin(key)
    assert sessions.find(session) == key
    clock.now += LIFETIME - timedelta(seconds=1)
    assert sessions.find(session) == key
    clock.now += timedelta(seconds=1)
    assert sessions.find(session) is None
    sessions.begin(key)
    assert (keys.path.parent / "sessions.json").read_text().count("sha256") == 1


def test_the_oldest_sessions_give_way(
    sessions: Sessions, keys: KeyFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signing in again and again fills no disk."""
    monkeypatch.setattr(module, "MOST", 3)
    key = keys.create("operator", ["read"]).key
    begun = [sessions.begin(key) for _ in range(5)]
    assert [sessions.find(session) is not None for session in begun] == [False, False, True, True, True]


def test_a_session_goes_with_its_key_only(sessions: Sessions, keys: KeyFile) -> None:
    """A new key of the same name does not bring the sessions of the old one back."""
    session = sessions.begin(keys.create("operator", ["read"]).key)
    other = sessions.begin(keys.create("other", ["read"]).key)
    keys.revoke("operator")
    keys.create("operator", ["read", "decide"])
    assert sessions.find(session) is None and sessions.find(other) is not None


@pytest.mark.parametrize("guess", ["", "a", "x" * 101, "../keys", "\udcff"])
def test_what_is_no_session_finds_nobody(sessions: Sessions, keys: KeyFile, guess: str) -> None:
    sessions.begin(keys.create("operator", ["read"]).key)
    assert sessions.find(guess) is None


def test_a_damaged_file_signs_nobody_in(sessions: Sessions, keys: KeyFile) -> None:
    session = sessions.begin(keys.create("operator", ["read"]).key)
    path = keys.path.with_name("sessions.json")
    for content in ("{", '{"version": 1, "sessions": [{"sha256": "a"}]}'):
        path.write_text(content)
        with pytest.raises(ConfigError, match="damaged"):
            sessions.find(session)
