"""Memory that this process has freed: Arrow and the C library keep it for themselves unless they are told not to."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

ARENAS = 2
"""Regions from which glibc (the C library of Linux) serves pieces; each keeps free memory that others cannot use."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

VARIABLES = {
    "MALLOC_ARENA_MAX": str(ARENAS),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # NumPy would ask for arrays of some megabytes in pages of 2 MB, which the system clears first, used or not.
    "NUMPY_MADVISE_HUGEPAGE": "0",
}
"""Environment of a process that keeps little from its start."""


_state = {"keeps_little": False}
"""Whether a table of this process is long."""


def use_again() -> None:
    """Let this process keep what it frees, up to 128 MiB at a time, for what it needs next, until `give_back`.

    A run asks for arrays of some megabytes again and again. Without this, the system would take each one back and clear
    the next, which costs a tenth of a run's processor time.
    """
    _set_thresholds(2**27)


def keep_little() -> None:
    """Let this process return pieces from 1 MiB on as soon as they are free: a long table needs the memory."""
    _state["keeps_little"] = True
    _set_thresholds(2**20)


def _set_thresholds(size: int) -> None:
    for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
        _call("mallopt", option, size)


def give_back(*, between_steps: bool = False) -> None:
    """Return all free memory to the system; done between the pieces of long work.

    Parameters
    ----------
    between_steps : bool
        Look at all objects first, where a table is long: what a step has left behind may be large, and a look at a
        million objects takes half a second.
    """
    import pyarrow as pa  # takes a while to open, and reads the variables above when it does

    # Long tables hang on rings of small objects, for which Python looks rarely (`collect_rarely`).
    gc.collect(2 if between_steps and _state["keeps_little"] else 1)
    pa.default_memory_pool().release_unused()
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library; others than glibc (musl, macOS, Windows) do not have these."""
    try:
        function: Any = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return
    function(*arguments)
