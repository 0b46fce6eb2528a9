"""Application: the command line itself, its two groups of commands, and where it writes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from wheeltapper.workspace import Workspace

app = typer.Typer(
    name="wheeltapper",
    help="Finds faults of industrial machines in their sensor data, before the machines break down.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
store_app = typer.Typer(help="Check the stored tables.", no_args_is_help=True)
app.add_typer(store_app, name="store")
datasets_app = typer.Typer(help="List and download public data sets for the plants in conf/.", no_args_is_help=True)
app.add_typer(datasets_app, name="datasets")

out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
for _console in (out, err):
    # In a pipe or a log there is no edge to wrap at.
    if not _console.is_terminal:
        _console.width = 160


def open_plant(plant: str) -> Workspace:
    """Open a plant by its name in ``conf/`` or the path of its file."""
    from wheeltapper.workspace import Workspace

    return Workspace.open(plant)


def print_json(content: Any) -> None:
    """Write a result as JSON, and nothing else, to standard output."""
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n")
