"""What a topic and a JSON payload say: which machine, which sensor, when, and how much."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from wheeltapper.config import Model, Plant
from wheeltapper.config.fitting import require_conversion
from wheeltapper.errors import ConfigError
from wheeltapper.sources.live.assembly import NOT_MEASURED, TagValue
from wheeltapper.sources.live.reading import LiveReading
from wheeltapper.spelling import near_miss

_PART = re.compile(r"\{([^{}]*)\}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS_OF_EPOCH = {"unix": "seconds", "unix_ms": "milliseconds"}


class MessageError(Exception):
    """A message cannot be used; the text says why. It is kept, and nothing stops."""


class Pattern:
    """A topic with named parts, such as ``plant/{asset_id}/{sensor}``; ``+`` and ``#`` stand for anything.

    Parameters
    ----------
    text : str
    names : tuple of str
        Parts that may be named.

    Raises
    ------
    ValueError
        If it is no topic filter, or names a part twice or one that has no meaning.

    Examples
    --------
    >>> pattern = Pattern("plant/{asset_id}/{sensor}")
    >>> pattern.filter
    'plant/+/+'
    >>> pattern.parts("plant/pump-01/flow")
    {'asset_id': 'pump-01', 'sensor': 'flow'}
    """

    def __init__(self, text: str, names: tuple[str, ...] = ("asset_id", "sensor")) -> None:
        self.text = text
        self.names = tuple(_PART.findall(text))
        for name in self.names:
            if name not in names or self.names.count(name) > 1:
                raise ValueError(
                    f"'{text}' names the part {{{name}}}; named parts are {_braced(names)}, each once. Write + for a "
                    "level that means nothing"
                )
        levels = text.split("/")
        if not text or any("{" in _PART.sub("", level) or "}" in _PART.sub("", level) for level in levels):
            raise ValueError(f"'{text}' is no topic. Write it like plant/{{asset_id}}/{{sensor}}")
        for place, level in enumerate(levels):
            is_last = place == len(levels) - 1
            if ("#" in level and (level != "#" or not is_last)) or ("+" in level and level != "+"):
                raise ValueError(f"'{text}': + stands alone in a level, and # alone in the last one")
        self.filter = "/".join("+" if _PART.search(level) else level for level in levels)
        self._regex = re.compile("/".join(map(_level_regex, levels)))

    def parts(self, topic: str) -> dict[str, str] | None:
        """Return the named parts of a topic; None where it does not match."""
        match = self._regex.fullmatch(topic)
        return None if match is None else match.groupdict()


def _level_regex(level: str) -> str:
    if level == "#":
        return ".*"
    if level == "+":
        return "[^/]*"
    pieces = _PART.split(level)
    # Text and names take turns.
    return "".join(f"(?P<{piece}>[^/]+)" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces))


def _braced(names: tuple[str, ...]) -> str:
    return " and ".join(f"{{{name}}}" for name in names)


class SensorField(Model):
    """Where a sensor's value stands, and its unit there."""

    field: str | None = Field(
        None, description="name in the payload or topic, with dots for a field inside a field; by default the sensor's"
    )
    unit: str | None = Field(None, description="unit that is delivered; by default that of the plant's source")

    @model_validator(mode="before")
    @classmethod
    def _takes_a_bare_name(cls, value: Any) -> Any:
        """Read ``flow: FLOW_01`` as ``flow: {field: FLOW_01}``."""
        return {"field": value} if isinstance(value, str) else value


class Topic(Model):
    """One kind of message: its topic, and how its payload is written."""

    topic: str = Field(description="with named parts, such as plant/{asset_id}/{sensor} or plant/{asset_id}/telemetry")
    payload: Literal["number", "value", "sensors"] = Field(
        "sensors",
        description="number: a bare number; value: an object with a value and perhaps a time; sensors: an object with "
        "a field for each sensor (or a list of such objects)",
    )
    asset_id: str | None = Field(None, description="the machine, where the topic does not name it")
    asset_field: str | None = Field(None, description="field that names the machine, where the topic does not")
    sensor: str | None = Field(None, description="the sensor, where the topic has one value and does not name it")
    sensors: dict[str, SensorField] = Field(
        default_factory=dict, description="sensor → its name and unit in the messages, where they are not the plant's"
    )
    value_field: str = Field("value", description="field of the value, for payload: value")
    time_field: str | None = Field(None, description="field of the time; without it, the time of arrival counts")
    time_format: Literal["iso", "unix", "unix_ms"] = Field(
        "iso", description="how the time is written: ISO 8601, seconds or milliseconds since 1970"
    )
    time_zone: str | None = Field(None, description="time zone of ISO times that name none, such as Europe/Berlin")
    regime_field: str | None = Field(None, description="field of the operating state, for payload: sensors")

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        try:
            return name if name is None else ZoneInfo(name).key
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no time zone named '{name}'. Write it like Europe/Berlin or UTC") from error

    @model_validator(mode="after")
    def _says_which_machine_and_sensor(self) -> Self:
        named = self.pattern.names
        machines = [self.asset_id, self.asset_field, "asset_id" if "asset_id" in named else None]
        if sum(machine is not None for machine in machines) != 1:
            raise ValueError("name the machine once: by {asset_id} in topic, by asset_id, or by asset_field")
        sensors = [self.sensor, "sensor" if "sensor" in named else None]
        if sum(sensor is not None for sensor in sensors) != (0 if self.payload == "sensors" else 1):
            raise ValueError(
                "payload: sensors has a field for each sensor, so topic and sensor name none"
                if self.payload == "sensors"
                else f"payload: {self.payload} is of one sensor: name it by {{sensor}} in topic, or by sensor"
            )
        if self.payload == "number" and (self.time_field or self.asset_field):
            raise ValueError("a bare number has no fields. Remove time_field and asset_field, or write payload: value")
        if self.regime_field is not None and self.payload != "sensors":
            raise ValueError("regime_field is for payload: sensors. Remove it")
        return self

    @cached_property
    def pattern(self) -> Pattern:
        """The topic's pattern."""
        return Pattern(self.topic)


@dataclass(frozen=True)
class Arrival:
    """A message as it arrived."""

    topic: str
    payload: bytes
    arrived: datetime
    is_retained: bool = False
    """Whether the broker had kept it, from whenever it was published."""


class JsonDecoder:
    """Reads messages of one kind of topic for one plant.

    Raises
    ------
    ConfigError
        If the options name a sensor that the plant does not have, or a unit that cannot be converted.
    """

    def __init__(self, options: Topic, plant: Plant) -> None:
        self._options = options
        self._sensors = SensorNames(options.sensors, plant, f"topic {options.topic}")
        self._zone = None if options.time_zone is None else ZoneInfo(options.time_zone)
        if options.sensor is not None:
            self._sensors.require(options.sensor)
        self.filters = (options.pattern.filter,)

    def knows(self, topic: str) -> bool:
        """Tell whether a topic is of this kind."""
        return self._options.pattern.parts(topic) is not None

    def decode(self, message: Arrival) -> list[LiveReading | TagValue]:
        """Return what a message says.

        Raises
        ------
        MessageError
        """
        parts = self._options.pattern.parts(message.topic) or {}
        try:
            content = json.loads(message.payload)
        except (ValueError, RecursionError) as error:
            raise MessageError(f"the payload is no JSON: {error}") from error
        if self._options.payload == "sensors":
            items = content if isinstance(content, list) else [content]
            return [self._reading(item, message, parts) for item in items]
        return [self._tag(content, message, parts)]

    def _tag(self, content: Any, message: Arrival, parts: Mapping[str, str]) -> TagValue:
        sensor = self._options.sensor or self._sensors.named(parts["sensor"])
        value = content if self._options.payload == "number" else _field(content, self._options.value_field)
        number, why = self._sensors.value(sensor, value)
        if number is None and why != NOT_MEASURED:
            raise MessageError(f"{sensor}: {why}")
        return TagValue(self._asset(content, parts), sensor, self._time(content, message), number, why)

    def _reading(self, content: Any, message: Arrival, parts: Mapping[str, str]) -> LiveReading:
        values: dict[str, float | str] = {}
        missing: dict[str, str] = {}
        for sensor, field in self._sensors.fields.items():
            value, why = self._sensors.value(sensor, _field(content, field, None))
            if value is not None:
                values[sensor] = value
            else:
                missing[sensor] = why
        if not values:
            raise MessageError(
                f"none of the fields {', '.join(self._sensors.fields.values())} has a value"
                f" (the payload has: {', '.join(content) or 'none'})"
            )
        regime = None if self._options.regime_field is None else _field(content, self._options.regime_field, None)
        return LiveReading(
            self._asset(content, parts),
            self._time(content, message),
            values,
            None if regime is None else str(regime),
            missing,
        )

    def _asset(self, content: Any, parts: Mapping[str, str]) -> str:
        if self._options.asset_field is None:
            return self._options.asset_id or parts["asset_id"]
        name = _field(content, self._options.asset_field)
        if not isinstance(name, str | int) or isinstance(name, bool) or not str(name).strip():
            raise MessageError(f"{self._options.asset_field} must name the machine, got {_shown(name)}")
        return str(name).strip()

    def _time(self, content: Any, message: Arrival) -> datetime:
        if self._options.time_field is None:
            if message.is_retained:
                raise MessageError("the broker had kept it, and it has no time of its own, so its age is not known")
            return message.arrived
        return read_time(_field(content, self._options.time_field), self._options.time_format, self._zone)


class SensorNames:
    """The sensors of a plant under the names and in the units of messages.

    Raises
    ------
    ConfigError
        If a sensor is not the plant's, two have one name, or a unit cannot be converted.
    """

    def __init__(self, options: Mapping[str, SensorField], plant: Plant, where: str) -> None:
        self._where = where
        self._known = plant.asset_type.delivered
        self._words = plant.asset_type.categories
        for sensor in options:
            self.require(sensor)
        self.fields = {sensor: options.get(sensor, _AS_IN_PLANT).field or sensor for sensor in self._known}
        self.sensor_of = {field: sensor for sensor, field in self.fields.items()}
        if len(self.sensor_of) < len(self.fields):
            twice = next(field for field in self.sensor_of if list(self.fields.values()).count(field) > 1)
            raise ConfigError(f"{where}: two sensors have the name '{twice}' in the messages. Name them apart")
        self._units = {
            sensor: self._units_of(sensor, option.unit, plant)
            for sensor, option in options.items()
            if option.unit is not None
        }

    def require(self, sensor: str) -> None:
        """Refuse a sensor that the plant does not have.

        Raises
        ------
        ConfigError
        """
        if sensor not in self._known:
            raise ConfigError(
                f"{self._where}: no sensor '{sensor}' (the plant has: {', '.join(self._known)})."
                f"{near_miss(sensor, self._known)} Correct the name, or add the sensor to the asset type"
            )

    def named(self, name: str) -> str:
        """Return the sensor that messages call ``name``.

        Raises
        ------
        MessageError
        """
        if name not in self.sensor_of:
            raise MessageError(f"no sensor is called '{name}' (known: {', '.join(self.sensor_of)})")
        return self.sensor_of[name]

    def value(self, sensor: str, written: Any) -> tuple[float | str | None, str]:
        """Read a value in the unit of the plant's source, or say why there is none."""
        if written is None or (isinstance(written, float) and math.isnan(written)):
            return None, NOT_MEASURED
        if sensor in self._words:
            return (str(written), "") if isinstance(written, str | int | float) else (None, _unreadable(written))
        try:
            number = float(written) if isinstance(written, str | int | float) else math.inf
        except (ValueError, OverflowError):
            return None, _unreadable(written)
        if not math.isfinite(number):
            return None, NOT_MEASURED if math.isnan(number) else _unreadable(written)
        return self._converted(sensor, number), ""

    def _converted(self, sensor: str, value: float) -> float:
        if sensor not in self._units:
            return value
        import pint

        delivered, target = self._units[sensor]
        return float(pint.application_registry.convert(value, delivered, target))

    def _units_of(self, sensor: str, unit: str, plant: Plant) -> tuple[str, str]:
        if sensor in self._words:
            raise ConfigError(f"{self._where}: {sensor} is a category and has no unit. Remove it")
        target = plant.cleaning.units.get(sensor, plant.asset_type.sensors[sensor].unit)
        try:
            require_conversion(unit, target, sensor)
        except ValueError as error:
            raise ConfigError(f"{self._where}: {str(error).removeprefix('cleaning.units: ')}") from error
        return unit, target


_AS_IN_PLANT = SensorField(field=None, unit=None)


def read_time(written: Any, form: str, zone: ZoneInfo | None = None) -> datetime:
    """Read the time of a message.

    Parameters
    ----------
    written : object
        As it stands in the JSON.
    form : str
        ``iso``, ``unix`` or ``unix_ms``.
    zone : ZoneInfo, optional
        Of ISO times that name none.

    Raises
    ------
    MessageError
        If it is no such time, or names no zone and none is known.

    Examples
    --------
    >>> read_time(1767225600, "unix").isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    try:
        if form != "iso":
            if isinstance(written, bool):
                raise ValueError
            return _EPOCH + timedelta(**{_UNITS_OF_EPOCH[form]: float(written)})
        time = datetime.fromisoformat(str(written))
        if time.tzinfo is None and zone is None:
            raise MessageError(f"the time {_shown(written)} names no zone. Set time_zone")
        return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        expected = {"iso": "an ISO 8601 time", "unix": "seconds since 1970", "unix_ms": "milliseconds since 1970"}[form]
        raise MessageError(f"expected {expected}, got {_shown(written)}") from error


def _field(content: Any, path: str, *default: Any) -> Any:
    """Return a field of an object; dots lead into a field's fields, where no field has the whole name."""
    if not isinstance(content, dict):
        raise MessageError(f"expected an object with {path}, got {_shown(content)}")
    value: Any = content
    for part in [path] if path in content else path.split("."):
        if not isinstance(value, dict) or part not in value:
            if default:
                return default[0]
            raise MessageError(f"no field '{path}' (the payload has: {', '.join(content) or 'none'})")
        value = value[part]
    return value


def _unreadable(written: Any) -> str:
    return f"unreadable: {_shown(written)}"


def _shown(written: Any) -> str:
    """Show a value of a message in a few characters."""
    text = repr(written)
    return text if len(text) <= 60 else f"{text[:57]}..."
