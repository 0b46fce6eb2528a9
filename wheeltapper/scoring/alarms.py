"""Alarms: consecutive anomalous windows of one asset folded into one object that opens, lasts and closes."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Alarms
from wheeltapper.errors import DataError
from wheeltapper.tables import microseconds

CRITICAL, HIGH = 3.0, 1.5
"""Severities from which an alarm is critical or high; a weaker one is medium."""


def fold(scores: pd.DataFrame, rule: Alarms, max_gap: timedelta) -> pd.DataFrame:
    """Fold anomalous windows into alarms.

    An alarm opens with the window that completes ``open_after`` anomalous ones in a row, and closes once
    ``close_after`` normal ones follow or the readings pause. The last one stays open while neither has happened.

    Parameters
    ----------
    scores : DataFrame with columns asset_id, window_end, severity, regime
        Windows of any number of assets, in any order.

    Returns
    -------
    DataFrame with columns asset_id, opened_at, last_at, closed_at, peak_severity, peak_at, regime, tier, state
        One row an alarm, in the order of asset and time; ``closed_at`` is empty while it is open.

    Raises
    ------
    DataError
        If a window has no severity: it would pass for a normal one.
    """
    blank = scores["severity"].isna()
    if blank.any():
        lost = scores[blank].iloc[0]
        raise DataError(
            f"{int(blank.sum())} windows have no severity, first {lost['asset_id']} at {lost['window_end']}. "
            "Score usable windows only."
        )
    rows = scores.sort_values(["asset_id", "window_end"], kind="stable").reset_index(drop=True)
    time = microseconds(rows["window_end"])
    asset = rows["asset_id"].to_numpy()
    new_stretch = np.ones(len(rows), dtype=bool)
    new_stretch[1:] = (asset[1:] != asset[:-1]) | (np.diff(time) > max_gap / timedelta(microseconds=1))
    found = []
    for begin, end in pairwise([*np.flatnonzero(new_stretch).tolist(), len(rows)]):
        is_newest = end == len(rows) or asset[end] != asset[begin]
        for first, last in _spans(rows["severity"].to_numpy()[begin:end] > 1, rule):
            quiet_after = end - begin - 1 - last
            is_open = bool(is_newest) and quiet_after < rule.close_after
            found.append((begin + first, begin + last, is_open))
    return _describe(rows, found)


def _spans(anomalous: NDArray[np.bool_], rule: Alarms) -> list[tuple[int, int]]:
    """Return first (the opening window) and last anomalous window of each alarm in one stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], anomalous.astype(np.int8), [0]])))
    spans: list[tuple[int, int]] = []
    for begin, stop in zip(edges[::2], edges[1::2], strict=True):
        if spans and begin - spans[-1][1] - 1 < rule.close_after:
            spans[-1] = (spans[-1][0], int(stop) - 1)
        elif stop - begin >= rule.open_after:
            spans.append((int(begin) + rule.open_after - 1, int(stop) - 1))
    return spans


def _describe(rows: pd.DataFrame, found: list[tuple[int, int, bool]]) -> pd.DataFrame:
    severity = rows["severity"].to_numpy()
    peaks = [first + int(np.argmax(severity[first : last + 1])) for first, last, _ in found]
    firsts, lasts = [first for first, _, _ in found], [last for _, last, _ in found]
    ends = rows["window_end"]
    is_open = np.array([still for _, _, still in found], dtype=bool)
    alarms = pd.DataFrame(
        {
            "asset_id": rows["asset_id"].iloc[firsts].to_numpy(),
            "opened_at": ends.iloc[firsts].array,
            "last_at": ends.iloc[lasts].array,
            "peak_severity": severity[peaks].astype(float),
            "peak_at": ends.iloc[peaks].array,
            "regime": rows["regime"].iloc[peaks].to_numpy(),
        }
    )
    alarms["closed_at"] = alarms["last_at"].mask(is_open)
    alarms["tier"] = [tier(value) for value in alarms["peak_severity"]]
    alarms["state"] = np.where(is_open, "open", "closed")
    return alarms


def tier(severity: float) -> str:
    """Return how urgent a severity is: critical, high or medium."""
    return "critical" if severity >= CRITICAL else "high" if severity >= HIGH else "medium"


def alarm_id(asset_id: str, opened_at: pd.Timestamp, bundle: str) -> str:
    """Return the alarm's own name: the same alarm found twice has the same one."""
    text = f"{asset_id}|{opened_at.isoformat()}|{bundle}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
