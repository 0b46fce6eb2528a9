"""Steps of long work, for whoever shows progress: a log record says what is done, and how far it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Steps:
    """How far a piece of work is."""

    done: int
    of: int


def report(log: logging.Logger, done: int, of: int, message: str, *args: Any) -> None:
    """Log at level DEBUG what is being done, and how many steps of it are done.

    Parameters
    ----------
    log : Logger
        The logger of the piece of work.
    done, of : int
        Steps that are done, and all steps.
    message : str
        What is being done, with places for ``args`` as in `Logger.debug`.

    Examples
    --------
    >>> report(logging.getLogger("wheeltapper.train"), 3, 11, "training %s", "lof")
    """
    log.debug(message, *args, extra={"steps": Steps(done, of)})
