"""Every command in the documents exists, with these arguments and options, and docs/commands.md lists them all."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tests.docs.reading import DOCUMENTS, ROOT, blocks, prose, section
from wheeltapper.cli import app

COMMANDS = ROOT / "docs" / "commands.md"
MENTIONED = re.compile(r"`(wheeltapper(?: [^`]*)?)`")


def _lines(path: Path, program: str) -> list[str]:
    """Return the calls of a program in a document's shell blocks, without comments."""
    lines = [line.partition("#")[0].strip() for block in blocks(path, "sh") for line in block.splitlines()]
    return [line for line in lines if line.split()[:1] == [program]]


def parse(line: str) -> Any:
    """Let the command line itself read a line, without running it; a mistake raises."""
    command, context, words = typer.main.get_command(app), None, shlex.split(line)[1:]
    while True:
        context = command.make_context("wheeltapper", list(words), parent=context)
        if not hasattr(command, "commands"):
            return context
        words = [*context._protected_args, *context.args]
        _, command, words = command.resolve_command(context, words)


def _in_shell_blocks() -> list[Any]:
    return [pytest.param(line, id=f"{path.name}: {line}") for path in DOCUMENTS for line in _lines(path, "wheeltapper")]


def test_there_are_commands_to_check() -> None:
    """The documents have shell blocks with calls; a wrong option in one is refused."""
    assert len(_in_shell_blocks()) >= 2
    assert parse("wheeltapper run pump_station --start 2026-01-05").params["plant"] == "pump_station"
    with pytest.raises(Exception, match="No such option"):
        parse("wheeltapper run pump_station --begin 2026-01-05")


@pytest.mark.parametrize("line", _in_shell_blocks())
def test_a_command_in_a_shell_block_is_understood(line: str) -> None:
    """The command line takes it as it stands."""
    assert parse(line)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_command_in_the_text_exists(path: Path) -> None:
    """`wheeltapper up` in a sentence, or in a table, is a command."""
    commands = [tuple(name.split()[1:]) for name in _known()]
    for mention in MENTIONED.findall(prose(path)):
        words = tuple(word for word in mention.split()[1:] if re.fullmatch(r"[a-z]+", word))
        assert not words or any(name[: len(words)] == words for name in commands), mention


def _known() -> list[str]:
    """Return every command without arguments, groups taken apart."""
    names = []
    for name, command in typer.main.get_command(app).commands.items():
        below = getattr(command, "commands", None)
        names += [f"wheeltapper {name} {sub_command}" for sub_command in below] if below else [f"wheeltapper {name}"]
    return names


def test_the_table_of_commands_is_the_command_line() -> None:
    """Every command stands in the table once, in the same order, and nothing else does."""
    rows = re.findall(r"^\| `(wheeltapper [^`]*)` \|", section(COMMANDS, "Commands"), re.MULTILINE)
    names = [" ".join(word for word in row.split() if re.fullmatch(r"[a-z]+", word)) for row in rows]
    assert names == _known()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_make_target_exists(path: Path) -> None:
    """`make run`, in a block or in a sentence, is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    calls = _lines(path, "make") + re.findall(r"`(make [^`]+)`", prose(path))
    for call in calls:
        asked = [word for word in call.split()[1:] if "=" not in word]
        assert set(asked) <= targets, call


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_variable_of_the_environment_is_read(path: Path) -> None:
    """Every WHEELTAPPER_… in a document is a setting, or is asked for in the code."""
    folders = (ROOT / "wheeltapper", ROOT / "tests" / "contracts")
    code = "".join(file.read_text(encoding="utf-8") for folder in folders for file in sorted(folder.rglob("*.py")))
    from wheeltapper.config import Settings

    for name in set(re.findall(r"WHEELTAPPER_[A-Z_]+", path.read_text(encoding="utf-8"))):
        is_setting = name.removeprefix("WHEELTAPPER_").lower() in Settings.model_fields
        assert is_setting or f'"{name}"' in code, name
