"""Order: an asset's timestamps must increase; as few rows as possible are put aside to reach that."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.readings.plain_values import iso
from wheeltapper.readings.problems import Flags, RowProblems


def check_order(rows: pd.DataFrame, latest: dict[str, pd.Timestamp], problems: RowProblems) -> None:
    """Note repeated timestamps and the fewest rows whose removal leaves each asset's time strictly increasing."""
    is_repeated = rows.duplicated(["asset_id", "timestamp"]).to_numpy()
    ends = rows["asset_id"].map(latest).astype("datetime64[us, UTC]") if latest else None
    if ends is not None:
        is_repeated = is_repeated | (rows["timestamp"] == ends).to_numpy()
    _add(
        rows[is_repeated],
        "key_unique",
        lambda row: f"timestamp {iso(row.timestamp)} came before for {row.asset_id}",
        problems,
    )
    if ends is not None:
        is_late = (rows["timestamp"] < ends).to_numpy() & ~is_repeated
        _add(rows[is_late], "in_order", lambda row: _steps_back(row.timestamp, latest[row.asset_id]), problems)
        is_repeated = is_repeated | is_late
    remaining = rows[~is_repeated]
    steps = remaining.groupby("asset_id", sort=False)["timestamp"].diff()
    for asset in remaining.loc[steps < pd.Timedelta(0), "asset_id"].unique():
        _check_order_of_asset(remaining[remaining["asset_id"] == asset], problems)


def _check_order_of_asset(rows: pd.DataFrame, problems: RowProblems) -> None:
    """Note the rows outside the longest increasing subsequence of one asset's distinct timestamps."""
    times = rows["timestamp"].dt.tz_localize(None).to_numpy().astype("int64")
    kept = longest_increasing(times)
    before = np.maximum.accumulate(np.where(kept, times, np.iinfo("int64").min))
    is_back = ~kept & (before > times)
    back, ends = rows[is_back], pd.Series(before[is_back], index=rows.index[is_back])
    latest = {place: pd.Timestamp(end, unit="us", tz="UTC") for place, end in ends.items()}
    _add(back, "in_order", lambda row: _steps_back(row.timestamp, latest[row.Index]), problems)
    after = np.minimum.accumulate(np.where(kept, times, np.iinfo("int64").max)[::-1])[::-1]
    is_ahead = ~kept & ~is_back
    following = pd.Series(after[is_ahead], index=rows.index[is_ahead])
    earliest = {place: pd.Timestamp(time, unit="us", tz="UTC") for place, time in following.items()}
    _add(rows[is_ahead], "in_order", lambda row: _runs_ahead(row.timestamp, earliest[row.Index]), problems)


def longest_increasing(times: NDArray[np.int64]) -> Flags:
    """Return which values form the longest strictly increasing subsequence.

    A value above all before it and below all after it always belongs to it; only the others are searched, by patience
    sorting. The search goes backwards, so that of two equally long subsequences the earlier one is kept.

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


def _add(rows: pd.DataFrame, expectation: str, describe: Callable[[Any], str], problems: RowProblems) -> None:
    """Note whole rows; the index is the place in the batch."""
    if len(rows):
        where = np.zeros(len(problems.bad), dtype=bool)
        where[rows.index.to_numpy()] = True
        problems.add(where, expectation, lambda _: [describe(row) for row in rows.itertuples()])


def _steps_back(time: pd.Timestamp, end: pd.Timestamp) -> str:
    return f"timestamp {iso(time)} steps back by {in_words(end - time)} behind {iso(end)}"


def _runs_ahead(time: pd.Timestamp, following: pd.Timestamp) -> str:
    return f"timestamp {iso(time)} runs ahead by {in_words(time - following)} of the reading after it, {iso(following)}"


def in_words(pause: pd.Timedelta) -> str:
    """Write a pause with its two largest units: ``23 h 45 min``."""
    units = (
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "min"),
        (1_000_000, "s"),
        (1000, "ms"),
        (1, "µs"),
    )
    remaining = round(pause / pd.Timedelta(1, "us"))
    parts = []
    for size, unit in units:
        count, remaining = divmod(remaining, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
