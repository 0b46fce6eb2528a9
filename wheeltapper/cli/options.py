"""Options: the arguments and options that several commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from wheeltapper.errors import ConfigError

PlantArgument = Annotated[
    str, typer.Argument(metavar="PLANT", help="The name of a plant in conf/, or the path of its YAML file.")
]
StartOption = Annotated[
    str | None, typer.Option("--start", help="First instant to read, such as 2026-01-31 or 2026-01-31T06:00Z.")
]
EndOption = Annotated[str | None, typer.Option("--end", help="Read only what is before this instant.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ObjectiveArgument = Annotated[
    str,
    typer.Argument(metavar="[OBJECTIVE]", help="The question that the model answers: one of the plant's objectives."),
]


def parse_instant(text: str) -> datetime:
    """Read a date or time; UTC where it names no time zone.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"'{text}' is not a date or time; write it like 2026-01-31 or 2026-01-31T06:00Z") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
