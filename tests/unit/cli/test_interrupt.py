"""Ctrl-C while a flow runs."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

import pytest

from wheeltapper.cli.interrupt import until_it_arrives


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt, however the tests were started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_control_c_that_a_library_drops_comes_again() -> None:
    """Prefect drops one at the end of a flow run: it is raised again and ends the command a moment later."""
    dropped = []
    with pytest.raises(KeyboardInterrupt), until_it_arrives(seconds=0.05):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as interrupt:
            dropped.append(interrupt)
        threading.Event().wait(20)
    assert len(dropped) == 1


def test_a_control_c_that_a_library_drops_just_before_the_end_still_ends_the_command() -> None:
    """A short run may be over before the next attempt: it must not look as if it had ended by itself."""
    with pytest.raises(KeyboardInterrupt), until_it_arrives(seconds=60), contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_control_c_that_has_arrived_is_not_raised_again() -> None:
    """What runs afterwards is not interrupted, and Ctrl-C is handled as it was before."""
    with pytest.raises(KeyboardInterrupt), until_it_arrives(seconds=0.05):
        signal.raise_signal(signal.SIGINT)
    threading.Event().wait(0.2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_background_job_of_a_script_ignores_control_c() -> None:
    """`wheeltapper run … &` in a script: Ctrl-C is meant for what runs in the foreground."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with until_it_arrives(seconds=0.05):
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
