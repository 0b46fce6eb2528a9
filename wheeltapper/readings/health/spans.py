"""The longest spans in which sensors do not measure, and how many flags of each kind there are, kept up to date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from wheeltapper.readings.health.flagging import HEALTH, WORDS, worst_first
from wheeltapper.readings.order import in_words

SHOWN = 3
"""Spans that a summary names; the report has more."""

_COLUMNS = ["asset_id", "sensor", "kind", "start", "end"]


def count(flags: pd.DataFrame) -> dict[str, int]:
    """Return kind of flag → flags of it."""
    return {str(kind): int(number) for kind, number in flags["kind"].value_counts().items()}


def recount(counts: dict[str, int], old: pd.DataFrame, new: pd.DataFrame) -> dict[str, int]:
    """Return the counts after some flags were replaced by others."""
    removed, added = count(old), count(new)
    after = {kind: counts.get(kind, 0) - removed.get(kind, 0) + added.get(kind, 0) for kind in counts | added}
    return {kind: number for kind, number in after.items() if number}


def longest(flags: pd.DataFrame) -> list[list[Any]]:
    """Return the longest spans of sensor health: asset, sensor, kind, and first and last time in microseconds."""
    spans = worst_first(flags.loc[flags["kind"].isin(HEALTH), _COLUMNS]).head(SHOWN)
    times = [spans[name].astype("int64") for name in ("start", "end")]
    return [list(row) for row in zip(*(spans[name] for name in _COLUMNS[:3]), *times, strict=True)]


def longest_after(
    before: list[list[Any]], old: pd.DataFrame, new: pd.DataFrame, counts: dict[str, int]
) -> list[list[Any]] | None:
    """Return the longest spans after some flags were replaced by others; None if the whole table must be read for them.

    Parameters
    ----------
    before : list
        The longest spans so far, see `longest`.
    old, new : DataFrame
        The flags that were replaced, and those that took their place.
    counts : dict
        Kind of flag → flags of it afterwards.
    """
    if not old["kind"].isin(HEALTH).any() and not new["kind"].isin(HEALTH).any():
        return before
    removed = set(zip(*(old[name] for name in _COLUMNS[:4]), strict=True)) if len(old) else set()
    remaining = _frame([span for span in before if (*span[:3], _instant(span[3])) not in removed])
    after = longest(pd.concat([remaining, new[_COLUMNS]], ignore_index=True))
    total = sum(counts.get(kind, 0) for kind in HEALTH)
    if len(after) == min(total, SHOWN) and (
        len(remaining) == len(before) or total <= SHOWN or _lasts_as_long(after, before)
    ):
        return after
    return None


def sentences(spans: list[list[Any]]) -> Iterator[str]:
    """Say of each span which sensor did not measure, how, and when."""
    for asset, sensor, kind, *times in spans:
        start, end = map(_instant, times)
        first = f"{start:%Y-%m-%d %H:%M}"
        when = f"from {first} to {end:%Y-%m-%d %H:%M} ({in_words(end - start)})" if end > start else f"at {first}"
        yield f"{asset} {sensor} {WORDS[kind]} {when}"


def _lasts_as_long(after: list[list[Any]], before: list[list[Any]]) -> bool:
    """Tell whether the shortest of the longest spans lasts at least as long as before, so that no other one does."""
    return worst_first(_frame([before[-1], after[-1]])).index[0] == 1 or before[-1] == after[-1]


def _frame(spans: list[list[Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(spans, columns=_COLUMNS)
    return frame.assign(
        **{name: pd.to_datetime(frame[name], unit="us", utc=True).dt.as_unit("us") for name in _COLUMNS[3:]}
    )


def _instant(time: int) -> pd.Timestamp:
    return pd.Timestamp(time, unit="us", tz="UTC")
