"""Give a task a large result as it is."""

from __future__ import annotations

from typing import TypeVar, cast

from prefect.utilities.annotations import quote

Result = TypeVar("Result")


def whole(result: Result) -> Result:
    """Return a task's argument that Prefect does not look into.

    It would look for unfinished tasks in every number of every curve of every candidate, several times.
    """
    return cast(Result, quote(result))
