"""Large results travel between tasks without being searched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.utilities.engine import collect_task_run_inputs_sync

from flows._whole import whole


class Curve(list[float]):
    """A list that says when somebody looks through it."""

    def __iter__(self) -> Iterator[float]:
        raise LookupError


def test_a_tasks_argument_is_not_searched_for_unfinished_tasks() -> None:
    """Prefect looks through every list of an argument, but not through one that is given whole."""
    with pytest.raises(LookupError):
        collect_task_run_inputs_sync([Curve([1.0])])
    assert collect_task_run_inputs_sync(whole([Curve([1.0])])) == set()
