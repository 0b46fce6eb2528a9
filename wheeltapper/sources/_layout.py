"""The layouts in which tables of readings come: a column a sensor, a row a value, or a column a machine and sensor."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.sources._long import LongRows
from wheeltapper.sources._table import TableSource
from wheeltapper.spelling import near_miss

SENSOR_WORDS = ("sensor", "tag", "signal", "variable", "parameter", "channel", "metric", "measurement", "name")
VALUE_WORDS = ("value", "val", "reading", "measure", "wert", "data")


class LayoutSource(TableSource, ABC):
    """A source of rows with named columns; one row an instant (wide) or one row a value (long)."""

    layout: Literal["wide", "long"] = Field(
        "wide", description="wide: a column for each sensor; long: a row for each value, with the sensor's name beside"
    )
    sensor_column: str | None = Field(None, description="column that names the sensor, for layout long")
    value_column: str | None = Field(None, description="column of the value, for layout long")

    @model_validator(mode="after")
    def _fits_its_layout(self) -> Self:
        named = [name for name in ("sensor_column", "value_column") if getattr(self, name) is not None]
        if self.layout == "long" and len(named) < 2:
            raise ValueError("layout long needs sensor_column and value_column")
        if self.layout == "wide" and named:
            raise ValueError(f"{' and '.join(named)} belong to layout: long; set it, or remove them")
        return self

    def require_sensors(self, plant: Plant, names: Iterable[str], where: str) -> None:
        """Refuse data in which a sensor never occurs; ``names`` are all that do.

        Raises
        ------
        SourceError
            Naming the sensor, and what is there.
        """
        present = sorted(set(names))
        for sensor, name in self.sensor_columns(plant).items():
            if name not in present:
                shown = ", ".join(present[:20]) + (" …" if len(present) > 20 else "")
                raise SourceError(
                    f"{where}: {self._names_sensors} never names '{name}' for sensor {sensor} (it names: "
                    f"{shown or 'nothing'}).{near_miss(name, present)} Add it to columns, or remove it from the "
                    "plant's sensors."
                )

    @property
    def _names_sensors(self) -> str:
        return f"column '{self.sensor_column}'"

    def long_rows(self, plant: Plant, where: str) -> LongRows | None:
        """Return the collector of long rows; None for the wide layout."""
        return LongRows(list(plant.asset_type.delivered), where) if self.layout == "long" else None

    def other_layout(self, plant: Plant, has: list[str]) -> str:
        """Suggest the layout that the columns look like, if it is the other one; empty otherwise."""
        columns = set(self.sensor_columns(plant).values())
        if self.layout == "long" and columns <= set(has):
            return " There is a column for each sensor: set layout: wide, without sensor_column and value_column."
        sensor, value = like(SENSOR_WORDS, has), like(VALUE_WORDS, has)
        if self.layout == "wide" and sensor and value and not columns & set(has):
            return f" It looks like one row a value: set layout: long, sensor_column: {sensor}, value_column: {value}."
        return ""


class TaggedSource(LayoutSource, ABC):
    """A source whose columns (wide) or sensor names (long) may be tags that name machine and sensor at once."""

    tag_pattern: str | None = Field(
        None,
        description="regular expression for tags that name the machine as well: in layout wide a column's name, in "
        "layout long what stands in sensor_column. Its group 'asset' is the machine, its group 'sensor' the sensor's "
        r"name in the data, as in (?P<asset>[^.]+)\.(?P<sensor>.+); without that group the plant has one sensor. "
        "What does not fit is left out, and an empty field is no reading",
    )

    @field_validator("tag_pattern")
    @classmethod
    def _tells_machines_apart(cls, pattern: str | None) -> str | None:
        try:
            groups = {"asset"} if pattern is None else set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        if not {"asset"} <= groups <= {"asset", "sensor"}:
            raise ValueError(f"expected the groups (?P<asset>...) and (?P<sensor>...), got {pattern!r}")
        return pattern

    def check(self, plant: Plant) -> None:
        """Refuse columns that name no sensor of the plant, and tags that leave the sensor open."""
        super().check(plant)
        if self.tag_pattern is None or "sensor" in re.compile(self.tag_pattern).groupindex:
            return
        sensors = list(plant.asset_type.delivered)
        if len(sensors) > 1:
            raise SourceError(
                f"tag_pattern {self.tag_pattern} names no sensor, but {plant.name} has {len(sensors)}: "
                f"{', '.join(sensors)}. Add a group (?P<sensor>...)."
            )

    def tags(self, plant: Plant, names: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return tag → machine and sensor. Names that are no tag, or of no sensor, are left out."""
        self.check(plant)
        sensors = {name: sensor for sensor, name in self.sensor_columns(plant).items()}
        only = plant.asset_type.delivered[0]
        tags = {}
        for name in names:
            match = re.fullmatch(self.tag_pattern or "", name)
            if match is None or not match["asset"]:
                continue
            sensor = sensors.get(match["sensor"] or "") if "sensor" in match.re.groupindex else only
            if sensor is not None:
                tags[name] = (match["asset"], sensor)
        return tags

    def require_tags(self, plant: Plant, names: Iterable[str], where: str) -> None:
        """Refuse data in which no tag, or no tag of a sensor, is found.

        Raises
        ------
        SourceError
            Naming the sensor, and what is there.
        """
        unique = list(dict.fromkeys(names))
        columns = self.sensor_columns(plant)
        present = {columns[sensor] for _, sensor in self.tags(plant, unique).values()}
        for sensor, name in columns.items():
            if name not in present:
                shown = ", ".join(unique[:20]) + (" …" if len(unique) > 20 else "")
                raise SourceError(
                    f"{where}: no name fits tag_pattern {self.tag_pattern} for sensor {sensor}, called '{name}' (there "
                    f"are: {shown or 'none'}). Change tag_pattern or columns, or remove {sensor} from the plant's "
                    "sensors."
                )


def like(words: tuple[str, ...], has: list[str]) -> str | None:
    """Return the first column in whose name one of the words occurs."""
    parts = {name: name.lower().replace("-", "_").split("_") for name in has}
    return next((name for word in words for name in has if word in parts[name]), None)
