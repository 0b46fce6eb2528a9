"""Ctrl-C ends a run, also where a library drops it."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SECONDS = 5.0
"""Time between two attempts: Prefect needs less to mark its flow runs as crashed."""


@contextlib.contextmanager
def until_it_arrives(seconds: float = SECONDS) -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C, again every few seconds, and at the end of the block if none has left it.

    Prefect 3.8 drops a KeyboardInterrupt that comes between the last state of a flow run and the end of its engine
    (``FlowRunEngine.initialize_run``), up to a second for each flow. The run would go on as if nothing had happened,
    and a short one would end before the next attempt.

    Where Ctrl-C is ignored already, it stays ignored: a script that starts a run in its background asks for that.

    Parameters
    ----------
    seconds : float
        Time between two attempts.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    attempts: list[threading.Timer] = []

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        attempt = threading.Timer(seconds, _thread.interrupt_main)
        attempt.daemon = True
        attempt.start()
        attempts.append(attempt)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
        if attempts:
            raise KeyboardInterrupt
    finally:
        for attempt in attempts:
            attempt.cancel()
        signal.signal(signal.SIGINT, before)
