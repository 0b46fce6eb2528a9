"""Durations, instants, and the base of every model: frozen, and without keys that it does not define."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, get_args

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationInfo,
    field_validator,
)

NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|sec|min|h|d|w)\s*$")
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: Any) -> timedelta:
    """Read ``30s``, ``5min``, ``1h``, ``2d`` or ``1w``; a bare number is refused, because it has no unit."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a duration such as 30s, 5min, 1h or 2d, got {value!r}")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def format_duration(value: timedelta) -> str:
    """Write a duration the way that ``parse_duration`` reads it."""
    seconds = value.total_seconds()
    for unit in ("w", "d", "h", "min", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.15g}{unit}"
    return f"{seconds * 1000:.15g}ms"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]


def _as_utc(value: Any) -> datetime:
    """Read a YAML date or time as UTC where it names no zone; a bare number is refused, because it has no unit."""
    when = _parse_time(value) if isinstance(value, str) else value
    if isinstance(when, date) and not isinstance(when, datetime):
        when = datetime(when.year, when.month, when.day)
    if not isinstance(when, datetime):
        raise ValueError(f"expected a date or time such as 2026-01-31 or 2026-01-31T06:00Z, got {value!r}")
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


Instant = Annotated[AwareDatetime, BeforeValidator(_as_utc)]


class Model(BaseModel):
    """A frozen piece of configuration that refuses unknown keys, and text where a number belongs."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_text_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        return no_text_for_a_number(value, cls.model_fields[str(info.field_name)].annotation)


def no_text_for_a_number(value: Any, annotation: Any) -> Any:
    """Refuse ``rows: "5"`` and ``rows: yes``, which would silently become 5 and 1."""
    accepted = _plain_types(annotation)
    is_number = accepted <= {int, float, NoneType} and bool(accepted & {int, float})
    if is_number and isinstance(value, str):
        raise ValueError(f"expected a number, got the text {value!r}")
    if is_number and isinstance(value, bool):
        raise ValueError(f"expected a number, got {str(value).lower()}")
    return value


def _plain_types(annotation: Any) -> set[Any]:
    """Return the types that an annotation such as ``float | None`` allows."""
    return set(get_args(annotation)) if isinstance(annotation, UnionType) else {annotation}
