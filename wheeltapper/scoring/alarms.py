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
    """Where alarms lie among rows in the order of asset and time; three arrays of one length."""

    first: Places
    """The window that opens it."""
    last: Places
    """The last window that keeps it on."""
    is_open: Flags
    """Whether nothing has closed it yet."""


def fold(scores: pd.DataFrame, rule: Alarms, max_gap: timedelta) -> pd.DataFrame:
    """Fold anomalous windows into alarms.

    An alarm opens with the window that completes ``open_after`` anomalous ones in a row, and closes once
    ``close_after`` windows follow of which none lies above ``close_below`` thresholds, or the readings pause. The last
    one stays open while neither has happened.

    Parameters
    ----------
    scores : DataFrame with columns asset_id, window_end, severity, regime
        Windows of any number of assets, in any order.

    Returns
    -------
    DataFrame with columns asset_id, opened_at, last_at, closed_at, peak_severity, peak_at, held_severity, regime, tier,
    state
        One row an alarm, in the order of asset and time; ``closed_at`` is empty while it is open, and
        ``held_severity`` is the highest one that held for ``open_after`` windows.

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
    severity, stretch = rows["severity"].to_numpy(float), stretches(rows, max_gap)
    return _describe(rows, spans(severity, stretch, rule), lasting(severity, stretch, rule.open_after))


@dataclass(frozen=True)
class Stretches:
    """Which rows follow each other without a pause; rows are in the order of asset and time."""

    number: Places
    """Counts stretches from 0, one number a row."""
    is_newest: Flags
    """Whether the row belongs to its asset's last stretch: what comes next may still belong to it."""


def stretches(rows: pd.DataFrame, max_gap: timedelta) -> Stretches:
    """Tell which windows follow each other: of one asset, and without a pause longer than ``max_gap``."""
    time = microseconds(rows["window_end"])
    asset = pd.factorize(rows["asset_id"])[0]
    begins = np.ones(len(rows), dtype=bool)
    begins[1:] = (asset[1:] != asset[:-1]) | (np.diff(time) > max_gap / timedelta(microseconds=1))
    number = np.cumsum(begins) - 1
    newest = np.full(asset.max(initial=-1) + 1, -1)
    newest[asset] = number  # the last one written stays
    return Stretches(number, number == newest[asset])


def spans(severity: Floats, stretch: Stretches, rule: Alarms) -> Spans:
    """Return opening window and last window of each alarm.

    Parameters
    ----------
    severity : ndarray of shape (n_windows,)
        Score over threshold, in the order of asset and time; above 1 is anomalous.
    """
    loud = np.flatnonzero(severity > min(rule.close_below, 1.0))
    own = stretch.number[loud]
    new = np.ones(loud.size, dtype=bool)
    new[1:] = (np.diff(loud) > rule.close_after) | (np.diff(own) > 0)
    opens = _in_a_row(severity[loud] > 1, loud, own) >= rule.open_after
    # Loud windows that no long enough silence parts are one episode; an alarm begins where the first of them opens it.
    episode = np.cumsum(new) - 1
    ends = loud[np.append(new[1:], True)[: loud.size]]
    found, place = np.unique(episode[opens], return_index=True)
    first, last = loud[opens][place], ends[found]
    after = np.searchsorted(stretch.number, stretch.number[last], side="right")
    return Spans(first, last, stretch.is_newest[last] & (after - 1 - last < rule.close_after))


def lasting(severity: Floats, stretch: Stretches, hold: int) -> Floats:
    """Return the lowest of the last ``hold`` windows; NaN where a stretch has not lasted so long."""
    rolled = pd.Series(severity).groupby(stretch.number, sort=False).rolling(hold).min()
    return np.array(rolled.to_numpy(), dtype=float)


def _in_a_row(anomalous: Flags, place: Places, stretch: Places) -> Places:
    """Count the anomalous windows of one stretch that have followed each other up to each; 0 where it is none."""
    runs = np.ones(place.size, dtype=bool)
    runs[1:] = ~anomalous[:-1] | (np.diff(place) > 1) | (np.diff(stretch) > 0)
    number = np.arange(place.size)
    began = np.maximum.accumulate(np.where(runs, number, 0))
    return np.where(anomalous, number - began + 1, 0)


def _describe(rows: pd.DataFrame, found: Spans, held: Floats) -> pd.DataFrame:
    severity = rows["severity"].to_numpy()
    firsts, lasts, is_open = found.first.tolist(), found.last.tolist(), found.is_open
    peaks = [first + int(np.argmax(severity[first : last + 1])) for first, last in zip(firsts, lasts, strict=True)]
    ends = rows["window_end"]
    alarms = pd.DataFrame(
        {
            "asset_id": rows["asset_id"].iloc[firsts].to_numpy(),
            "opened_at": ends.iloc[firsts].array,
            "last_at": ends.iloc[lasts].array,
            "peak_severity": severity[peaks].astype(float),
            "peak_at": ends.iloc[peaks].array,
            "held_severity": [held[first : last + 1].max() for first, last in zip(firsts, lasts, strict=True)],
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
