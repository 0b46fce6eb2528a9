"""Payloads of Sparkplug B, written byte by byte without the library that reads them."""

from __future__ import annotations

import struct

MILLISECONDS = 1767225600000
"""The first second of 2026."""
INT8, INT16, INT32, INT64, UINT32, FLOAT, DOUBLE, BOOLEAN, STRING = 1, 2, 3, 4, 7, 9, 10, 11, 12


def varint(number):
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + varint(number // 128)


def number(field, value):
    return varint(field << 3) + varint(value % 2**64)


def block(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


WRITE = {
    FLOAT: lambda value: varint(12 << 3 | 5) + struct.pack("<f", value),
    DOUBLE: lambda value: varint(13 << 3 | 1) + struct.pack("<d", value),
    BOOLEAN: lambda value: number(14, value),
    STRING: lambda value: block(15, value),
    INT8: lambda value: number(10, value % 2**8),
    INT16: lambda value: number(10, value % 2**32),
    INT32: lambda value: number(10, value % 2**32),
    INT64: lambda value: number(11, value),
    UINT32: lambda value: number(10, value),
}


def metric(name=None, value=None, datatype=DOUBLE, alias=None, second=None, says_datatype=True, extra=b""):
    """Write a metric, without any library."""
    content = block(1, name) if name else b""
    content += number(2, alias) if alias is not None else b""
    content += number(3, MILLISECONDS + round(second * 1000)) if second is not None else b""
    content += number(4, datatype) if says_datatype else b""
    content += number(7, 1) if value is None else WRITE[datatype](value)
    return content + extra


def payload(*metrics, seq=0, second=0.0):
    content = number(1, MILLISECONDS + round(second * 1000))
    return content + b"".join(block(2, each) for each in metrics) + number(3, seq)


def bd_seq(value):
    return metric("bdSeq", value, INT64)
