"""Alarms: consecutive anomalous windows of one asset folded into one object that opens, lasts and closes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Alarms
from wheeltapper.errors import DataError
from wheeltapper.tables import microseconds

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

CRITICAL, HIGH = 3.0, 1.5
"""Severities from which an alarm is critical or high; a weaker one is medium."""


@dataclass(frozen=True)
class Spans:
    """Positions of alarms among rows in the order of asset and time; three arrays of equal length."""

    first: Places
    """The window that opens each alarm."""
    last: Places
    """The last window of each alarm."""
    is_open: Flags
    """True where the alarm is not closed yet."""


def fold(scores: pd.DataFrame, rule: Alarms, max_gap: timedelta) -> pd.DataFrame:
    """Fold anomalous windows into alarms.

    An alarm opens with the window that completes ``open_after`` anomalous ones in a row, and closes once
    ``close_after`` windows follow of which none lies above ``close_below`` thresholds, or the readings pause. Until
    then the last alarm stays open.

    Parameters
    ----------
    scores : DataFrame with columns asset_id, window_end, severity, regime
        Windows of any number of assets, in any order.

    Returns
    -------
    DataFrame with columns asset_id, opened_at, last_at, closed_at, peak_severity, peak_at, held_severity, regime, tier,
    state
        One row per alarm, in the order of asset and time; ``closed_at`` is empty while it is open, and
        ``held_severity`` is the highest severity that held for ``open_after`` windows.

    Raises
    ------
    DataError
        If a window has no severity: it would count as normal.
    """
    blank = scores["severity"].isna()
    if blank.any():
        lost = scores[blank].iloc[0]
        raise DataError(
            f"{int(blank.sum())} windows have no severity, first {lost['asset_id']} at {lost['window_end']}. "
            "Score usable windows only."
        )
    rows = scores.sort_values(["asset_id", "window_end"], kind="stable").reset_index(drop=True)
    severity, stretch = rows["severity"].to_numpy(float), stretches(rows, max_gap)
    return _describe(rows, spans(severity, stretch, rule), lasting(severity, stretch, rule.open_after))


@dataclass(frozen=True)
class Stretches:
    """Rows that follow each other without a pause; rows are in the order of asset and time."""

    number: Places
    """Number of the stretch of each row, from 0."""
    is_newest: Flags
    """True where the row belongs to its asset's last stretch, which the next readings may continue."""


def stretches(rows: pd.DataFrame, max_gap: timedelta) -> Stretches:
    """Group windows of one asset that follow each other without a pause longer than ``max_gap``."""
    time = microseconds(rows["window_end"])
    asset = pd.factorize(rows["asset_id"])[0]
    begins = np.ones(len(rows), dtype=bool)
    begins[1:] = (asset[1:] != asset[:-1]) | (np.diff(time) > max_gap / timedelta(microseconds=1))
    number = np.cumsum(begins) - 1
    newest = np.full(asset.max(initial=-1) + 1, -1)
    newest[asset] = number  # the last assignment wins
    return Stretches(number, number == newest[asset])


def spans(severity: Floats, stretch: Stretches, rule: Alarms) -> Spans:
    """Return opening window and last window of each alarm.

    Parameters
    ----------
    severity : ndarray of shape (n_windows,)
        Score over threshold, in the order of asset and time; above 1 is anomalous.
    """
    active = np.flatnonzero(severity > min(rule.close_below, 1.0))
    stretch_of_row = stretch.number[active]
    new = np.ones(active.size, dtype=bool)
    new[1:] = (np.diff(active) > rule.close_after) | (np.diff(stretch_of_row) > 0)
    opens = _in_a_row(severity[active] > 1, active, stretch_of_row) >= rule.open_after
    # Active windows without a long enough pause between them are one episode; its first opening begins the alarm.
    episode = np.cumsum(new) - 1
    ends = active[np.append(new[1:], True)[: active.size]]
    with_opening, place = np.unique(episode[opens], return_index=True)
    first, last = active[opens][place], ends[with_opening]
    after = np.searchsorted(stretch.number, stretch.number[last], side="right")
    return Spans(first, last, stretch.is_newest[last] & (after - 1 - last < rule.close_after))


def lasting(severity: Floats, stretch: Stretches, hold: int) -> Floats:
    """Return the lowest of the last ``hold`` windows; NaN where a stretch is shorter."""
    rolled = pd.Series(severity).groupby(stretch.number, sort=False).rolling(hold).min()
    return np.array(rolled.to_numpy(), dtype=float)


def _in_a_row(anomalous: Flags, place: Places, stretch: Places) -> Places:
    """Count the consecutive anomalous windows up to each window of a stretch; 0 where it is normal."""
    runs = np.ones(place.size, dtype=bool)
    runs[1:] = ~anomalous[:-1] | (np.diff(place) > 1) | (np.diff(stretch) > 0)
    number = np.arange(place.size)
    began = np.maximum.accumulate(np.where(runs, number, 0))
    return np.where(anomalous, number - began + 1, 0)


def _describe(rows: pd.DataFrame, alarm_spans: Spans, held_severity: Floats) -> pd.DataFrame:
    severity = rows["severity"].to_numpy()
    firsts, lasts, is_open = alarm_spans.first.tolist(), alarm_spans.last.tolist(), alarm_spans.is_open
    peaks = [first + int(np.argmax(severity[first : last + 1])) for first, last in zip(firsts, lasts, strict=True)]
    ends = rows["window_end"]
    alarms = pd.DataFrame(
        {
            "asset_id": rows["asset_id"].iloc[firsts].to_numpy(),
            "opened_at": ends.iloc[firsts].array,
            "last_at": ends.iloc[lasts].array,
            "peak_severity": severity[peaks].astype(float),
            "peak_at": ends.iloc[peaks].array,
            "held_severity": [held_severity[first : last + 1].max() for first, last in zip(firsts, lasts, strict=True)],
            "regime": rows["regime"].iloc[peaks].to_numpy(),
        }
    )
    alarms["closed_at"] = alarms["last_at"].mask(is_open)
    alarms["tier"] = [tier(value) for value in alarms["peak_severity"]]
    alarms["state"] = np.where(is_open, "open", "closed")
    return alarms


def tier(severity: float) -> str:
    """Return how urgent a severity is: critical, high or medium.

    Examples
    --------
    >>> tier(1.2), tier(2.0), tier(3.0)
    ('medium', 'high', 'critical')
    """
    return "critical" if severity >= CRITICAL else "high" if severity >= HIGH else "medium"


def alarm_id(asset_id: str, opened_at: pd.Timestamp, bundle: str) -> str:
    """Return the alarm's identifier; the same alarm always has the same one."""
    text = f"{asset_id}|{opened_at.isoformat()}|{bundle}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
