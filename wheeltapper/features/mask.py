"""The training mask: rows that must never be learnt as normal, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.features.flagging import STUCK
from wheeltapper.tables import microseconds

MOST = 0.5
"""Share of an asset's training windows that flags may mask."""


def overlaps(rows: pd.DataFrame, spans: pd.DataFrame, guard: timedelta = timedelta(0)) -> pd.Series:
    """Tell which windows touch one of their asset's spans, widened on both sides by ``guard``.

    Parameters
    ----------
    rows : DataFrame with columns asset_id, window_start, window_end
    spans : DataFrame with columns asset_id, start, end
        For instance faults.

    Returns
    -------
    Series of bool, aligned with ``rows``
    """
    inside = np.zeros(len(rows), dtype=bool)
    places = rows.reset_index(drop=True).groupby("asset_id").indices
    starts, ends = microseconds(rows["window_start"]), microseconds(rows["window_end"])
    from_, until = microseconds(spans["start"] - guard), microseconds(spans["end"] + guard)
    for asset, start, end in zip(spans["asset_id"], from_, until, strict=True):
        own = places.get(asset)
        if own is not None:
            inside[own] |= (ends[own] >= start) & (starts[own] <= end)
    return pd.Series(inside, index=rows.index)


def why_masked(
    rows: pd.DataFrame, faults: pd.DataFrame, guard: timedelta, flags: pd.DataFrame | None = None
) -> pd.Series:
    """Return why each row is kept out of training and calibration; empty where it may be learnt from.

    A guard band around each fault is masked as well: its edges are never as sharp as its record.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table of features.
    faults : DataFrame
        Known faults.
    guard : timedelta
        How far a fault reaches beyond its record.
    flags : DataFrame, optional
        Flags that `telling` has left: windows in which a sensor does not measure are masked. Unusual single values
        mask nothing.
    """
    reason = rows["why_not"].where(~rows["usable"], "")
    reason = reason.mask((reason == "") & ~rows["usable"], "not usable")
    in_fault = overlaps(rows, faults, guard)
    reason = reason.mask((reason == "") & in_fault, "inside a fault")
    if flags is None:
        return reason
    said = "sensor " + flags["sensor"] + " " + flags["kind"].map(STUCK)
    for why, spans in flags.groupby(said, sort=True):
        reason = reason.mask((reason == "") & _touches(rows, spans), str(why))
    return reason


@dataclass(frozen=True)
class Told:
    """Which flags tell windows that must not be learnt from, and which do not."""

    flags: pd.DataFrame
    notes: tuple[str, ...]
    """What is taken as usual after all, in words."""


def telling(rows: pd.DataFrame, part: pd.Series, flags: pd.DataFrame) -> Told:
    """Leave out the flags of sensors that are nearly always like that: then it is how the sensor is.

    A sensor is left out if its spans would mask more than half of the windows that its asset is trained or calibrated
    with; and while several sensors together would, the one that masks most.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table of features.
    part : Series of str, aligned with ``rows``
        Only ``train`` and ``calibrate`` are looked at.
    flags : DataFrame
        Rows of the table of flags.
    """
    spans, notes = _stuck(flags), []
    left_out = np.zeros(len(spans), dtype=bool)
    places = {name: rows["usable"] & (part == name) for name in ("train", "calibrate")}
    for asset, own in spans.groupby("asset_id", sort=True):
        windows = [rows[is_in & (rows["asset_id"] == asset)] for is_in in places.values()]
        touched = {
            str(sensor): [_touches(some, one) for some in windows] for sensor, one in own.groupby("sensor", sort=True)
        }
        while touched:
            shares = {sensor: max(_share(one) for one in parts) for sensor, parts in touched.items()}
            together = max(_share(np.logical_or.reduce(parts)) for parts in zip(*touched.values(), strict=True))
            if together <= MOST:
                break
            most = max(sorted(shares), key=shares.__getitem__)
            del touched[most]
            left_out |= ((spans["asset_id"] == asset) & (spans["sensor"] == most)).to_numpy()
            kinds = " and ".join(STUCK[str(kind)] for kind in own.loc[own["sensor"] == most, "kind"].unique())
            notes.append(f"{asset} {most} is {kinds} in {shares[most]:.0%} of what would be learnt from: it is usual")
    return Told(spans[~left_out], tuple(notes))


def _stuck(flags: pd.DataFrame) -> pd.DataFrame:
    """Return the flags that say that a sensor does not measure."""
    return flags[flags["kind"].isin(STUCK)]


def _share(touched: NDArray[np.bool_]) -> float:
    return float(touched.mean()) if len(touched) else 0.0


def _touches(rows: pd.DataFrame, spans: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which windows touch one of their asset's spans, which do not overlap each other."""
    touched = np.zeros(len(rows), dtype=bool)
    places = rows.reset_index(drop=True).groupby("asset_id").indices
    starts, ends = microseconds(rows["window_start"]), microseconds(rows["window_end"])
    for asset, own in spans.sort_values("start").groupby("asset_id"):
        at = places.get(asset)
        if at is not None:
            begun = np.searchsorted(microseconds(own["start"]), ends[at], "right") - 1
            touched[at] = (begun >= 0) & (microseconds(own["end"])[begun] >= starts[at])
    return touched
