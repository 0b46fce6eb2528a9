"""Exposure: the scored windows, the watched time that each stands for, and which of them lie inside a fault.

All time is counted in watched hours, not in calendar hours: unwatched time is neither right nor wrong.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import IDLE_REGIMES
from wheeltapper.errors import DataError
from wheeltapper.tables import microseconds

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

HOUR = 3_600_000_000
"""Microseconds in an hour."""
WEEK_HOURS = 168


def watched_rows(scores: pd.DataFrame, *, spacing: timedelta, max_gap: timedelta) -> pd.DataFrame:
    """Return the scored windows in order, with the time that each of them stands for.

    A window stands for the time since the one before it; after a pause longer than ``max_gap``, and at an asset's
    first window, for the usual ``spacing``. Windows in maintenance or off are left out: the asset is not watched.

    Parameters
    ----------
    scores : DataFrame with columns asset_id, window_end, score, threshold and, where known, regime
        Of one bundle, in any order.
    spacing : timedelta
        Usual time between the ends of two windows.
    max_gap : timedelta
        A longer pause is not watched time. Where windows lie further apart than that, ``spacing`` takes its place.

    Returns
    -------
    DataFrame with columns asset_id, time (µs since the epoch), hours, score, is_anomalous, and a fresh index
        In the order of asset and time.

    Raises
    ------
    DataError
        If a column is missing, a score is not finite, or a window of an asset occurs twice.
    """
    require(scores, "scores", ["asset_id", "window_end", "score", "threshold"])
    if spacing <= timedelta(0):
        raise DataError(f"the spacing of windows must be longer than 0, got {spacing}")
    if "regime" in scores:
        scores = scores[~scores["regime"].isin(IDLE_REGIMES)]
    scores = scores.sort_values(["asset_id", "window_end"], kind="stable").reset_index(drop=True)
    score = scores["score"].to_numpy(np.float64)
    if not np.isfinite(score).all():
        worst = scores.loc[~np.isfinite(score), ["asset_id", "window_end"]].iloc[0].to_dict()
        raise DataError(f"{int((~np.isfinite(score)).sum())} scores are not numbers, first {worst}; leave them out")
    asset = scores["asset_id"].to_numpy()
    time = microseconds(scores["window_end"])
    rows = pd.DataFrame({"asset_id": scores["asset_id"], "time": time})
    rows["hours"] = _hours(asset, time, spacing, max(max_gap, spacing))
    rows["score"] = score
    rows["is_anomalous"] = score > scores["threshold"].to_numpy(np.float64)
    return rows


def _hours(asset: NDArray[np.object_], time: Integers, spacing: timedelta, longest: timedelta) -> Floats:
    pause = np.diff(time)
    same = asset[1:] == asset[:-1]
    if (same & (pause == 0)).any():
        repeated = asset[1:][same & (pause == 0)][0]
        raise DataError(f"{repeated} has several scores for one window; judge the scores of one bundle at a time")
    hours = np.full(time.size, spacing / timedelta(hours=1))
    follows = same & (pause <= longest / timedelta(microseconds=1))
    hours[1:][follows] = pause[follows] / HOUR
    return hours


def require(frame: pd.DataFrame, name: str, columns: list[str]) -> None:
    """Raise DataError if a frame lacks one of the columns."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(f"{name} need column {missing}; they have {list(frame.columns)}")


def is_covered(times: Integers, starts: Integers, ends: Integers) -> Flags:
    """Return which instants lie inside at least one of the spans, both ends included; spans may overlap."""
    started = np.searchsorted(np.sort(starts), times, side="right")
    ended = np.searchsorted(np.sort(ends), times, side="left")
    return started > ended


def places_by_asset(asset_ids: pd.Series) -> dict[str, Integers]:
    """Return the positions of each asset's rows, in order.

    Examples
    --------
    >>> {asset: places.tolist() for asset, places in places_by_asset(pd.Series(["a", "b", "a"])).items()}
    {'a': [0, 2], 'b': [1]}
    """
    numbers, assets = pd.factorize(asset_ids.array, sort=True)
    in_order = np.argsort(numbers, kind="stable")
    edges = np.searchsorted(numbers[in_order], np.arange(len(assets) + 1))
    return {str(asset): in_order[first:last] for asset, first, last in zip(assets, edges[:-1], edges[1:], strict=True)}


def is_in_fault(rows: pd.DataFrame, spans: pd.DataFrame) -> Flags:
    """Return which watched windows end inside a span of their asset.

    Parameters
    ----------
    rows : DataFrame with columns asset_id, time
        As `watched_rows` returns them.
    spans : DataFrame with columns asset_id, start, end
        In µs since the epoch.
    """
    inside = np.zeros(len(rows), dtype=bool)
    time, start, end = rows["time"].to_numpy(), spans["start"].to_numpy(), spans["end"].to_numpy()
    places_of = places_by_asset(rows["asset_id"])
    for asset, places in places_by_asset(spans["asset_id"]).items():
        if asset in places_of:
            inside[places_of[asset]] = is_covered(time[places_of[asset]], start[places], end[places])
    return inside
