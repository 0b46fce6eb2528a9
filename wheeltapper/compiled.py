"""How kernels are compiled: once a machine, exact, and without holding up other threads."""

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

    It is kept beside the source, or in the user's cache; where neither can be written, each process compiles for
    itself. A function may call compiled ones of its own file and of this folder's ``_*.py``, but not itself: numba's
    cache crashes on that.
    """
    try:
        made: Function = njit(cache=True, **_OPTIONS)(function)
        # numba looks at the time of the function's own file only, and would go on using what it compiled in from
        # another file before that one changed.
        made._cache._cache_file._source_stamp = stamp(Path(inspect.getfile(function)))  # type: ignore[attr-defined]
    except (RuntimeError, AttributeError):  # no folder to write to; another numba inside
        made = njit(**_OPTIONS)(function)
    return made


@cache
def stamp(file: Path) -> str:
    """Return what the code compiled from a file depends on: a hash of it and of the folder's shared files."""
    content = hashlib.sha256()
    for path in sorted({file, *file.parent.glob("_*.py")}):
        content.update(path.read_bytes() + b"\0")
    return content.hexdigest()
