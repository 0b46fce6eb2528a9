"""What every page of commands shares: the application, two consoles, options, and how a flow is run."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from wheeltapper import config
from wheeltapper.cli import interrupt
from wheeltapper.config import Settings
from wheeltapper.errors import ConfigError
from wheeltapper.station import servers

if TYPE_CHECKING:
    from wheeltapper.workspace import Workspace

app = typer.Typer(
    name="wheeltapper",
    help="Hears what is wrong with industrial machines before they break.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
store_app = typer.Typer(help="Look after the tables.", no_args_is_help=True)
app.add_typer(store_app, name="store")
datasets_app = typer.Typer(help="Public data sets to try the plants of conf/ on.", no_args_is_help=True)
app.add_typer(datasets_app, name="datasets")

out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
for _console in (out, err):
    # In a pipe or a log there is no edge to wrap at.
    if not _console.is_terminal:
        _console.width = 160

PlantArgument = Annotated[
    str, typer.Argument(metavar="PLANT", help="A plant's name in conf/, or the path of its YAML file.")
]
StartOption = Annotated[
    str | None, typer.Option("--start", help="First instant to take in, such as 2026-01-31 or 2026-01-31T06:00Z.")
]
EndOption = Annotated[str | None, typer.Option("--end", help="First instant to leave out.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ObjectiveArgument = Annotated[str, typer.Argument(metavar="[OBJECTIVE]", help="The question: so far only 'detect'.")]


def run_flow(name: str, plant: str, *, on: Console = out, **options: str | bool | int | None) -> dict[str, Any]:
    """Run one flow with progress on the terminal, against a Prefect server of its own or the one that is up."""
    wishes = {option: value for option, value in options.items() if value is not None and value is not False}
    given = {option: instant(str(value)) if option in ("start", "end") else value for option, value in wishes.items()}
    known = config.load(plant)
    settings = Settings()
    with progress(f"{known.name}: {known.description}" if known.description else known.name, on) as steps:
        steps("waking up Prefect")
        with servers.prefect(settings, meanwhile=lambda: _import_flow(name)):
            try:
                with interrupt.until_it_arrives():
                    result: dict[str, Any] = _import_flow(name)(plant, **given)
            finally:
                from flows._goodbye import send_the_rest

                send_the_rest()
    return result


def _import_flow(name: str) -> Callable[..., Any]:
    import importlib

    try:
        module = importlib.import_module(f"flows.{name}")
    except ModuleNotFoundError as error:
        if error.name not in ("flows", f"flows.{name}"):
            raise
        raise ConfigError(
            "the flows are not here: they belong to Wheeltapper's checkout, not to the installed library. "
            "Change into the checkout's folder and try again."
        ) from error
    flow: Callable[..., Any] = getattr(module, name)
    return flow


def instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"'{text}' is not a date or time; write it like 2026-01-31 or 2026-01-31T06:00Z") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


class _Lines(logging.Handler):
    """Shows what the pipeline says: INFO as a line that stays, DEBUG as what is being done right now."""

    def __init__(self, say: Callable[[str, bool], None]) -> None:
        super().__init__(logging.DEBUG)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        step = record.name.removeprefix("wheeltapper.")
        self._say(f"[cyan]{step:<10}[/] {escape(record.getMessage())}", record.levelno >= logging.INFO)


@contextlib.contextmanager
def progress(title: str, on: Console) -> Iterator[Callable[[str], None]]:
    """Show lines and a spinner while work goes on; without a terminal only the lines."""
    began = time.monotonic()
    on.print(f"[bold]Wheeltapper[/] · {escape(title)}\n")
    log = logging.getLogger("wheeltapper")
    log.setLevel(logging.DEBUG)
    with on.status("starting") as status:

        def say(text: str, stays: bool) -> None:
            if stays:
                on.print(f"[dim]{time.monotonic() - began:5.0f} s[/]  {text}")
            else:
                status.update(text)

        handler = _Lines(say)
        log.addHandler(handler)
        try:
            yield status.update
        finally:
            log.removeHandler(handler)
    on.print()


def open_plant(plant: str) -> Workspace:
    from wheeltapper.workspace import Workspace

    return Workspace.open(plant)


def print_json(content: Any) -> None:
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n")
