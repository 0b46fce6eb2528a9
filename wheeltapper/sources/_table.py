"""Options that all sources of rows and columns share: which column means what."""

from __future__ import annotations

from abc import ABC
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import Field, field_validator

from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.sources import Source
from wheeltapper.sources._cells import NO_KIND, constant, flags
from wheeltapper.spelling import near_miss


class TableSource(Source, ABC):
    """A source of rows with named columns."""

    time_zone: str | None = Field(None, description="zone of times that name none, such as Europe/Berlin")
    time_format: str | None = Field(
        None, description="how times are written: %d/%m/%Y %H:%M and the like, unix or unix_ms; by default ISO 8601"
    )
    columns: dict[str, str] = Field(default_factory=dict, description="name in the data → sensor; by default the same")
    regime_column: str | None = Field(None, description="column of the operating state; by default all is normal")
    regimes: dict[str, str] = Field(default_factory=dict, description="operating state in the data → regime")
    fault_column: str | None = Field(None, description="column that is not 0 (or is true, yes) inside a fault")
    fault_kind_column: str | None = Field(
        None,
        description="column that names the kind of fault; without fault_column, a fault is wherever it names one "
        "(empty, 0, none, normal, ok and healthy name none)",
    )
    fault_kind: str = Field("labelled", description="kind of all faults where nothing else names it")
    chunk_rows: int = Field(500_000, ge=1, description="most rows in memory at once")

    @field_validator("regimes", mode="before")
    @classmethod
    def _takes_off_for_a_word(cls, regimes: Any) -> Any:
        """Undo YAML's reading of off as false, and of on as true."""
        if not isinstance(regimes, dict):
            return regimes
        return {_word(name): _word(regime) for name, regime in regimes.items()}

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, zone: str | None) -> str | None:
        try:
            return zone and ZoneInfo(zone).key
        except (ValueError, OSError, LookupError) as error:
            raise ValueError(f"no such time zone: {zone!r}; write it like UTC or Europe/Berlin") from error

    def check(self, plant: Plant) -> None:
        """Refuse columns that name no sensor of the plant; see `Source.check`."""
        self.sensor_columns(plant)

    def sensor_columns(self, plant: Plant) -> dict[str, str]:
        """Return sensor → its column in the data."""
        allowed = list(plant.asset_type.delivered)
        names: dict[str, str] = {}
        for column, sensor in self.columns.items():
            if sensor not in allowed:
                raise SourceError(
                    f"columns: '{column}' names sensor '{sensor}', which {plant.name} does not have "
                    f"(it has: {', '.join(allowed)}).{near_miss(sensor, allowed)}"
                )
            if sensor in names:
                raise SourceError(f"columns: '{names[sensor]}' and '{column}' both name sensor '{sensor}'.")
            names[sensor] = column
        return {sensor: names.get(sensor, sensor) for sensor in allowed}

    def fault_kind_of(self, raw: pd.DataFrame, shown: str, decimal: str = ".") -> pd.Series[str]:
        """Return the kind of fault that each row lies in; empty outside faults."""
        nothing = constant("", len(raw))
        if self.fault_column is None and self.fault_kind_column in raw:
            kind = raw[self.fault_kind_column].fillna("").str.strip()
            return kind.mask(kind.str.lower().isin(NO_KIND), "")
        if self.fault_column is None or self.fault_column not in raw:
            return nothing
        inside = flags(raw[self.fault_column], self.fault_column, shown, decimal)
        kind = constant(self.fault_kind, len(raw))
        if self.fault_kind_column in raw:
            kind = raw[self.fault_kind_column].str.strip().fillna(self.fault_kind).replace("", self.fault_kind)
        return kind.where(inside, nothing)


def _word(value: Any) -> Any:
    return {False: "off", True: "on"}[value] if isinstance(value, bool) else value


def _listed(has: list[str]) -> str:
    """List columns, but no more than a sentence can hold."""
    shown = [name if len(name) <= 60 else f"{name[:60]}…" for name in has[:30]]
    return ", ".join([*shown, *(["…"] if len(has) > 30 else [])])


def missing(file: str, column: str, use: str, has: list[str], is_sensor: bool) -> str:
    """Say which column is missing, what is there, and what to do."""
    verb = "have" if file.startswith("none") else "has no"
    advice = "Add it to the source, or remove it from the plant's sensors." if is_sensor else f"Change {use}."
    return f"{file} {verb} column '{column}' for {use} (it has: {_listed(has)}).{near_miss(column, has)} {advice}"
