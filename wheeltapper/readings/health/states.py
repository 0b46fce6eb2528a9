"""States as bytes: numbers, texts and arrays of a tree of dataclasses, with a hash over everything.

Nothing is executed when bytes are read: they hold JSON and raw arrays.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

ARRAY = "array: dtype, shape, first byte, bytes"
"""The one key of a JSON object that stands for an array."""


class DamagedStateError(ValueError):
    """Bytes are not as they were written."""


def dump(state: Any) -> Any:
    """Return a tree of dataclasses, dicts and lists as dicts and lists of plain values and arrays."""
    if is_dataclass(state):
        return {field.name: dump(getattr(state, field.name)) for field in fields(state)}
    if isinstance(state, dict):
        return {key: dump(value) for key, value in state.items()}
    return [dump(value) for value in state] if isinstance(state, list) else state


def restore(like: Any, saved: Any) -> Any:
    """Return what was dumped.

    Parameters
    ----------
    like : a new state of the same structure, whose dataclasses are filled
    saved : what `dump` returned
    """
    if is_dataclass(like):
        restored = copy.copy(like)
        for field in fields(like):
            value = restore(getattr(like, field.name), saved[field.name])
            object.__setattr__(restored, field.name, value)
        return restored
    if isinstance(like, dict):
        return {key: restore(value, saved[key]) for key, value in like.items()}
    if isinstance(like, list) and any(map(is_dataclass, like)):
        return [restore(*pair) for pair in zip(like, saved, strict=True)]
    return saved


def encode(content: Any) -> bytes:
    """Turn plain values and arrays into bytes."""
    arrays: list[bytes] = []
    text = json.dumps(_without_arrays(content, arrays)).encode()
    data = b"\n".join([text, b"".join(arrays)])
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def decode(data: bytes) -> Any:
    """Return what `encode` was given.

    Raises
    ------
    DamagedStateError
    """
    digest, _, payload = data.partition(b"\n")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise DamagedStateError("the state's bytes do not have the SHA-256 that they begin with")
    text, _, arrays = payload.partition(b"\n")
    return _with_arrays(json.loads(text), arrays)


def _without_arrays(content: Any, arrays: list[bytes], at: list[int] | None = None) -> Any:
    """Replace arrays by where their bytes lie, and collect these."""
    at = [0] if at is None else at
    if isinstance(content, np.ndarray):
        data = content.tobytes()
        arrays.append(data)
        at[0] += len(data)
        return {ARRAY: [content.dtype.str, list(content.shape), at[0] - len(data), len(data)]}
    if isinstance(content, dict):
        return {key: _without_arrays(value, arrays, at) for key, value in content.items()}
    return [_without_arrays(value, arrays, at) for value in content] if isinstance(content, list) else content


def _with_arrays(content: Any, arrays: bytes) -> Any:
    if isinstance(content, dict):
        if content.keys() == {ARRAY}:
            dtype, shape, first, size = content[ARRAY]
            return np.frombuffer(arrays[first : first + size], dtype=dtype).reshape(shape)
        return {key: _with_arrays(value, arrays) for key, value in content.items()}
    return [_with_arrays(value, arrays) for value in content] if isinstance(content, list) else content
