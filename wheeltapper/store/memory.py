"""Memory that was read into and is free again: Arrow and the C library keep it for themselves unless they are asked."""

from __future__ import annotations

import ctypes

import pyarrow as pa


def give_back() -> None:
    """Return free memory to the system; of a long table, this is more than what is still used of it."""
    pa.default_memory_pool().release_unused()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library than glibc has no such function
        return
    trim(0)
