"""Compile kernels: once per machine, exactly, and without blocking other threads."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

Function = Callable[..., Any]

_OPTIONS = {"error_model": "numpy", "nogil": True}
"""No ``fastmath``: re-ordering a sum for speed would make a value depend on the machine."""


def compiled(function: Function) -> Function:
    """Compile a function with numba on its first call, and keep the result for the next process.

    The result is stored beside the source, or in the user's cache; where neither can be written, each process compiles
    again. A function may call compiled functions of its file and of this folder's ``_*.py``, but not itself: numba's
    cache crashes on recursion.
    """
    try:
        made: Function = njit(cache=True, **_OPTIONS)(function)
        # numba checks the time of the function's own file only, and would keep code that it inlined from another file
        # after that file changed.
        made._cache._cache_file._source_stamp = stamp(Path(inspect.getfile(function)))  # type: ignore[attr-defined]
    except (RuntimeError, AttributeError):  # no writable folder, or another version of numba
        made = njit(**_OPTIONS)(function)
    return made


@cache
def stamp(file: Path) -> str:
    """Return a hash of a file and of the folder's shared files, on which its compiled code depends."""
    content = hashlib.sha256()
    for path in sorted({file, *file.parent.glob("_*.py")}):
        content.update(path.read_bytes() + b"\0")
    return content.hexdigest()
