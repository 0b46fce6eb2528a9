"""Points at which a test kills the program or makes it fail, to prove that nothing is lost.

``WHEELTAPPER_FAULT=store.after_data:2:kill`` ends the process with SIGKILL the second time that it passes
``store.after_data``; ``raise`` in place of ``kill`` raises `InjectedFaultError`. Without the variable nothing happens.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from threading import Lock

from wheeltapper.errors import ConfigError, WheeltapperError

VARIABLE = "WHEELTAPPER_FAULT"

_passed: Counter[tuple[str, str]] = Counter()
_counting = Lock()


class InjectedFaultError(WheeltapperError):
    """A test has ordered a failure at this point."""


def hit(name: str) -> None:
    """Pass a named point; end or fail here if the environment orders it.

    Raises
    ------
    InjectedFaultError
        If the environment orders ``raise`` at this point and this is the ordered time.
    ConfigError
        If the variable is not of the form ``point:nth:kill`` or ``point:nth:raise``.
    """
    order = os.environ.get(VARIABLE)
    if not order:
        if _passed:
            _passed.clear()  # the order was withdrawn: the same order later counts from one again
        return
    point, nth, action = _parse(order)
    if point != name:
        return
    with _counting:
        _passed[order, name] += 1
        count = _passed[order, name]
    if count != nth:
        return
    if action == "kill":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows ends a process with either
    raise InjectedFaultError(f"{VARIABLE} orders a failure at {name}, time {nth}.")


def _parse(order: str) -> tuple[str, int, str]:
    point, _, rest = order.partition(":")
    nth, _, action = rest.partition(":")
    if not point or not nth.isdigit() or int(nth) < 1 or action not in ("kill", "raise"):
        raise ConfigError(
            f"{VARIABLE} must be point:nth:kill or point:nth:raise with nth from 1, such as "
            f"store.after_data:2:kill; got '{order}'"
        )
    return point, int(nth), action
