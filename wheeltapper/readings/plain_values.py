"""Plain values: any Python object from a source becomes one that can be compared, hashed and written."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

_BEYOND = 2**1024
"""The smallest whole number that is too large for float64."""


def settle(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the same table with plain values; a source may deliver any Python object.

    Columns of numbers, flags, texts and times stay as they are. In all others a value becomes None, a flag, a number
    or a text: such values can be compared, hashed and written as JSON.

    Parameters
    ----------
    rows : DataFrame
        Any columns, types and index.

    Returns
    -------
    DataFrame of the same shape
        Index from 0; columns named by distinct texts, a repeated one with its place in brackets.
    """
    names = [str(name) for name in rows.columns]
    distinct = [name if name not in names[:at] else f"{name} ({at})" for at, name in enumerate(names)]
    indexed = rows.reset_index(drop=True).set_axis(distinct, axis="columns")
    return indexed.assign(
        **{name: _settle_column(indexed[name]) for name in distinct if not _is_settled(indexed[name])}
    )


def write_content(rows: pd.DataFrame) -> pd.Series[str]:
    """Write each row as JSON, with every digit of its numbers; infinity, which JSON cannot hold, as text."""
    values = rows.astype(object)
    return pd.Series([_as_json(row) for row in values.where(values.notna(), None).to_dict("records")], dtype="str")


def _is_settled(values: pd.Series[Any]) -> bool:
    """Tell whether every value of a column is of one kind that can be compared, hashed and written."""
    dtype = values.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        return dtype.unit in ("us", "ns")  # a coarser one reaches beyond the years that microseconds can count
    if pd.api.types.is_object_dtype(dtype) or isinstance(dtype, pd.SparseDtype | pd.CategoricalDtype):
        return False
    is_number = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)
    return is_number or pd.api.types.is_string_dtype(dtype) or pd.api.types.is_datetime64_any_dtype(dtype)


def _settle_column(values: pd.Series[Any]) -> pd.Series[Any]:
    settled = pd.Series([None] * len(values), dtype=object)
    settled[:] = [_settle_value(value) for value in values]
    return settled


def _settle_value(value: Any) -> Any:
    """Return None, a flag, a number or a text."""
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else str(value)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    is_number = isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating)
    if is_number and not isinstance(value, np.timedelta64):  # which numpy counts among its integers
        plain = value.item() if isinstance(value, np.generic) else value
        # Python refuses to write more than 4 300 digits.
        return hex(plain) if isinstance(plain, int) and abs(plain) >= _BEYOND else plain
    return _storable(_in_text(value))


def _in_text(value: Any) -> str:
    """Write any other object as text, the same in every process."""
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[us]"))  # a bare year would look like a number
    if isinstance(value, bytearray | memoryview):
        return str(bytes(value))
    return str(value.tolist() if isinstance(value, np.ndarray) else value)


def _storable(text: str) -> str:
    """Replace half of a surrogate pair, which no file can hold, by its number."""
    return text.encode("utf-8", "backslashreplace").decode()


def _as_json(row: dict[Any, Any]) -> str:
    try:
        return _STRICT.encode(row)
    except ValueError:
        return _STRICT.encode({key: _plain(value) for key, value in row.items()})


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold; infinity, which it cannot, as text."""
    if isinstance(value, str | bool) or type(value) is int:
        return value
    if pd.isna(value):
        return None
    if isinstance(value, int | float | np.integer | np.floating):
        return value.item() if isinstance(value, np.generic) else value if np.isfinite(value) else str(value)
    return iso(value) if isinstance(value, pd.Timestamp) else str(value)


_STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)


def iso(time: Any) -> str | None:
    """Write an instant as short as it is exact: ``2026-01-05T08:00:00+00:00``."""
    return None if pd.isna(time) else pd.Timestamp(time).isoformat()
