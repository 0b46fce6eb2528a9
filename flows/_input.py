"""Parameters of all flows: one form in Prefect's UI, one check on its server."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field
from pydantic.fields import FieldInfo

Flow = TypeVar("Flow", bound=Callable[..., object])

PlantName = Annotated[str, Field(min_length=1, description="A plant's name in conf/, or the path of its YAML file.")]
Start = Annotated[datetime | None, Field(description="First instant to take in (UTC); empty: from the beginning.")]
OnlyNew = Annotated[bool, Field(description="Only what the source has not delivered yet; not from start.")]
End = Annotated[datetime | None, Field(description="First instant to leave out (UTC); empty: to the end.")]


def described(flow: Callable[..., object]) -> str:
    """Return a flow's docstring with its parameters in Google's format, in which Prefect's form reads them."""
    lines = [inspect.getdoc(flow) or "", "", "Args:"]
    for name, parameter in inspect.signature(flow, eval_str=True).parameters.items():
        about = next(note.description for note in parameter.annotation.__metadata__ if isinstance(note, FieldInfo))
        lines.append(f"    {name}: {about}")
    return "\n".join(lines)


def with_form(flow: Flow) -> Flow:
    """Describe a flow's parameters in its docstring, for Prefect's form."""
    flow.__doc__ = described(flow)
    return flow


def clock() -> datetime:
    """Return the present: the only place where flows look at a clock."""
    return datetime.now(UTC)


def run_name() -> str:
    """Return a run's name from its flow and its plant (also of a plant's path): ``watch pump_station``."""
    from prefect.runtime import flow_run

    return f"{flow_run.flow_name} {Path(flow_run.parameters['plant']).stem}"
