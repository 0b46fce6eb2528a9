"""Columns that come with a type (parquet, databases): text, numbers and times out, whatever the type was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from wheeltapper.errors import SourceError
from wheeltapper.sources._cells import numbers_or_text, times_or_text
from wheeltapper.sources._times import EPOCHS, from_epoch, localise, place, read_times, require_readable


@dataclass(frozen=True)
class Times:
    """A column of timestamps; each is a Series of shape (n_rows,)."""

    utc: pd.Series[Any]
    """Missing where a time has no single meaning."""
    shown: pd.Series[Any]
    """UTC, or text as it came if any time is unclear."""
    placed: pd.Series[Any]
    """UTC, also for times that mean two instants or none because the clocks change: the nearest instant."""
    defects: pd.Series[str]
    """Why a time is not used; empty for all others."""


def as_text(column: Any) -> pd.Series[str]:
    """Return values as text without blanks round it; 7.0 is 7, missing ones stay missing."""
    column = _plain(column)
    if kinds.is_floating(column.type):
        whole = pc.equal(pc.round(column), column)
        if pc.all(pc.fill_null(whole, True)).as_py() and _fits_int64(column):
            column = pc.cast(column, pa.int64())
    elif kinds.is_decimal(column.type):
        return as_text(pc.cast(column, pa.float64()))
    text = pd.Series(pc.cast(column, pa.string()).to_pandas(), dtype="str")
    return text.str.strip()


def as_numbers(column: Any) -> pd.Series[Any]:
    """Return float64; text where a field holds something else, which cleaning will name.

    True and false stay words: they are no measurement.
    """
    column = _plain(column)
    if kinds.is_null(column.type):
        return pd.Series(np.nan, index=range(len(column)), dtype="float64")
    if kinds.is_integer(column.type) or kinds.is_floating(column.type) or kinds.is_decimal(column.type):
        # Whole numbers beyond 2**53 are rounded to the nearest float64: no sensor counts that far.
        numbers = pc.cast(column, pa.float64(), safe=False)
        return pd.Series(numbers.to_numpy(zero_copy_only=False), dtype="float64")
    numbers, _ = numbers_or_text(pd.Series(pc.cast(column, pa.string()).to_pandas(), dtype="str"), ".")
    return numbers


def as_times(column: Any, *, form: str | None, zone: str | None, where: str) -> Times:
    """Read a column of timestamps, dates, counts since 1970 or text.

    Parameters
    ----------
    column : pyarrow array of shape (n_rows,)
        Timestamps of any unit are cut to microseconds; those without a zone are wall-clock times of ``zone``.
    form, zone : str or None
        See `read_times`.
    where : str
        What to call the data in messages.

    Raises
    ------
    SourceError
        If times name no zone and ``zone`` is None, or not one of them can be read.
    """
    column = _plain(column)
    if kinds.is_date(column.type):
        column = pc.cast(column, pa.timestamp("us"))
    if kinds.is_timestamp(column.type):
        micros = pc.cast(column, pa.timestamp("us", tz=column.type.tz), safe=False)
        return _from_clock(micros, zone, where)
    if form in EPOCHS and not kinds.is_string(column.type):
        utc = from_epoch(pd.Series(column.to_numpy(zero_copy_only=False)), EPOCHS[form])
        return Times(utc, times_or_text(utc, as_text(column)), utc, _nothing(len(utc)))
    return _from_text(as_text(column), form, zone, where)


def _from_clock(column: Any, zone: str | None, where: str) -> Times:
    """Read microseconds; without a zone of their own they are wall-clock times."""
    wall = pc.cast(column, pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False)
    local = pd.Series(wall, dtype="datetime64[us]")
    if column.type.tz is not None:  # arrow counts them in UTC, whatever the zone
        utc = local.dt.tz_localize("UTC").astype("datetime64[us, UTC]")
        return Times(utc, utc, utc, _nothing(len(utc)))
    if zone is None and local.notna().any():
        example = local.dropna().iloc[0]
        raise SourceError(
            f"{where}: times such as '{example}' name no time zone. Set time_zone in the source, "
            "for example time_zone: UTC or time_zone: Europe/Berlin."
        )
    utc, defects = localise(local, zone or "UTC")
    utc = utc.astype("datetime64[us, UTC]")
    text = local.astype("str").where(local.notna())
    return Times(utc, times_or_text(utc, text), _placed(utc, text, defects, None, zone), defects)


def _from_text(text: pd.Series[str], form: str | None, zone: str | None, where: str) -> Times:
    utc, defects = read_times(text, form=form, zone=zone)
    is_fine = utc.notna() | defects.str.contains("the clocks change", regex=False)
    require_readable(text, is_fine, form=form, zone=zone, file=where)
    return Times(utc, times_or_text(utc, text), _placed(utc, text, defects, form, zone), defects)


def _placed(
    utc: pd.Series[Any], text: pd.Series[str], defects: pd.Series[str], form: str | None, zone: str | None
) -> pd.Series[Any]:
    unclear = (defects != "") & utc.isna()
    if not unclear.any():
        return utc
    placed = utc.copy()
    placed[unclear] = place(text[unclear], form=form, zone=zone)
    return placed


def _plain(column: Any) -> Any:
    """Return one array: without chunks, without a dictionary, bytes as text."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kinds.is_binary(column.type) or kinds.is_large_binary(column.type) or kinds.is_fixed_size_binary(column.type):
        column = pc.cast(column, pa.string())
    if kinds.is_large_string(column.type) or kinds.is_string_view(column.type):
        column = pc.cast(column, pa.string())
    return column


def _fits_int64(column: Any) -> bool:
    largest = pc.max(pc.abs(column)).as_py()
    return largest is None or largest < 2**53


def _nothing(length: int) -> pd.Series[str]:
    return pd.Series("", index=range(length), dtype="str")
