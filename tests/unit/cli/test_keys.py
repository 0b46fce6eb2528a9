"""The commands for API keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from wheeltapper.cli import app
from wheeltapper.serving.keys import KeyFile


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyFile:
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path))
    return KeyFile.of_home(tmp_path)


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["keys", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_a_key_is_shown_once(keys: KeyFile) -> None:
    """Alone on standard output, so that it can be put into a file; never again by `list`."""
    text = run("create", "historian", "--scope", "write", "--scope", "read").stdout.strip()
    key = keys.find(text)
    assert key is not None and key.scopes == {"read", "write"} and key.name == "historian"
    listed = run("list").stdout
    assert "historian" in listed and text[-4:] in listed and text[:-4] not in listed
    assert text[:-4] not in run("list", "--json").stdout


def test_keys_as_json(keys: KeyFile) -> None:
    made = json.loads(run("create", "guest", "--scope", "read", "--expires", "7d", "--json").stdout)
    assert keys.find(made["key"]) is not None and made["expires_at"]
    (listed,) = json.loads(run("list", "--json").stdout)
    assert listed == {name: value for name, value in made.items() if name != "key"}


def test_a_key_is_rotated_and_revoked(keys: KeyFile) -> None:
    old = run("create", "historian", "--scope", "write").stdout.strip()
    new = run("rotate", "historian").stdout.strip()
    assert keys.find(old) is not None and keys.find(new) is not None
    newest = run("rotate", "historian", "--grace", "0s").stdout.strip()
    assert keys.find(old) is None and keys.find(new) is None and keys.find(newest) is not None
    assert newest[-4:] in run("revoke", "historian").stdout
    assert keys.find(newest) is None
    assert "wheeltapper keys create" in run("list").stdout


def test_wrong_use_says_what_is_right(keys: KeyFile) -> None:
    assert "read, write, decide" in str(run("create", "a", "--scope", "admin", code=1).exception)
    assert "--grace" in str(run("rotate", "a", "--grace", "soon", code=1).exception)
    assert "no key named 'a'" in str(run("revoke", "a", code=1).exception)
    run("create", "a", code=2)
