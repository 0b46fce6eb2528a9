"""Shared objects of one training: tables that are read once, and preparations that are made once.

Candidates train in threads of one process. The first one that needs an object makes it; the others get the same one.
The cache is passed to each of them. On a cluster it arrives empty, and each worker fills its own.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar, cast

Thing = TypeVar("Thing")


class Shared:
    """Cache of one training's shared objects, each made once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._things: dict[str, Any] = {}
        self._counts: Counter[str] = Counter()

    def get(self, name: str, make: Callable[[], Thing]) -> Thing:
        """Return the object of this name; the first call makes it, and all others wait for it.

        Parameters
        ----------
        name : str
            Name of the object; includes everything that it depends on within one training.
        make : callable
            Makes the object; may get other objects. An error is raised to the caller, and the next call tries again.
        """
        with self._lock:
            making = self._locks.setdefault(name, threading.Lock())
        with making:
            if name not in self._things:
                self._things[name] = make()
            return cast(Thing, self._things[name])

    def count(self, name: str, more: int = 1) -> int:
        """Add to the counter of this name, which begins at 0, and return it."""
        with self._lock:
            self._counts[name] += more
            return self._counts[name]

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
