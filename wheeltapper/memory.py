"""Memory that this process has freed: Arrow and the C library keep it for themselves unless they are told not to."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

LARGE = 2**20
"""Bytes from which the C library (glibc) asks the system for a piece of memory, and returns it when it is free."""
ARENAS = 2
"""Regions from which glibc serves smaller pieces; each keeps free memory that the others cannot use."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

VARIABLES = {
    "MALLOC_MMAP_THRESHOLD_": str(LARGE),
    "MALLOC_TRIM_THRESHOLD_": str(LARGE),
    "MALLOC_ARENA_MAX": str(ARENAS),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # NumPy would ask for arrays of some megabytes in pages of 2 MB, which the system clears first, used or not.
    "NUMPY_MADVISE_HUGEPAGE": "0",
}
"""Environment of a process that keeps little from its start."""


def keep_little() -> None:
    """Let this process return large pieces of memory to the system as soon as they are free.

    Otherwise a run over a long table keeps as much free memory as it uses.
    """
    for option, value in ((_M_TRIM_THRESHOLD, LARGE), (_M_MMAP_THRESHOLD, LARGE), (_M_ARENA_MAX, ARENAS)):
        _call("mallopt", option, value)


def give_back() -> None:
    """Return all free memory to the system; done between the pieces of long work."""
    import pyarrow as pa  # takes a while to open, and reads the variables above when it does

    gc.collect(1)  # long tables hang on rings of small objects, for which Python looks rarely (`collect_rarely`)
    pa.default_memory_pool().release_unused()
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library; others than glibc (musl, macOS, Windows) do not have these."""
    try:
        function: Any = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return
    function(*arguments)
