"""One run of a plant at a time: a second run waits, from the terminal and from a schedule alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from flows._input import described
from wheeltapper import check_plant
from wheeltapper.workspace import Workspace

Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def alone(flow: Callable[Concatenate[str, Rest], Result]) -> Callable[Concatenate[str, Rest], Result]:
    """Check the plant's plug-ins, then hold its lock while the flow runs; flows inside it enter freely."""

    @wraps(flow)
    def waiting(plant: str, *args: Rest.args, **options: Rest.kwargs) -> Result:
        check_plant.load(plant)
        with Workspace.open(plant).alone():
            return flow(plant, *args, **options)

    # Prefect makes a form of the parameters and would look for the names of their types in this file.
    waiting.__signature__ = inspect.signature(flow, eval_str=True)  # type: ignore[attr-defined]
    waiting.__doc__ = described(flow)
    return cast(Callable[Concatenate[str, Rest], Result], waiting)
