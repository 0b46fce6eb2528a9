"""Single values as they came: numbers or text, times or text, flags; what is not clear stays as it is, for cleaning."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from wheeltapper.errors import SourceError

_YES = {"true", "t", "yes", "y", "on"}
_NO = {"false", "f", "no", "n", "off", "", "nan", "null", "na"}
NO_KIND = _NO | {"0", "0.0", "none", "normal", "ok", "healthy", "-"}
"""Words that stand for no fault where a column names kinds of faults, in small letters."""

THOUSANDS = {",": ",", ".": ".", " ": " \u00a0\u202f", "'": "'\u2019"}
"""What may stand between groups of three digits, and how programs write each."""


def times_or_text(utc: pd.Series[Any], text: pd.Series[str]) -> pd.Series[Any]:
    """Return UTC if every time is clear; else text, in which clear times name UTC and others stay as they came."""
    unclear = utc.isna()
    if not unclear.any():
        return utc
    written: pd.Series[Any] = utc.dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00").astype("str").where(~unclear, text)
    return written


def numbers_or_text(
    text: pd.Series[str], decimal: str, thousands: str | None = None
) -> tuple[pd.Series[Any], pd.Series[bool] | None]:
    """Return float64 where every field is a number or empty, otherwise text; cleaning says what is wrong with it.

    The second value flags fields with the other decimal mark ('1.234' where '1,234' is expected), and those whose
    thousands are not where they belong: read as a number they would be wrong by a factor of a thousand.

    Parameters
    ----------
    text : Series of str
    decimal : str
        Decimal mark, a point or a comma.
    thousands : str or None
        What stands between groups of three digits: one of `THOUSANDS`.
    """
    fields = pa.array(text, type=pa.string(), from_pandas=True)
    if thousands is not None:
        fields, wrong = _without_thousands(fields, decimal, thousands)
    else:
        wrong = pc.fill_null(pc.match_substring(fields, "."), False) if decimal != "." else None
    if decimal != ".":
        is_number = pc.fill_null(
            pc.match_substring_regex(fields, r"^\s*[+-]?[0-9]*,?[0-9]*([eE][+-]?[0-9]+)?\s*$"), False
        )
        fields = pc.if_else(is_number, pc.replace_substring(fields, ",", "."), fields)
    is_wrong = None
    if wrong is not None and pc.any(wrong).as_py():
        is_wrong = pd.Series(wrong.to_numpy(zero_copy_only=False), index=text.index)
    try:
        numbers = pc.cast(fields, pa.float64())
    except pa.ArrowInvalid:
        return pd.Series(fields.to_pandas(), index=text.index, dtype="str"), is_wrong
    return pd.Series(numbers.to_numpy(zero_copy_only=False), index=text.index, dtype="float64"), is_wrong


def _without_thousands(fields: Any, decimal: str, thousands: str) -> tuple[Any, Any]:
    """Take the thousands' mark out of numbers; say which numbers have a mark in the wrong place."""
    mark, point = f"[{re.escape(THOUSANDS[thousands])}]", re.escape(decimal)
    groups = rf"^\s*[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})+({point}[0-9]*)?\s*$"
    is_grouped = pc.fill_null(pc.match_substring_regex(fields, groups), False)
    is_like_one = pc.fill_null(pc.match_substring_regex(fields, rf"^\s*[+-]?[0-9.,]*{mark}[0-9.,]*\s*$"), False)
    is_bare = pc.fill_null(pc.match_substring_regex(fields, r"^\s*[0-9.,+-]*\s*$"), False)
    other = {".": ",", ",": "."}[decimal]
    has_other = pc.and_(is_bare, pc.fill_null(pc.match_substring(fields, other), False))
    wrong = pc.and_(pc.or_(is_like_one, has_other), pc.invert(is_grouped))
    return pc.if_else(is_grouped, pc.replace_substring_regex(fields, mark, ""), fields), wrong


def flags(text: pd.Series[str], column: str, shown: str, decimal: str) -> pd.Series[bool]:
    """Read a fault column: numbers other than 0 and words such as true or yes are inside a fault."""
    words = text.fillna("").str.strip().str.lower()
    unique = pd.Series(words.unique(), dtype="str")
    numbers = pd.to_numeric(unique.str.replace(decimal, ".", regex=False), errors="coerce")
    strange = unique[numbers.isna() & ~unique.isin(_YES | _NO)]
    if len(strange):
        raise SourceError(
            f"{shown}: fault column '{column}' holds '{strange.iloc[0]}'; expected a number (0 is no fault) or "
            "true/false, yes/no. A column of kinds belongs in fault_kind_column, which needs no fault_column."
        )
    yes = unique[unique.isin(_YES) | (numbers.notna() & (numbers != 0))]
    return words.isin(set(yes))


def constant(value: str, length: int) -> pd.Series[str]:
    return pd.Series(np.full(length, value, dtype=object), dtype="str")
