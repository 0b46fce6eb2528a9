"""Reading the clock of a file: text in, UTC out, and in words why a row's time could not be used."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.errors import SourceError

EPOCHS = {"unix": "s", "unix_ms": "ms", "unix_us": "us", "unix_ns": "ns"}
"""Time formats that are a number counted from 1970-01-01 UTC."""

_HAS_ZONE = r"[Tt ][0-9]{2}[0-9:.,]* ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y", "%m/%d/%y", "%d-%b-%Y")
_HOURS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_CANDIDATES = (
    *(f"{day} {hour}" for day in _DAYS for hour in _HOURS),
    *_DAYS,
    *("%Y-%m-%d %H:%M:%S,%f", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %H.%M.%S", "%Y%m%d%H%M%S", "%Y%m%d %H%M%S"),
    *("%d %b %Y %H:%M:%S", "%d.%m.%Y, %H:%M:%S", "%m/%d/%Y, %I:%M:%S %p"),
)


def read_times(text: pd.Series[str], *, form: str | None, zone: str | None) -> tuple[pd.Series[Any], pd.Series[str]]:
    """Turn times as a file writes them into UTC, and describe the defect of those that have no single meaning.

    Parameters
    ----------
    text : Series of str
        Times as delivered; may be missing.
    form : str or None
        How they are written: ``%d/%m/%Y %H:%M`` and the like, ``unix``, ``unix_ms``; None is ISO 8601.
    zone : str or None
        Time zone of those that name none, such as ``Europe/Berlin``.

    Returns
    -------
    times : Series of datetime64[us, UTC]
        NaT where the text could not be read or has no single meaning.
    defects : Series of str
        Why a time that could be read is not used (clock change, no time zone); empty otherwise.
    """
    text = text.str.strip()
    defects = pd.Series("", index=text.index, dtype="str")
    if form in EPOCHS:
        return from_epoch(text, EPOCHS[form]), defects
    aware = text.str.contains(_HAS_ZONE, regex=True, na=False) if form is None else None
    if aware is None or not aware.any():
        has_offset = form is not None and "%z" in form.lower()
        local = pd.to_datetime(text, format=form or "ISO8601", errors="coerce", utc=has_offset)
        times, more = (local, defects) if has_offset else localise(local, zone)
        return times.astype("datetime64[us, UTC]"), more
    times = pd.to_datetime(text.where(aware), format="ISO8601", errors="coerce", utc=True)
    local, more = localise(pd.to_datetime(text.where(~aware), format="ISO8601", errors="coerce"), zone)
    return times.fillna(local).astype("datetime64[us, UTC]"), more


def require_readable(
    text: pd.Series[str], is_fine: pd.Series[bool], *, form: str | None, zone: str | None, file: str
) -> None:
    """Refuse a file whose first times are all unreadable: that is a wrong option, not a bad row.

    Raises
    ------
    SourceError
        Naming the file, an example, and the option that would read it.
    """
    texts = text[text.notna() & (text.str.strip() != "")]
    if len(texts) == 0 or is_fine.any():
        return
    example = str(texts.iloc[0])
    if zone is None and form not in EPOCHS:
        read = pd.to_datetime(texts, format=form or "ISO8601", errors="coerce")
        if read.notna().any():
            raise SourceError(
                f"{file}: times such as '{example}' name no time zone. Set time_zone in the source, "
                "for example time_zone: UTC or time_zone: Europe/Berlin."
            )
    expected = f"time_format '{form}'" if form else "ISO 8601 (2026-01-31 13:45:00)"
    raise SourceError(f"{file}: no time could be read as {expected}; the first is '{example}'. {_advice(texts)}")


def _advice(texts: pd.Series[str]) -> str:
    """Name the formats that read every one of the first times."""
    sample = texts.head(2000)
    fits = likely_formats(sample)
    if fits and fits[0] in EPOCHS:
        return f"It looks like a count since 1970: set time_format: {fits[0]}."
    if not fits:
        return "Set time_format in the source, such as '%d/%m/%Y %H:%M', or check time_column."
    which = " or ".join(f"'{form}'" for form in sorted(fits))
    return f"Set time_format in the source: {which} reads the first {len(sample)}."


def likely_formats(sample: pd.Series[str]) -> list[str]:
    """Return the formats that read all of some times, the likeliest first; ISO 8601 is not among them.

    Readings follow each other: of day first and month first that one is likelier with which fewer times step back,
    and then that with which they span the shorter time; where hours have AM and PM, months come first.
    """
    numbers = pd.to_numeric(sample, errors="coerce")
    if numbers.notna().all():
        return [form for form, unit in EPOCHS.items() if _is_recent(from_epoch(numbers, unit))]
    read = {form: pd.to_datetime(sample, format=form, errors="coerce") for form in _CANDIDATES}
    fits = {form: times for form, times in read.items() if times.notna().all()}

    def unlikeliness(form: str) -> tuple[int, pd.Timedelta, bool]:
        times = fits[form]
        back = int((times.diff() < pd.Timedelta(0)).sum())
        return back, times.max() - times.min(), "%p" in form and not form.startswith("%m")

    return sorted(fits, key=unlikeliness)


def _is_recent(times: pd.Series[Any]) -> bool:
    return bool(times.dt.year.between(1990, 2100).all())


def from_epoch(text: pd.Series[Any], unit: str) -> pd.Series[Any]:
    """Read counts since 1970, numbers or text; what is no finite number within the calendar becomes NaT."""
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    per_second = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    micros = np.round(numbers * (1e6 / per_second))
    fine = np.isfinite(micros) & (np.abs(micros) < 2.5e17)
    stamps: NDArray[Any] = np.where(fine, np.where(fine, micros, 0).astype("int64"), np.iinfo("int64").min)
    return pd.Series(stamps.view("datetime64[us]"), index=text.index).dt.tz_localize("UTC")


def localise(local: pd.Series[Any], zone: str | None) -> tuple[pd.Series[Any], pd.Series[str]]:
    """Give wall-clock times their zone; the hours of a clock change, which mean two instants or none, become NaT."""
    defects = pd.Series("", index=local.index, dtype="str")
    there = local.notna()
    if zone is None:
        defects[there] = "timestamp " + local[there].astype("str") + " names no time zone"
        return pd.Series(pd.NaT, index=local.index, dtype="datetime64[us, UTC]"), defects
    zoned = local.dt.tz_localize(ZoneInfo(zone), ambiguous="NaT", nonexistent="NaT")
    lost = there & zoned.isna()
    if lost.any():
        once = local[lost].dt.tz_localize(ZoneInfo(zone), ambiguous=np.ones(int(lost.sum()), bool), nonexistent="NaT")
        why = np.where(once.isna(), "does not exist", "happens twice")
        defects[lost] = "timestamp " + local[lost].astype("str") + " " + why + f" in {zone} (the clocks change)"
    return zoned.dt.tz_convert("UTC"), defects


def place(text: pd.Series[str], *, form: str | None, zone: str | None) -> pd.Series[Any]:
    """Say roughly when times are that have no single meaning: enough to tell which days they belong to.

    Of an hour that happens twice it is the first, of one that does not exist the moment after it.
    """
    local = pd.to_datetime(text, format=form or "ISO8601", errors="coerce")
    early = np.ones(len(local), dtype=bool)
    zoned = local.dt.tz_localize(ZoneInfo(zone or "UTC"), ambiguous=early, nonexistent="shift_forward")
    return zoned.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
