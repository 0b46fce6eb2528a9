"""API keys: made once, stored as hashes, revoked and rotated under a running service."""

from __future__ import annotations

import json
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wheeltapper.errors import ConfigError, StoreError
from wheeltapper.serving import private_file
from wheeltapper.serving.keys import KeyFile, digest


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "home" / "keys.json")


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_key_is_found_by_its_text_alone(keys: KeyFile) -> None:
    """Who has the text has the key; whatever differs from it by one character has none."""
    made = keys.create("historian", ["read", "write"])
    assert made.text.startswith("wt_") and len(made.text) == 46
    assert keys.find(made.text) == made.key
    assert made.key.scopes == {"read", "write"} and made.key.last4 == made.text[-4:]
    for guess in (made.text[:-1], made.text + "A", made.text.lower(), "", "wt_", "x" * 100_000, "wt_\udcff"):
        assert keys.find(guess) is None


def test_the_file_holds_no_key_and_is_its_owners_alone(keys: KeyFile) -> None:
    """Only the SHA-256 is stored, and nobody but the owner may read the file, whatever the umask is."""
    before = os.umask(0)
    try:
        made = keys.create("historian", ["read"])
    finally:
        os.umask(before)
    content = keys.path.read_text()
    assert made.text not in content and made.text[3:20] not in content and digest(made.text) in content
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    assert made.text not in repr(made)


def test_a_change_by_another_process_is_noticed(keys: KeyFile) -> None:
    """The service holds one object, the command line another one: what one changes the other sees at once."""
    service, terminal = keys, KeyFile(keys.path)
    made = terminal.create("a", ["read"])
    assert service.find(made.text) is not None
    second = terminal.create("b", ["read"])
    assert service.find(second.text) is not None
    terminal.revoke("a")
    assert service.find(made.text) is None and service.find(second.text) is not None
    keys.path.unlink()
    assert service.find(second.text) is None


def test_a_first_key_is_made_once(keys: KeyFile) -> None:
    """It has every scope. Where all keys were revoked the service stays closed instead of making another."""
    first = keys.ensure_first()
    assert first is not None and first.key.scopes == {"read", "write", "decide"} and first.key.name == "first"
    assert keys.ensure_first() is None
    keys.revoke("first")
    assert keys.ensure_first() is None and keys.all_keys() == ()


def test_a_rotated_key_is_accepted_for_a_while(tmp_path: Path) -> None:
    """New and old key are both accepted until the grace has passed; scopes and name stay."""
    clock = Clock()
    keys = KeyFile(tmp_path / "keys.json", clock)
    old = keys.create("historian", ["write"])
    new = keys.rotate("historian", timedelta(hours=1))
    assert new.key.scopes == {"write"} and keys.find(new.text) == new.key
    clock.now += timedelta(minutes=59)
    assert keys.find(old.text) is not None
    clock.now += timedelta(minutes=1)
    assert keys.find(old.text) is None and keys.find(new.text) == new.key
    newest = keys.rotate("historian")
    assert keys.find(new.text) is None and keys.find(newest.text) is not None
    assert [key.last4 for key in keys.all_keys()] == [newest.key.last4]


def test_a_rotation_makes_no_key_last_longer(tmp_path: Path) -> None:
    """The old key ends when it would have ended; the new one lasts as long as the old one was made for."""
    clock = Clock()
    keys = KeyFile(tmp_path / "keys.json", clock)
    old = keys.create("guest", ["read"], timedelta(days=7))
    clock.now += timedelta(days=6)
    new = keys.rotate("guest", timedelta(days=30))
    clock.now += timedelta(days=1)
    assert keys.find(old.text) is None and keys.find(new.text) is not None
    clock.now += timedelta(days=6)
    assert keys.find(new.text) is None


def test_revoking_ends_what_a_rotation_left(keys: KeyFile) -> None:
    """Both the new key and the old one within its grace."""
    old = keys.create("historian", ["write"])
    new = keys.rotate("historian", timedelta(days=1))
    assert len(keys.revoke("historian")) == 2
    assert keys.find(old.text) is None and keys.find(new.text) is None


def test_a_key_with_an_end_is_refused_after_it(tmp_path: Path) -> None:
    """Its name is free again then."""
    clock = Clock()
    keys = KeyFile(tmp_path / "keys.json", clock)
    made = keys.create("guest", ["read"], timedelta(days=1))
    assert keys.find(made.text) is not None
    clock.now += timedelta(days=1)
    assert keys.find(made.text) is None
    with pytest.raises(ConfigError, match="no key named 'guest'"):
        keys.rotate("guest")
    assert keys.find(keys.create("guest", ["read"]).text) is not None


@pytest.mark.parametrize("name", ["", "a b", "-a", "a\n", "a" * 65, "../a", "\x1b[31m"])
def test_a_name_that_could_disturb_a_log_is_refused(keys: KeyFile, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a key"):
        keys.create(name, ["read"])


def test_what_makes_no_sense_is_refused(keys: KeyFile) -> None:
    """Nothing is written then."""
    for scopes in ([], ["admin"], ["read", "all"]):
        with pytest.raises(ConfigError, match="read, write, decide"):
            keys.create("a", scopes)
    assert not keys.path.exists()
    keys.create("a", ["read"])
    with pytest.raises(ConfigError, match="there is a key named 'a'"):
        keys.create("a", ["read"])
    with pytest.raises(ConfigError, match="no key named 'b' \\(there is a\\)"):
        keys.revoke("b")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"version": 2, "keys": []}',
        '{"version": 1, "keys": [1]}',
        '{"version": 1, "keys": [{"name": "a"}]}',
        json.dumps(
            {
                "version": 1,
                "keys": [
                    {
                        "name": "a",
                        "scopes": ["all"],
                        "sha256": "0" * 64,
                        "last4": "abcd",
                        "created_at": "2026-01-01T00:00:00+00:00",
                        "expires_at": None,
                    }
                ],
            }
        ),
    ],
)
def test_a_damaged_file_lets_nobody_in(keys: KeyFile, content: str) -> None:
    """It is not taken for an empty one, and no command overwrites it."""
    made = keys.create("a", ["read"])
    keys.path.write_text(content)
    for use in (lambda: keys.find(made.text), keys.ensure_first, lambda: keys.create("b", ["read"])):
        with pytest.raises(ConfigError, match="damaged"):
            use()
    assert keys.path.read_text() == content


def test_a_file_that_others_may_write_is_not_trusted(keys: KeyFile) -> None:
    made = keys.create("a", ["read"])
    keys.path.chmod(0o622)
    with pytest.raises(ConfigError, match="chmod 600"):
        keys.find(made.text)


def test_a_full_disk_leaves_the_keys_as_they_were(keys: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    made = keys.create("a", ["read"])

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_file.os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        keys.create("b", ["read"])
    assert keys.find(made.text) is not None
    assert sorted(path.name for path in keys.path.parent.iterdir()) == [".keys.json.lock", "keys.json"]


def test_makers_at_the_same_time_lose_no_key(keys: KeyFile) -> None:
    """Each of eight threads, as eight processes would, makes a key of its own; all of them are there."""
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(KeyFile(keys.path).create(f"k{n}", ["read"]).text))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8 and all(keys.find(text) for text in made)
