"""Cleaning: every row that came is either a reading or put aside with its reason; nothing is repaired or dropped."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wheeltapper.config import Plant
from wheeltapper.errors import DataError
from wheeltapper.sources import Batch

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MISSING_WORDS = ("", "nan", "-nan", "null", "na", "n/a", "none")
"""What people and programs write where they have no value, in small letters."""

REJECTED = ("row", "asset_id", "timestamp", "content", "expectation", "reason")
"""Columns of the rows that are put aside: `tables.QUARANTINE` without what the delivery adds."""

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITE = r"^(?i)[+-]?inf(inity)?$"
_HAS_ZONE = r"[Tt ][0-9]{2}[0-9:.,]* ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"

_QUOTED = 120
"""Letters of a value that a sentence quotes."""

_YEARS = (pd.Timestamp("1900-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC"))
"""Nanoseconds in 64 bits, as many tools count, reach from 1677 to 2262."""

_BEYOND = 2**1024
"""The first whole number that is no float64 any more."""

_MICROSECONDS = {"d": 86_400_000_000, "h": 3_600_000_000, "min": 60_000_000, "s": 1_000_000, "ms": 1000, "µs": 1}


@dataclass(frozen=True)
class Parsed:
    """What a batch came to: readings, and rows that are put aside."""

    rows: pd.DataFrame
    """Columns row (place in the batch, from 0), asset_id, timestamp (UTC), regime, and the plant's sensors as float64.

    Each asset's timestamps strictly increase; a sensor may be NaN, but not all of a row's.
    """
    rejected: pd.DataFrame
    """Columns `REJECTED`: the row as it came, the first promise that it broke, and all reasons in words."""
    latest: dict[str, pd.Timestamp] = field(default_factory=dict)
    """Asset → its latest timestamp so far; hand it to `parse` with the delivery's next batch."""


def parse(batch: Batch, plant: Plant, latest: Mapping[str, pd.Timestamp] | None = None) -> Parsed:
    """Turn rows as they came into readings, and put aside those that are none, each with its reason.

    Put aside are rows that the source could not split; without an asset; whose timestamp is missing, unreadable,
    without a time zone, repeated or out of order for their asset; of an unknown regime; with text or infinity where a
    number belongs; and without any sensor value. A single missing value stays NaN.

    A clock that jumps shows as rows out of order. The *fewest* rows are put aside that leave the rest in order, so one
    stray timestamp in the future does not cost all the readings after it. Of equal timestamps the first stays.

    Parameters
    ----------
    batch : Batch
        Rows in the order in which they came.
    plant : Plant
        Names the sensors and regimes.
    latest : mapping of asset to timestamp, optional
        What earlier batches of the same delivery ended with; older rows are out of order.

    Returns
    -------
    Parsed
        ``len(rows) + len(rejected) == len(batch.rows)``, always.

    Raises
    ------
    DataError
        If the batch lacks a column that its source promised, or has it more than once.
    """
    sensors = list(plant.asset_type.sensors)
    _require_columns(batch.rows, batch.origin, sensors)
    came = settle(batch.rows)
    found = _Found(len(came))
    if "defect" in came:
        _check_defects(came["defect"], found)
    columns: dict[str, Any] = {
        "row": np.arange(len(came), dtype="int64"),
        "asset_id": _assets(came["asset_id"], found),
        "timestamp": _possible(_timestamps(came["timestamp"], found), found),
        "regime": _regimes(came.get("regime"), len(came), plant.asset_type.regimes, found),
    }
    rows = pd.DataFrame({**columns, **{sensor: _numbers(came[sensor], sensor, found) for sensor in sensors}})
    empty = np.logical_and.reduce([np.isnan(rows[sensor].to_numpy()) for sensor in sensors])
    found.add(empty & ~found.bad, "some_value", lambda at: ["no sensor has a value"] * len(at))
    _check_order(rows[~found.bad], dict(latest or {}), found)
    kept = rows[~found.bad].reset_index(drop=True)
    ends = kept.groupby("asset_id")["timestamp"].max()
    return Parsed(
        kept,
        _put_aside(batch, found.table()),
        {**(latest or {}), **{str(asset): time for asset, time in ends.items()}},
    )


def settle(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table that holds the same and cannot surprise: any source may hand over any Python object.

    Columns of numbers, flags, texts and times stay as they are. In all others a value is None, a flag, a number or a
    text: such values can be compared, hashed and written as JSON.

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
    fresh = rows.reset_index(drop=True).set_axis(distinct, axis="columns")
    return fresh.assign(**{name: _settle_column(fresh[name]) for name in distinct if not _is_settled(fresh[name])})


def is_possible(times: pd.Series[Any]) -> pd.Series[bool]:
    """Say which times (UTC) can be readings at all; NaT cannot."""
    return (times >= _YEARS[0]) & (times < _YEARS[1])


def write_content(rows: pd.DataFrame) -> pd.Series[str]:
    """Write each row as JSON, with every digit of its numbers; infinity, which JSON cannot hold, as a word."""
    shown = rows.astype(object)
    return pd.Series([_as_json(row) for row in shown.where(shown.notna(), None).to_dict("records")], dtype="str")


def set_aside(parsed: Parsed, batch: Batch, found: pd.DataFrame) -> Parsed:
    """Move further rows from the readings to those put aside.

    Parameters
    ----------
    parsed : Parsed
        What `parse` made of ``batch``.
    batch : Batch
        The rows as they came.
    found : DataFrame
        Columns row (place in the batch), expectation, reason; at most one line a row.
    """
    if not len(found):
        return parsed
    kept = parsed.rows[~parsed.rows["row"].isin(found["row"])].reset_index(drop=True)
    rejected = pd.concat([parsed.rejected, _put_aside(batch, found)], ignore_index=True)
    return Parsed(kept, rejected.sort_values("row", kind="stable", ignore_index=True), parsed.latest)


def profile(rows: pd.DataFrame, plant: Plant, rejected: pd.DataFrame | None = None) -> dict[str, Any]:
    """Describe readings for a person who sees them for the first time, as plain JSON values.

    Parameters
    ----------
    rows : DataFrame
        Columns asset_id, timestamp (UTC) and the plant's sensors, in the order in which they came.
    plant : Plant
        Names the sensors and their units.
    rejected : DataFrame, optional
        Rows that cleaning put aside; counted by promise, and in the shares of repeated and backward timestamps.

    Returns
    -------
    dict
        ``rows``, ``assets``, ``first``, ``last``, ``step_seconds`` (the most frequent pause between two readings of an
        asset), ``gaps`` (the first ten pauses longer than twice that), ``gap_count``, ``duplicate_share`` and
        ``backward_share`` of all rows, ``rejected`` (promise → rows), and per sensor ``unit``, ``missing``, ``min``,
        ``max``, ``mean``, ``std`` and ``outliers``: values beyond 1.5 interquartile ranges of the quartiles, over all
        assets together.
    """
    pause = rows.groupby("asset_id", sort=False)["timestamp"].diff().dt.total_seconds()
    forward = pause[pause > 0]
    step = float(forward.mode().iloc[0]) if len(forward) else None
    gaps = forward[forward > 2 * step] if step else forward.head(0)
    counts = {} if rejected is None else {str(k): int(v) for k, v in rejected["expectation"].value_counts().items()}
    twice = int(rows.duplicated(["asset_id", "timestamp"]).sum()) + counts.get("key_unique", 0)
    back = int((pause < 0).sum()) + counts.get("in_order", 0)
    total = len(rows) + sum(counts.values())
    return {
        "rows": len(rows),
        "assets": sorted(rows["asset_id"].dropna().unique().tolist()),
        "first": _iso(rows["timestamp"].min()),
        "last": _iso(rows["timestamp"].max()),
        "step_seconds": step,
        "gap_count": len(gaps),
        "gaps": [
            {"asset_id": rows.at[at, "asset_id"], "until": _iso(rows.at[at, "timestamp"]), "seconds": float(seconds)}
            for at, seconds in gaps.head(10).items()
        ],
        "duplicate_share": twice / total if total else 0.0,
        "backward_share": back / total if total else 0.0,
        "rejected": counts,
        "sensors": {name: _describe(rows[name], one.unit) for name, one in plant.asset_type.sensors.items()},
    }


class _Found:
    """Collects what is wrong with which row: vectorised checks say where, and only there is a sentence written."""

    def __init__(self, length: int) -> None:
        self.bad: Flags = np.zeros(length, dtype=bool)
        self._parts: list[pd.DataFrame] = []

    def add(self, where: Flags, expectation: str, say: Callable[[NDArray[np.int64]], Iterable[str]]) -> None:
        """Note the rows in ``where``; ``say`` turns their places into reasons."""
        places = np.flatnonzero(where)
        if len(places):
            self.bad |= where
            reasons = list(say(places))
            self._parts.append(pd.DataFrame({"row": places, "expectation": expectation, "reason": reasons}))

    def table(self) -> pd.DataFrame:
        """Return one line a row: its first broken promise, and all reasons joined."""
        if not self._parts:
            return pd.DataFrame({"row": pd.Series(dtype="int64"), "expectation": "", "reason": ""}).head(0)
        parts = pd.concat(self._parts, ignore_index=True)
        if not parts["row"].duplicated().any():
            return parts.sort_values("row", kind="stable", ignore_index=True)
        grouped = parts.groupby("row")
        joined = grouped.agg(expectation=("expectation", "first"), reason=("reason", "; ".join))
        return joined.reset_index()


def _require_columns(came: pd.DataFrame, origin: str, sensors: list[str]) -> None:
    has = [str(name) for name in came.columns]
    missing = [name for name in ("asset_id", "timestamp", *sensors) if name not in has]
    if missing:
        raise DataError(f"{origin} came without column {missing}; it has {has}. Mend its source.")
    twice = [name for name in ("asset_id", "timestamp", "regime", "defect", *sensors) if has.count(name) > 1]
    if twice:
        raise DataError(f"{origin} came with column {twice} more than once. Name each column once in its source.")


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
    """Write any other object, the same in every process."""
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[us]"))  # a bare year would look like a number
    if isinstance(value, bytearray | memoryview):
        return str(bytes(value))
    return str(value.tolist() if isinstance(value, np.ndarray) else value)


def _storable(text: str) -> str:
    """Write half of a surrogate pair, which no file can hold, with its number."""
    return text.encode("utf-8", "backslashreplace").decode()


def _check_defects(defect: pd.Series[Any], found: _Found) -> None:
    text = _text(defect).fillna("")
    found.add((text != "").to_numpy(dtype=bool), "row_readable", lambda at: text.iloc[at])


def _text(values: pd.Series[Any]) -> pd.Series[str]:
    """Return values as text without blanks round it; missing ones stay missing."""
    if values.dtype == object:
        # astype would write None and NaN as words.
        values = pd.Series([None if pd.isna(v) else str(v) for v in values], index=values.index, dtype="str")
    return values.astype("str").str.strip()


def _assets(values: pd.Series[Any], found: _Found) -> pd.Series[str]:
    names = _text(values)
    lost = (names.isna() | (names == "")).to_numpy(dtype=bool)
    found.add(lost, "asset_named", lambda at: ["the row names no asset"] * len(at))
    return names.fillna("")


def _timestamps(values: pd.Series[Any], found: _Found) -> pd.Series[Any]:
    """Return UTC with microseconds; NaT where the row is put aside."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        times: pd.Series[Any] = values.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
        found.add(
            times.isna().to_numpy() & ~found.bad, "timestamp_readable", lambda at: ["timestamp is missing"] * len(at)
        )
        return times
    text = _text(values)
    given = ~text.str.lower().isin([*MISSING_WORDS, "nat"]) & text.notna()
    has_zone = given & text.str.contains(_HAS_ZONE, regex=True, na=False)
    times = pd.to_datetime(text.where(has_zone), format="ISO8601", errors="coerce", utc=True)
    naive = (given & ~has_zone).to_numpy(dtype=bool)
    is_time = np.zeros(len(text), dtype=bool)
    if naive.any():
        read = pd.to_datetime(text[naive], format="ISO8601", errors="coerce", utc=True)
        is_time[np.flatnonzero(naive)] = read.notna().to_numpy()
    silent = ~found.bad  # the source has already said what is wrong with the others
    found.add(~given.to_numpy(dtype=bool) & silent, "timestamp_readable", lambda at: ["timestamp is missing"] * len(at))
    found.add(
        naive & is_time & silent,
        "timestamp_readable",
        lambda at: [f"timestamp {_short(value)} names no time zone" for value in text.iloc[at]],
    )
    unread = given.to_numpy(dtype=bool) & times.isna().to_numpy() & ~is_time & silent
    found.add(
        unread,
        "timestamp_readable",
        lambda at: [f"timestamp {_short(value)} cannot be read" for value in text.iloc[at]],
    )
    return times.astype("datetime64[us, UTC]")


def _possible(times: pd.Series[Any], found: _Found) -> pd.Series[Any]:
    """Note times that no machine's clock means: beyond these years other tools count wrongly, or not at all."""
    outside = (times.notna() & ~is_possible(times)).to_numpy(dtype=bool) & ~found.bad
    span = f"{_YEARS[0].year} to {_YEARS[1].year}"
    found.add(
        outside,
        "timestamp_readable",
        lambda at: [f"timestamp {_iso(time)} lies outside the years {span}" for time in times.iloc[at]],
    )
    return times


def _regimes(values: pd.Series[Any] | None, length: int, known: tuple[str, ...], found: _Found) -> pd.Series[str]:
    if values is None:
        return pd.Series(np.full(length, "normal", dtype=object), dtype="str")
    names = _text(values).fillna("")
    strange = (~names.isin(known)).to_numpy(dtype=bool) & ~found.bad
    allowed = ", ".join(known)
    found.add(
        strange,
        "regime_known",
        lambda at: [
            f"regime {_short(name)} is none of {allowed}" if name else f"regime is missing, expected one of {allowed}"
            for name in names.iloc[at]
        ],
    )
    return names


def _numbers(values: pd.Series[Any], sensor: str, found: _Found) -> Floats:
    """Return float64, NaN where there is none; text, flags and infinity are noted."""
    numbers, wrong = _read_numbers(values)
    wrong = wrong & values.notna().to_numpy()
    found.add(
        wrong, "number_readable", lambda at: [f"{sensor}: {_short(value)} is not a number" for value in values.iloc[at]]
    )
    endless = np.isinf(numbers)
    found.add(endless, "number_finite", lambda at: [f"{sensor}: {value} is not finite" for value in numbers[at]])
    return numbers


def _read_numbers(values: pd.Series[Any]) -> tuple[Floats, Flags]:
    """Return the numbers and where there is none although something came."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return np.full(len(values), np.nan), values.notna().to_numpy()
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype="float64", na_value=np.nan), np.zeros(len(values), dtype=bool)
    if values.dtype == object:
        flags = np.fromiter((isinstance(v, bool | np.bool_) for v in values), dtype=bool, count=len(values))
        numbers, wrong = _from_text(_text(values.mask(flags)))
        return numbers, wrong | flags
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return np.full(len(values), np.nan), values.notna().to_numpy()
    return _from_text(values)


def _from_text(values: pd.Series[str]) -> tuple[Floats, Flags]:
    fields = pc.utf8_trim_whitespace(pa.array(values.astype("str"), type=pa.string(), from_pandas=True))
    lost = pc.is_in(pc.utf8_lower(fields), pa.array(MISSING_WORDS))
    fields = pc.if_else(lost, None, fields)
    good = pc.or_(pc.match_substring_regex(fields, _NUMBER), pc.match_substring_regex(fields, _INFINITE))
    wrong = np.asarray(pc.fill_null(pc.invert(good), False))
    readable = pc.replace_substring_regex(pc.if_else(good, fields, None), r"^\+", "")
    return np.asarray(pc.fill_null(pc.cast(readable, pa.float64()), np.nan)), wrong


def _check_order(rows: pd.DataFrame, latest: dict[str, pd.Timestamp], found: _Found) -> None:
    """Note repeated timestamps and the fewest rows whose removal leaves each asset's time strictly increasing."""
    twice = rows.duplicated(["asset_id", "timestamp"]).to_numpy()
    ends = rows["asset_id"].map(latest).astype("datetime64[us, UTC]") if latest else None
    if ends is not None:
        twice = twice | (rows["timestamp"] == ends).to_numpy()
    _add(
        rows[twice], "key_unique", lambda row: f"timestamp {_iso(row.timestamp)} came before for {row.asset_id}", found
    )
    if ends is not None:
        late = (rows["timestamp"] < ends).to_numpy() & ~twice
        _add(rows[late], "in_order", lambda row: _steps_back(row.timestamp, latest[row.asset_id]), found)
        twice = twice | late
    left = rows[~twice]
    steps = left.groupby("asset_id", sort=False)["timestamp"].diff()
    for asset in left.loc[steps < pd.Timedelta(0), "asset_id"].unique():
        _check_order_of_one(left[left["asset_id"] == asset], found)


def _check_order_of_one(rows: pd.DataFrame, found: _Found) -> None:
    """Note what stands outside the longest increasing run of one asset's distinct timestamps."""
    times = rows["timestamp"].dt.tz_localize(None).to_numpy().astype("int64")
    kept = _longest_increasing(times)
    before = np.maximum.accumulate(np.where(kept, times, np.iinfo("int64").min))
    is_back = ~kept & (before > times)
    back, ends = rows[is_back], pd.Series(before[is_back], index=rows.index[is_back])
    known = {at: pd.Timestamp(end, unit="us", tz="UTC") for at, end in ends.items()}
    _add(back, "in_order", lambda row: _steps_back(row.timestamp, known[row.Index]), found)
    after = np.minimum.accumulate(np.where(kept, times, np.iinfo("int64").max)[::-1])[::-1]
    is_ahead = ~kept & ~is_back
    following = pd.Series(after[is_ahead], index=rows.index[is_ahead])
    next_ones = {at: pd.Timestamp(time, unit="us", tz="UTC") for at, time in following.items()}
    _add(rows[is_ahead], "in_order", lambda row: _runs_ahead(row.timestamp, next_ones[row.Index]), found)


def _longest_increasing(times: NDArray[np.int64]) -> Flags:
    """Return which values form the longest strictly increasing subsequence.

    Values above all before and below all after belong to it anyway; only the others are searched, by patience sorting.
    It goes backwards, so that of two equally long runs the one that was there first is kept.

    References
    ----------
    .. [1] M. L. Fredman, "On computing the length of longest increasing subsequences", Discrete Mathematics 11 (1975),
       doi:10.1016/0012-365X(75)90103-X
    """
    low, high = np.iinfo("int64").min, np.iinfo("int64").max
    before = np.concatenate([[low], np.maximum.accumulate(times)[:-1]])
    after = np.concatenate([np.minimum.accumulate(times[::-1])[::-1][1:], [high]])
    kept: Flags = (times > before) & (times < after)
    unsure = np.flatnonzero(~kept)
    tails: list[int] = []
    tail_places: list[int] = []
    previous = np.full(len(times), -1, dtype="int64")
    for place in unsure[::-1].tolist():
        value = -int(times[place])
        length = bisect_left(tails, value)
        previous[place] = tail_places[length - 1] if length else -1
        tails[length : length + 1] = [value]
        tail_places[length : length + 1] = [place]
    place = tail_places[-1] if tail_places else -1
    while place >= 0:
        kept[place] = True
        place = int(previous[place])
    return kept


def _add(rows: pd.DataFrame, expectation: str, say: Callable[[Any], str], found: _Found) -> None:
    """Note whole rows; the index is the place in the batch."""
    if len(rows):
        where = np.zeros(len(found.bad), dtype=bool)
        where[rows.index.to_numpy()] = True
        found.add(where, expectation, lambda _: [say(row) for row in rows.itertuples()])


def _steps_back(time: pd.Timestamp, end: pd.Timestamp) -> str:
    return f"timestamp {_iso(time)} steps back by {_pause(end - time)} behind {_iso(end)}"


def _runs_ahead(time: pd.Timestamp, following: pd.Timestamp) -> str:
    return f"timestamp {_iso(time)} runs ahead by {_pause(time - following)} of the reading after it, {_iso(following)}"


def _pause(pause: pd.Timedelta) -> str:
    """Write a pause with its two largest units: ``23 h 45 min``."""
    units = (
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "min"),
        (1_000_000, "s"),
        (1000, "ms"),
        (1, "µs"),
    )
    left = round(pause / pd.Timedelta(1, "us"))
    parts = []
    for size, unit in units:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _short(value: Any) -> str:
    """Quote a value in a sentence; the row's content has all of it."""
    text = str(value)
    return f"'{text}'" if len(text) <= _QUOTED else f"'{text[:_QUOTED]}…' ({len(text):,} letters)"


def _put_aside(batch: Batch, found: pd.DataFrame) -> pd.DataFrame:
    """Write the rows named in ``found`` the way they came, with what is wrong with them."""
    came = settle(batch.rows.iloc[found["row"].to_numpy(dtype="int64")])
    times = came["timestamp"]
    is_time = pd.api.types.is_datetime64_any_dtype(times.dtype)
    aside = pd.DataFrame(
        {
            "row": found["row"].astype("int64").to_numpy(),
            "asset_id": pd.Series([None if pd.isna(v) else str(v) for v in came["asset_id"]], dtype="str"),
            "timestamp": pd.Series(
                [None if pd.isna(v) else _iso(v) if is_time else str(v) for v in times], dtype="str"
            ),
            "content": write_content(came.drop(columns="defect", errors="ignore")),
            "expectation": found["expectation"].astype("str").to_numpy(),
            "reason": found["reason"].astype("str").to_numpy(),
        }
    )
    return aside[list(REJECTED)]


def _as_json(row: dict[Any, Any]) -> str:
    try:
        return _STRICT.encode(row)
    except ValueError:
        return _STRICT.encode({key: _plain(value) for key, value in row.items()})


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold; infinity, which it cannot, as a word."""
    if isinstance(value, str | bool) or type(value) is int:
        return value
    if pd.isna(value):
        return None
    if isinstance(value, int | float | np.integer | np.floating):
        return value.item() if isinstance(value, np.generic) else value if np.isfinite(value) else str(value)
    return _iso(value) if isinstance(value, pd.Timestamp) else str(value)


_STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)


def _iso(time: Any) -> str | None:
    """Write an instant as short as it is exact: ``2026-01-05T08:00:00+00:00``."""
    return None if pd.isna(time) else pd.Timestamp(time).isoformat()


def _describe(values: pd.Series[float], unit: str) -> dict[str, Any]:
    """Describe one sensor over all assets."""
    given = values.dropna()
    low, high = given.quantile([0.25, 0.75]) if len(given) else (np.nan, np.nan)
    reach = 1.5 * (high - low)
    return {
        "unit": unit,
        "missing": int(values.isna().sum()),
        "min": _number(given.min()),
        "max": _number(given.max()),
        "mean": _number(given.mean()),
        "std": _number(given.std()),
        "outliers": int(((given < low - reach) | (given > high + reach)).sum()),
    }


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
