"""Sparkplug B: edge nodes and devices that are born, send what has changed, and die."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import Field, model_validator

from wheeltapper.config import Model, Plant
from wheeltapper.sources.live import _sparkplug_payload as wire
from wheeltapper.sources.live.assembly import TagValue
from wheeltapper.sources.live.mapping import Arrival, MessageError, Pattern, SensorField, SensorNames

log = logging.getLogger("wheeltapper.live.mqtt")

NAMESPACE = "spBv1.0"
OFFLINE = "status: offline"
_KINDS = ("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GOOD = 192
_QUALITIES = {0: "bad", 500: "stale"}
_ASK_AGAIN = timedelta(seconds=30)
"""A node that does not answer a request within this time is asked again, as requests are sent at most once."""
_SEQUENCE = 256
"""Sequence numbers begin again after 255."""

Send = Callable[[str, bytes], None]
"""Publishes a message: topic and payload."""


class Sparkplug(Model):
    """Which Sparkplug B messages are read, and which machine and sensor a metric is."""

    groups: tuple[str, ...] = Field((), description="group ids that are read; by default all")
    asset_id: str | None = Field(
        None,
        description="the machine, made of {group}, {node} and {device}; by default the device, or the node for metrics "
        "of its own",
    )
    metric: str | None = Field(
        None,
        description="how metrics of several machines are named, such as {asset_id}/{sensor}; by default the whole name "
        "is the sensor's",
    )
    sensors: dict[str, SensorField] = Field(
        default_factory=dict, description="sensor → metric and its unit, where they are not the plant's"
    )

    @model_validator(mode="after")
    def _names_known_parts(self) -> Self:
        unknown = set(re.findall(r"\{([^{}]*)\}", self.asset_id or "")) - {"group", "node", "device"}
        if unknown:
            raise ValueError(f"asset_id is made of {{group}}, {{node}} and {{device}}; {sorted(unknown)} is unknown")
        if self.metric is not None and set(Pattern(self.metric).names) != {"asset_id", "sensor"}:
            raise ValueError("metric names both {asset_id} and {sensor}, such as {asset_id}/{sensor}. Correct it")
        if self.metric is not None and self.asset_id is not None:
            raise ValueError("name the machine once: by asset_id, or by {asset_id} in metric")
        for group in self.groups:
            if not group or set(group) & set("/+#"):
                raise ValueError(f"groups: '{group}' is no group id: it has none of / + #")
        return self


@dataclass(frozen=True)
class _Born:
    """What a birth said of a metric."""

    name: str
    datatype: int


@dataclass
class _Device:
    """A device, or an edge node itself, that is alive."""

    metrics: dict[str, _Born] = field(default_factory=dict)
    aliases: dict[int, _Born] = field(default_factory=dict)

    def find(self, metric: Any) -> _Born | None:
        """Return what is known of a metric by its alias or name."""
        born = self.aliases.get(metric.alias) if metric.HasField("alias") else None
        return born or (self.metrics.get(metric.name) if metric.name else None)


@dataclass
class _Node:
    """An edge node as far as its messages have told."""

    devices: dict[str, _Device] = field(default_factory=dict)
    """Device → what was born; the node itself is the device with the empty name."""
    birth_number: int | None = None
    """The number that its birth and its death have in common (``bdSeq``)."""
    last_sequence: int | None = None
    asked: datetime | None = None
    """When it was asked for a rebirth; None once it has answered."""


class SparkplugDecoder:
    """Reads Sparkplug B messages of one plant's edge nodes.

    Names and aliases of metrics are known from births. Where a birth was missed, or a message in between, the node is
    asked to be born again, which gives all values anew. A death makes the sensors of the node, or of the device,
    missing with the reason ``status: offline``.

    Most messages of Sparkplug are sent at most once, as its specification wants: what is published while nobody
    listens is lost, unless the edge node keeps it and sends it as historical values later.

    Parameters
    ----------
    options : Sparkplug
    plant : Plant
    send : function
        Publishes a request.

    References
    ----------
    .. [1] Eclipse Foundation, "Sparkplug Specification 3.0.0", 2022.
    """

    def __init__(self, options: Sparkplug, plant: Plant, send: Send) -> None:
        self._options, self._send = options, send
        self._sensors = SensorNames(options.sensors, plant, "sparkplug")
        self._pattern = None if options.metric is None else Pattern(options.metric)
        self._nodes: dict[tuple[str, str], _Node] = {}
        self.filters = tuple(
            f"{NAMESPACE}/{group}/{kind}/+{'/+' if kind[0] == 'D' else ''}"
            for group in options.groups or ("+",)
            for kind in _KINDS
        )

    def knows(self, topic: str) -> bool:
        """Tell whether a topic is one of Sparkplug B."""
        return topic.startswith(f"{NAMESPACE}/")

    def decode(self, message: Arrival) -> Sequence[TagValue]:
        """Return the values that a message holds; the sensors of who died are missing.

        Raises
        ------
        MessageError
            If it is no Sparkplug B message, or has values only of metrics that no birth has named.
        """
        group, kind, node_id, device_id = _parts(message.topic)
        try:
            payload = wire.parse(message.payload)
        except ValueError as error:
            raise MessageError(str(error)) from error
        node = self._nodes.setdefault((group, node_id), _Node())
        place = _Place(group, node_id, device_id)
        if kind in ("NBIRTH", "DBIRTH"):
            return self._birth(place, node, payload, message.arrived)
        if kind in ("NDATA", "DDATA"):
            return self._data(place, node, payload, message.arrived)
        return self._death(place, node, payload, message.arrived)

    def _birth(self, place: _Place, node: _Node, payload: Any, arrived: datetime) -> list[TagValue]:
        if not place.device:
            node.devices.clear()
            node.birth_number, node.last_sequence, node.asked = _birth_number(payload), int(payload.seq), None
        else:
            self._follow(place, node, payload, arrived)
        device = node.devices[place.device] = _Device()
        for metric in payload.metrics:
            born = device.metrics[metric.name] = _Born(metric.name, metric.datatype)
            if metric.HasField("alias"):
                device.aliases[metric.alias] = born
        return self._values(place, device, payload, arrived)

    def _data(self, place: _Place, node: _Node, payload: Any, arrived: datetime) -> list[TagValue]:
        self._follow(place, node, payload, arrived)
        device = node.devices.get(place.device)
        unknown = [metric for metric in payload.metrics if device is None or device.find(metric) is None]
        if unknown:
            self._ask(place, node, arrived)
        values = self._values(place, device or _Device(), payload, arrived)
        if not values and any(not metric.name for metric in unknown):
            raise MessageError("no birth has named its metrics; the edge node was asked to be born again")
        return values

    def _death(self, place: _Place, node: _Node, payload: Any, arrived: datetime) -> list[TagValue]:
        if place.device:
            self._follow(place, node, payload, arrived)
            gone = {place.device: node.devices.pop(place.device, _Device())}
            time = _time(payload.timestamp) or arrived
        else:
            if _birth_number(payload) != node.birth_number:
                return []  # the death of an earlier session, which the broker had noticed late
            gone, node.devices, node.last_sequence = node.devices, {}, None
            time = arrived  # its own time is that of the birth, when the broker was told of it
        return [
            TagValue(asset_id, sensor, time, None, OFFLINE)
            for device_id, device in gone.items()
            for name in device.metrics
            for asset_id, sensor in self._meant(_Place(place.group, place.node, device_id), name)
        ]

    def _values(self, place: _Place, device: _Device, payload: Any, arrived: datetime) -> list[TagValue]:
        values = []
        for metric in payload.metrics:
            born = device.find(metric) or _Born(metric.name, metric.datatype)
            time = _time(metric.timestamp) or _time(payload.timestamp) or arrived
            for asset_id, sensor in self._meant(place, born.name):
                quality = wire.quality_of(metric)
                if quality in (None, _GOOD):
                    value, why = self._sensors.value(sensor, wire.value_of(metric, metric.datatype or born.datatype))
                else:
                    value, why = None, f"status: {_QUALITIES.get(int(quality or 0), quality)}"
                values.append(TagValue(asset_id, sensor, time, value, why))
        return values

    def _meant(self, place: _Place, name: str) -> list[tuple[str, str]]:
        """Return machine and sensor of a metric; nothing where it is of no sensor, as most of a birth are."""
        asset_id = place.asset_id(self._options.asset_id)
        if self._pattern is not None:
            parts = self._pattern.parts(name) or {"asset_id": "", "sensor": ""}
            asset_id, name = parts["asset_id"], parts["sensor"]
        sensor = self._sensors.sensor_of.get(name)
        return [] if sensor is None or not asset_id else [(asset_id, sensor)]

    def _follow(self, place: _Place, node: _Node, payload: Any, arrived: datetime) -> None:
        """Ask for a rebirth where messages of a node are missing, or its birth is."""
        sequence = int(payload.seq)
        if node.last_sequence is None or sequence != (node.last_sequence + 1) % _SEQUENCE:
            self._ask(place, node, arrived)
        node.last_sequence = None if node.last_sequence is None else sequence

    def _ask(self, place: _Place, node: _Node, now: datetime) -> None:
        if node.asked is not None and now - node.asked < _ASK_AGAIN:
            return
        node.asked = now
        log.info("mqtt: %s/%s is asked to be born again", place.group, place.node)
        milliseconds = (now - _EPOCH) // timedelta(milliseconds=1)
        request = wire.Payload(timestamp=milliseconds)
        request.metrics.add(
            name="Node Control/Rebirth", timestamp=milliseconds, datatype=wire.BOOLEAN, boolean_value=True
        )
        self._send(f"{NAMESPACE}/{place.group}/NCMD/{place.node}", request.SerializeToString())


@dataclass(frozen=True)
class _Place:
    """Who sent a message."""

    group: str
    node: str
    device: str
    """Empty for the edge node itself."""

    def asset_id(self, template: str | None) -> str:
        """Return the machine; empty where the template names a device and there is none."""
        if template is None:
            return self.device or self.node
        if "{device}" in template and not self.device:
            return ""
        return template.format(group=self.group, node=self.node, device=self.device)


def _parts(topic: str) -> tuple[str, str, str, str]:
    """Return group, kind of message, node and device of a topic."""
    levels = topic.split("/")
    expected = {"N": 4, "D": 5}.get(levels[2][:1], 0) if len(levels) > 3 else 0
    if len(levels) != expected or levels[2] not in _KINDS:
        raise MessageError(f"'{topic}' is no topic of births, data and deaths of Sparkplug B")
    return levels[1], levels[2], levels[3], levels[4] if expected == 5 else ""


def _birth_number(payload: Any) -> int | None:
    numbers = [wire.value_of(metric, metric.datatype) for metric in payload.metrics if metric.name == "bdSeq"]
    return int(numbers[0]) if numbers and numbers[0] is not None else None


def _time(milliseconds: int) -> datetime | None:
    """Return a time of Sparkplug; None for 0, which stands for none."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds) if milliseconds else None
    except OverflowError as error:
        raise MessageError(f"expected milliseconds since 1970, got {milliseconds}") from error
