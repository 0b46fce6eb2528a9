"""Reading columns: text becomes names, times and numbers; a value that cannot be read is a problem of its row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wheeltapper.readings.plain_values import iso
from wheeltapper.readings.problems import RowProblems, short

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MISSING_WORDS = ("", "nan", "-nan", "null", "na", "n/a", "none")
"""Texts that people and programs write in place of a missing value, in small letters."""

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITE = r"^(?i)[+-]?inf(inity)?$"
_HAS_ZONE = r"[Tt ][0-9]{2}[0-9:.,]* ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"

_YEARS = (pd.Timestamp("1900-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC"))
"""Timestamps outside these years are refused: nanoseconds in 64 bits, as many tools count, reach from 1677 to 2262."""


def is_possible(times: pd.Series[Any]) -> pd.Series[bool]:
    """Return which times (UTC) lie in years that a reading may have; NaT does not."""
    return (times >= _YEARS[0]) & (times < _YEARS[1])


def check_defects(defect: pd.Series[Any], problems: RowProblems) -> None:
    """Note the rows that the source itself could not read."""
    reasons = text(defect).fillna("")
    problems.add((reasons != "").to_numpy(dtype=bool), "row_readable", lambda at: reasons.iloc[at])


def text(values: pd.Series[Any]) -> pd.Series[str]:
    """Return values as text without blanks round it; missing ones stay missing."""
    if values.dtype == object:
        # astype would write None and NaN as words.
        values = pd.Series([None if pd.isna(v) else str(v) for v in values], index=values.index, dtype="str")
    return values.astype("str").str.strip()


def assets(values: pd.Series[Any], problems: RowProblems) -> pd.Series[str]:
    """Return each row's asset; a row that names none is noted."""
    names = text(values)
    missing = (names.isna() | (names == "")).to_numpy(dtype=bool)
    problems.add(missing, "asset_named", lambda at: ["the row names no asset"] * len(at))
    return names.fillna("")


def timestamps(values: pd.Series[Any], problems: RowProblems) -> pd.Series[Any]:
    """Return UTC with microseconds; NaT where the row is put aside."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        times: pd.Series[Any] = values.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
        problems.add(
            times.isna().to_numpy() & ~problems.bad, "timestamp_readable", lambda at: ["timestamp is missing"] * len(at)
        )
        return times
    texts = text(values)
    is_filled = ~texts.str.lower().isin([*MISSING_WORDS, "nat"]) & texts.notna()
    has_zone = is_filled & texts.str.contains(_HAS_ZONE, regex=True, na=False)
    times = pd.to_datetime(texts.where(has_zone), format="ISO8601", errors="coerce", utc=True)
    naive = (is_filled & ~has_zone).to_numpy(dtype=bool)
    is_time = np.zeros(len(texts), dtype=bool)
    if naive.any():
        read = pd.to_datetime(texts[naive], format="ISO8601", errors="coerce", utc=True)
        is_time[np.flatnonzero(naive)] = read.notna().to_numpy()
    is_fine = ~problems.bad  # the source has already given a reason for the others
    problems.add(
        ~is_filled.to_numpy(dtype=bool) & is_fine, "timestamp_readable", lambda at: ["timestamp is missing"] * len(at)
    )
    problems.add(
        naive & is_time & is_fine,
        "timestamp_readable",
        lambda at: [f"timestamp {short(value)} names no time zone" for value in texts.iloc[at]],
    )
    is_unreadable = is_filled.to_numpy(dtype=bool) & times.isna().to_numpy() & ~is_time & is_fine
    problems.add(
        is_unreadable,
        "timestamp_readable",
        lambda at: [f"timestamp {short(value)} cannot be read" for value in texts.iloc[at]],
    )
    return times.astype("datetime64[us, UTC]")


def possible(times: pd.Series[Any], problems: RowProblems) -> pd.Series[Any]:
    """Note times in years that no reading has: beyond them other tools count wrongly, or not at all."""
    outside = (times.notna() & ~is_possible(times)).to_numpy(dtype=bool) & ~problems.bad
    span = f"{_YEARS[0].year} to {_YEARS[1].year}"
    problems.add(
        outside,
        "timestamp_readable",
        lambda at: [f"timestamp {iso(time)} lies outside the years {span}" for time in times.iloc[at]],
    )
    return times


def regimes(
    values: pd.Series[Any] | None,
    length: int,
    allowed: tuple[str, ...],
    problems: RowProblems,
    *,
    may_lack: bool = False,
) -> pd.Series[str]:
    """Return each row's operating state, ``normal`` where no column names it; unknown states are noted.

    With ``may_lack`` a missing state is returned as an empty text, to be inferred from the sensors.
    """
    if values is None:
        return pd.Series(np.full(length, "" if may_lack else "normal", dtype=object), dtype="str")
    names = text(values).fillna("")
    strange = ~names.isin((*allowed, "") if may_lack else allowed).to_numpy(dtype=bool) & ~problems.bad
    listed = ", ".join(allowed)
    problems.add(
        strange,
        "regime_known",
        lambda at: [
            f"regime {short(name)} is none of {listed}" if name else f"regime is missing, expected one of {listed}"
            for name in names.iloc[at]
        ],
    )
    return names


def numbers(values: pd.Series[Any], sensor: str, problems: RowProblems) -> Floats:
    """Return float64, NaN where there is none; text, flags and infinity are noted."""
    numbers, wrong = _read_numbers(values)
    wrong = wrong & values.notna().to_numpy()
    problems.add(
        wrong, "number_readable", lambda at: [f"{sensor}: {short(value)} is not a number" for value in values.iloc[at]]
    )
    endless = np.isinf(numbers)
    problems.add(endless, "number_finite", lambda at: [f"{sensor}: {value} is not finite" for value in numbers[at]])
    return numbers


def _read_numbers(values: pd.Series[Any]) -> tuple[Floats, Flags]:
    """Return the numbers, and which values are no number although they are not empty."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return np.full(len(values), np.nan), values.notna().to_numpy()
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype="float64", na_value=np.nan), np.zeros(len(values), dtype=bool)
    if values.dtype == object:
        flags = np.fromiter((isinstance(v, bool | np.bool_) for v in values), dtype=bool, count=len(values))
        numbers, wrong = _from_text(text(values.mask(flags)))
        return numbers, wrong | flags
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return np.full(len(values), np.nan), values.notna().to_numpy()
    return _from_text(values)


def _from_text(values: pd.Series[str]) -> tuple[Floats, Flags]:
    fields = pc.utf8_trim_whitespace(pa.array(values.astype("str"), type=pa.string(), from_pandas=True))
    missing = pc.is_in(pc.utf8_lower(fields), pa.array(MISSING_WORDS))
    fields = pc.if_else(missing, None, fields)
    good = pc.or_(pc.match_substring_regex(fields, _NUMBER), pc.match_substring_regex(fields, _INFINITE))
    wrong = np.asarray(pc.fill_null(pc.invert(good), False))
    readable = pc.replace_substring_regex(pc.if_else(good, fields, None), r"^\+", "")
    return np.asarray(pc.fill_null(pc.cast(readable, pa.float64()), np.nan)), wrong
