"""The payload of Sparkplug B messages: those fields of its protobuf schema that readings need.

The others, such as data sets and templates, are skipped when a payload is parsed.

References
----------
.. [1] Eclipse Foundation, "Sparkplug Specification 3.0.0", 2022, section 6.4, and its schema ``sparkplug_b.proto``.
"""

from __future__ import annotations

from typing import Any, cast

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "wheeltapper.sparkplug"
_KINDS = {
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "string": FieldDescriptorProto.TYPE_STRING,
}
_SCHEMA = {
    "PropertyValue": "uint32 int_value 3",
    "PropertySet": "repeated string keys 1, repeated PropertyValue values 2",
    "Metric": "string name 1, uint64 alias 2, uint64 timestamp 3, uint32 datatype 4, bool is_historical 5, "
    "bool is_null 7, PropertySet properties 9, oneof uint32 int_value 10, oneof uint64 long_value 11, "
    "oneof float float_value 12, oneof double double_value 13, oneof bool boolean_value 14, "
    "oneof string string_value 15",
    "Payload": "uint64 timestamp 1, repeated Metric metrics 2, uint64 seq 3",
}
"""Message → its fields: how often, kind, name and number."""
_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
"""Data types of signed whole numbers → how many bits they have; they come as unsigned ones."""
BOOLEAN = 11
"""The data type of true and false."""


def _message_class() -> Any:
    file = FileDescriptorProto(name="sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            *how, kind, field_name, number = field.split()
            entry = message.field.add(name=field_name, number=int(number))
            entry.label = entry.LABEL_REPEATED if how == ["repeated"] else entry.LABEL_OPTIONAL
            if kind in _KINDS:
                entry.type = _KINDS[kind]
            else:
                entry.type, entry.type_name = entry.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            if how == ["oneof"]:
                entry.oneof_index = 0
        if "oneof" in fields:
            message.oneof_decl.add(name="value")
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload: Any = _message_class()
"""A message with ``timestamp``, ``metrics`` and ``seq``; ``Payload(timestamp=1).SerializeToString()`` writes one."""


def parse(written: bytes) -> Any:
    """Return a `Payload`.

    Raises
    ------
    ValueError
        If the bytes are none.
    """
    try:
        return Payload.FromString(written)
    except DecodeError as error:
        raise ValueError(f"the payload is not of Sparkplug B: {error}") from error


def value_of(metric: Any, datatype: int) -> float | int | str | bool | None:
    """Return the value of a metric; None where it is null or no single value, such as a data set."""
    field = metric.WhichOneof("value")
    if metric.is_null or field is None:
        return None
    value = getattr(metric, field)
    bits = _BITS.get(datatype)
    if bits is None or field not in ("int_value", "long_value"):
        return cast("float | int | str | bool", value)
    unsigned = int(value) % (1 << bits)
    return unsigned - (1 << bits) if unsigned >> (bits - 1) else unsigned


def quality_of(metric: Any) -> int | None:
    """Return the property ``Quality`` of a metric: 192 is good, 0 bad, 500 stale; None where there is none."""
    keys = list(metric.properties.keys)
    if "Quality" not in keys or keys.index("Quality") >= len(metric.properties.values):
        return None
    return int(metric.properties.values[keys.index("Quality")].int_value)
