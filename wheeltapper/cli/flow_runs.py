"""Flow runs: how a command runs one flow, and shows its progress on the terminal."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape

from wheeltapper.cli import interrupt
from wheeltapper.cli.application import out
from wheeltapper.cli.options import parse_instant
from wheeltapper.config import Settings
from wheeltapper.errors import ConfigError
from wheeltapper.station import processes, servers
from wheeltapper.steps import Steps


def run_flow(name: str, plant: str, *, on: Console = out, **options: str | bool | int | None) -> Any:
    """Run one flow with progress on the terminal, against a Prefect server of its own or the one that is up.

    Options that are None or False are left out, so that the flow's own defaults apply.
    """
    chosen = {option: value for option, value in options.items() if value is not None and value is not False}
    arguments = {
        option: parse_instant(str(value)) if option in ("start", "end") else value for option, value in chosen.items()
    }
    from wheeltapper import memory, unchanged

    processes.collect_rarely()
    memory.use_again()
    settings = Settings()
    quiet = unchanged.title(plant) if name == "watch" else None
    with progress(quiet or _title(plant), on) as show_step:
        if quiet is None:
            # The plug-ins take seconds to open; so long nobody should look at an empty screen.
            show_step("checking the plant")
            from wheeltapper import check_plant

            check_plant.load(plant)
        show_step("starting Prefect")
        with servers.prefect(settings, meanwhile=lambda: _import_flow(name)):
            try:
                with interrupt.until_it_arrives():
                    result = _import_flow(name)(plant, **arguments)
            finally:
                from flows._goodbye import send_the_rest

                send_the_rest()
    return result


def _title(plant: str) -> str:
    from wheeltapper import plants

    return plants.load(plant).title


def _import_flow(name: str) -> Callable[..., Any]:
    import importlib

    try:
        module = importlib.import_module(f"flows.{name}")
    except ModuleNotFoundError as error:
        if error.name not in ("flows", f"flows.{name}"):
            raise
        raise ConfigError(
            "the folder flows/ was not found: it belongs to Wheeltapper's checkout, not to the installed library. "
            "Change into the checkout's folder and try again."
        ) from error
    flow: Callable[..., Any] = getattr(module, name)
    return flow


BAR = 24
"""Characters of a bar."""


def bar(steps: Steps) -> str:
    """Return a bar that is filled as far as the work is, and the numbers behind it.

    Examples
    --------
    >>> bar(Steps(2, 6))
    '[cyan]━━━━━━━━[/][dim]━━━━━━━━━━━━━━━━[/] 2 of 6'
    """
    filled = BAR * min(steps.done, steps.of) // max(steps.of, 1)
    return f"[cyan]{'━' * filled}[/][dim]{'━' * (BAR - filled)}[/] {steps.done} of {steps.of}"


class _Lines(logging.Handler):
    """Shows the pipeline's log: INFO as a line that stays, DEBUG as the step that is running now, with a bar."""

    def __init__(self, show: Callable[[str, bool], None]) -> None:
        super().__init__(logging.DEBUG)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        step, steps = record.name.removeprefix("wheeltapper."), getattr(record, "steps", None)
        how_far = f"  {bar(steps)}" if isinstance(steps, Steps) else ""
        self._show(f"[cyan]{step:<10}[/] {escape(record.getMessage())}{how_far}", record.levelno >= logging.INFO)


@contextlib.contextmanager
def progress(title: str, on: Console) -> Iterator[Callable[[str], None]]:
    """Show lines and a spinner while work goes on; without a terminal only the lines."""
    started = time.monotonic()
    on.print(f"[bold]Wheeltapper[/] · {escape(title)}\n")
    log = logging.getLogger("wheeltapper")
    log.setLevel(logging.DEBUG)
    with on.status("starting") as status:

        def show(text: str, stays: bool) -> None:
            if stays:
                on.print(f"[dim]{time.monotonic() - started:5.0f} s[/]  {text}")
            else:
                status.update(text)

        handler = _Lines(show)
        log.addHandler(handler)
        try:
            yield status.update
        finally:
            log.removeHandler(handler)
    on.print()
