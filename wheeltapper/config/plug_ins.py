"""How a plant names a plug-in: by its file's name, with its options."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field, model_validator

from wheeltapper.config.values import Model


def _without_passwords(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_passwords(inner) for key, inner in value.items()}
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", value) if isinstance(value, str) else value


class PlugIn(Model):
    """A plug-in by its file's name, with its options: ``lof`` or ``lof: {n_neighbors: 20}``."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Hide a password in an address, so that it does not appear in a log."""
        for name, value in super().__repr_args__():
            yield name, _without_passwords(value)

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and set(value) != {"name", "options"} and set(value) != {"name"}:
            if len(value) != 1:
                raise ValueError(f"expected one name with its options, got {sorted(map(str, value))}")
            ((name, options),) = value.items()
            value = {"name": name, "options": {} if options is None else options}
        if isinstance(value, dict) and not isinstance(value.get("options", {}), dict):
            raise ValueError(f"{value['name']} takes options by name, such as {{seed: 1}}, got {value['options']!r}")
        if not isinstance(value, dict | PlugIn):
            raise ValueError(f"expected a name such as lof, or lof: {{n_neighbors: 20}} with options, got {value!r}")
        return value
