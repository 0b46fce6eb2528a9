"""The command line. It alone may import from the layers above the library, and only inside functions.

One group of commands a file. Exit codes: 0 done, 1 the answer is no, 2 wrong use, 3 a failure.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from wheeltapper import __version__
from wheeltapper.cli.application import app, err, out
from wheeltapper.config import Settings
from wheeltapper.errors import WheeltapperError
from wheeltapper.station import servers


def main() -> None:
    """Run the command line; every failure ends with one message and an exit code."""
    if Path("flows").is_dir():
        # Flows belong to the checkout, not to the installed library.
        sys.path.insert(0, str(Path.cwd()))
    debug = bool(os.environ.get("WHEELTAPPER_DEBUG"))
    if not debug:
        warnings.simplefilter("ignore")
    try:
        # Typer does not raise here: it returns the code of typer.Exit, and makes one of Ctrl-C.
        code = app(standalone_mode=False)
    except WheeltapperError as error:
        err.print(f"[bold red]wheeltapper:[/] {escape(str(error))}")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _CONTROL_C
    except Exception as error:
        _end_unexpectedly(error, debug)
    if code == _CONTROL_C:
        err.print("\nstopped. To continue where it stopped, run the same command again.")
        sys.exit(3)
    if code:
        sys.exit(code)


_CONTROL_C = 130


def _end_unexpectedly(error: Exception, debug: bool) -> NoReturn:
    """Report wrong use, or a failure; the traceback of a failure is written to a file."""
    show = getattr(error, "format_message", None)
    if show is not None:
        err.print(f"[bold red]wheeltapper:[/] {escape(show())} Try: wheeltapper --help")
        sys.exit(2)
    if debug:
        raise error
    log = Settings().home.resolve() / "logs" / "failure.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(traceback.format_exception(error)))
    err.print(f"[bold red]wheeltapper:[/] failed: {escape(type(error).__name__)}: {escape(str(error))}\nDetails: {log}")
    sys.exit(3)


def _version(is_requested: bool) -> None:
    if is_requested:
        out.print(f"wheeltapper {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: ARG001 - its callback has printed it already
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    servers.prepare_environment(Settings())


# These modules register their commands, in the order in which `--help` shows them.
from wheeltapper.cli import working, looking, deciding, serving, serve, keys  # noqa: E402, F401, I001
