"""Folding a machine's alarms again where new, late or corrected windows can change them, and nowhere else.

Folding may begin after a quiet time: as many windows below the threshold as close an alarm, or a pause. Nothing before
it has an influence on the alarms after it, so the cost follows what is new and not what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Alarms
from wheeltapper.scoring import alarms
from wheeltapper.tables import microseconds

Floats = NDArray[np.float64]
Micros = NDArray[np.int64]

FIRST_LOOK = timedelta(days=1)
"""How far around the changed windows stored scores are read first; further, where there is no quiet time."""
_WIDER = 8

ReadScores = Callable[[pd.Timestamp | None, pd.Timestamp | None, list[str]], pd.DataFrame]
"""Returns the stored scores of one bundle in a span, for some assets."""


@dataclass(frozen=True)
class Changed:
    """What is new about the windows of one machine."""

    first: pd.Timestamp
    """End of the first window that is new, has changed or no longer exists."""
    last: pd.Timestamp
    scored: pd.DataFrame
    """Rows of the table of scores: the changed windows that have a score."""
    replaces: pd.DataFrame | None
    """Columns asset_id, window_end of the stored scores that no longer hold; None for all from first to last."""


@dataclass(frozen=True)
class Region:
    """A time of one machine in which its alarms may have changed."""

    before: pd.DataFrame
    """Its scores as they are stored."""
    after: pd.DataFrame
    """Its scores as they are now, by time."""
    is_newest: bool
    """Whether it reaches to the machine's newest window."""

    def holds(self, opened_at: pd.Series[Any]) -> pd.Series[Any]:
        """Tell which alarms opened in it."""
        is_inside: pd.Series[Any] = opened_at.between(self._ends.min(), self._ends.max())
        return is_inside

    def follows(self, last_at: pd.Series[Any]) -> pd.Series[Any]:
        """Tell which alarms had their last window before it."""
        is_before: pd.Series[Any] = last_at < self._ends.min()
        return is_before

    @property
    def first(self) -> pd.Timestamp:
        """End of its first window; NaT where it has none."""
        first: pd.Timestamp = self._ends.min()
        return first

    @property
    def _ends(self) -> pd.Series[Any]:
        ends: pd.Series[Any] = pd.concat([self.before["window_end"], self.after["window_end"]])
        return ends

    def fold(self, rule: Alarms, max_gap: timedelta) -> pd.DataFrame:
        """Return its alarms, see `wheeltapper.scoring.alarms.fold`."""
        folded = alarms.fold(self.after, rule, max_gap)
        if self.is_newest:
            return folded
        # The windows behind it have closed every one.
        return folded.assign(closed_at=folded["last_at"], state="closed")


def regions(
    read: ReadScores,
    changed: Mapping[str, Changed],
    stored: tuple[pd.Timestamp, pd.Timestamp] | None,
    rule: Alarms,
    max_gap: timedelta,
) -> dict[str, Region]:
    """Return for each machine the time in which its alarms may have changed.

    Parameters
    ----------
    read : callable
        Reads stored scores.
    changed : mapping of asset to Changed
    stored : two instants, or None
        First and last time of all stored scores; None where there are none.
    rule : Alarms
        When alarms open and close.
    max_gap : timedelta
        A longer pause between two windows closes an alarm.
    """
    result: dict[str, Region] = {}
    look, unresolved = FIRST_LOOK, dict(changed)
    while unresolved:
        start = min(change.first for change in unresolved.values()) - look
        end = max(change.last for change in unresolved.values()) + look
        rows = read(start, end, list(unresolved))
        reaches_begin, reaches_end = stored is None or start <= stored[0], stored is None or end > stored[1]
        for asset, change in list(unresolved.items()):
            of_asset = rows[rows["asset_id"] == asset].sort_values("window_end", ignore_index=True)
            region = _region(of_asset, change, reaches_begin, reaches_end, rule, max_gap)
            if region is not None:
                result[asset] = region
                del unresolved[asset]
        look *= _WIDER
    return result


def _region(
    before: pd.DataFrame, change: Changed, reaches_begin: bool, reaches_end: bool, rule: Alarms, max_gap: timedelta
) -> Region | None:
    """Cut stored scores where it is quiet around the change; None where they do not reach that far."""
    after = _overlaid(before, change)
    ends, severity = microseconds(after["window_end"]), after["severity"].to_numpy(float)
    first, last = microseconds(pd.DatetimeIndex([change.first, change.last])).tolist()
    begin = quiet_before(ends, severity, first, rule, max_gap)
    stop = quiet_after(ends, severity, last, rule, max_gap)
    if (begin is None and not reaches_begin) or (stop is None and not reaches_end):
        return None
    is_newest = reaches_end and stop in (None, len(ends))
    stored_ends = microseconds(before["window_end"])
    is_inside = np.ones(len(before), dtype=bool)
    if begin is not None:
        is_inside &= stored_ends >= min([first, *ends[begin : begin + 1].tolist()])
    if stop is not None and stop < len(ends):
        is_inside &= stored_ends < ends[stop]
    rows = after.iloc[begin:stop].reset_index(drop=True)
    return Region(before[is_inside].reset_index(drop=True), rows, is_newest)


def _overlaid(before: pd.DataFrame, change: Changed) -> pd.DataFrame:
    """Return stored scores with the changed ones in their place."""
    if change.replaces is None:
        is_replaced = before["window_end"].between(change.first, change.last)
    else:
        is_replaced = before["window_end"].isin(change.replaces["window_end"])
    is_replaced |= before["window_end"].isin(change.scored["window_end"])
    unchanged = before[~is_replaced]
    if unchanged.empty:
        return change.scored.sort_values("window_end", ignore_index=True)
    merged = pd.concat([unchanged, change.scored[unchanged.columns]]) if len(change.scored) else unchanged
    return merged.sort_values("window_end", ignore_index=True)


def quiet_before(ends: Micros, severity: Floats, first: int, rule: Alarms, max_gap: timedelta) -> int | None:
    """Return the place of the latest window from which on folding may begin; None if there is no quiet time.

    Parameters
    ----------
    ends : ndarray of shape (n_windows,)
        Ends of one machine's windows in microseconds since the epoch, rising.
    severity : ndarray of shape (n_windows,)
    first : int
        End of the first window that has changed; only windows before it are looked at.
    """
    most, normal = _ticks(max_gap), min(rule.close_below, 1.0)
    following, quiet = first, 0
    place = int(np.searchsorted(ends, first))
    for at in range(place - 1, -1, -1):
        if following - ends[at] > most:
            return at + 1
        quiet = quiet + 1 if severity[at] <= normal else 0
        if quiet == rule.close_after:
            return at + quiet
        following = ends[at]
    return None


def quiet_after(ends: Micros, severity: Floats, last: int, rule: Alarms, max_gap: timedelta) -> int | None:
    """Return the place of the first window that folding need not reach; None if there is no quiet time.

    ``last`` is the end of the last window that has changed; only windows after it are looked at. All else is as in
    `quiet_before`.
    """
    most, normal = _ticks(max_gap), min(rule.close_below, 1.0)
    quiet = 0
    place = int(np.searchsorted(ends, last, side="right"))
    for at in range(place, len(ends)):
        if at > place and ends[at] - ends[at - 1] > most:
            return at
        quiet = quiet + 1 if severity[at] <= normal else 0
        if quiet == rule.close_after:
            return at + 1
    return None


def _ticks(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
