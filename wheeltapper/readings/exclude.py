"""The training mask: rows that must never be learnt as normal, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.errors import DataError
from wheeltapper.readings.health.flagging import NOT_MEASURING
from wheeltapper.tables import microseconds

MOST = 0.5
"""Share of an asset's training windows that flags may mask."""

LEARNT = "learnt from"
IN_LEAD = "shortly before a fault"
"""Reason where a plant says that alarms may be early: what is early was not normal."""
NOT_JUDGED = "inside an alarm that nobody has judged"
BEFORE = "before the new normal"
"""Reasons in the table of what is withheld."""
WAYS_OUT = (
    "Say what the alarms are (wheeltapper alarms PLANT lists them): wheeltapper confirm PLANT ALARM_ID if it is a "
    "fault, wheeltapper dismiss PLANT ALARM_ID if it is none, or wheeltapper rebaseline PLANT ASSET --from INSTANT "
    "if the machine has a new normal."
)


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


def leads(faults: pd.DataFrame, lead: timedelta) -> pd.DataFrame:
    """Return the spans before faults in which an alarm may already be about them."""
    return faults.assign(start=faults["start"] - lead, end=faults["start"])


def why_masked(
    rows: pd.DataFrame,
    faults: pd.DataFrame,
    guard: timedelta,
    flags: pd.DataFrame | None = None,
    *,
    lead: timedelta = timedelta(0),
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
    lead : timedelta
        How long before a fault nobody knows whether the machine was well: the plant's `lead`.
    """
    reason = rows["why_not"].where(~rows["usable"], "")
    reason = reason.mask((reason == "") & ~rows["usable"], "not usable")
    in_fault = overlaps(rows, faults, guard)
    reason = reason.mask((reason == "") & in_fault, "inside a fault")
    if lead > timedelta(0):
        reason = reason.mask((reason == "") & overlaps(rows, leads(faults, lead)), IN_LEAD)
    if flags is None:
        return reason
    said = "sensor " + flags["sensor"] + " " + flags["kind"].map(NOT_MEASURING)
    for why, spans in flags.groupby(said, sort=True):
        reason = reason.mask((reason == "") & _touches(rows, spans), str(why))
    return reason


def withhold(rows: pd.DataFrame, reaching: pd.DataFrame, reason: pd.Series, withheld: pd.DataFrame) -> pd.DataFrame:
    """Return feature rows in which those that touch a withheld span are not usable, with the reason.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table of features.
    reaching : DataFrame, aligned with ``rows``
        The same as far back as each row looks, from `FeaturePlan.reaching`.
    reason : Series of str, aligned with ``rows``
        What `why_masked` returned: a row that is masked anyway, by a known fault for instance, keeps its own reason.
    withheld : DataFrame
        Rows of the table of what is withheld.
    """
    usable, why_not = rows["usable"], rows["why_not"]
    for why, spans in withheld.groupby("reason", sort=True):
        touched = usable & (reason == "") & _touches(reaching, spans)
        usable, why_not = usable & ~touched, why_not.mask(touched, str(why))
    return rows.assign(usable=usable, why_not=why_not)


def tally(reason: pd.Series, part: pd.Series) -> dict[str, dict[str, int]]:
    """Count the windows of each learning part: how many are learnt from, and how many are left out for which reason.

    Parameters
    ----------
    reason : Series of str
        What `why_masked` returned.
    part : Series of str, aligned with ``reason``

    Returns
    -------
    dict
        ``train`` and ``calibrate`` → reason → windows; `LEARNT` first, then the most frequent.
    """
    counted = {}
    for name in ("train", "calibrate"):
        own = reason[part == name]
        left_out = own[own != ""].value_counts()
        ordered = sorted(left_out.items(), key=lambda one: (-int(one[1]), str(one[0])))
        counted[name] = {LEARNT: int((own == "").sum())} | {str(why): int(count) for why, count in ordered}
    return counted


def require_not_starved(rows: pd.DataFrame, part: pd.Series, reason: pd.Series, least: int) -> list[str]:
    """Make sure that alarms which nobody has judged leave each asset something to learn from.

    Returns
    -------
    list of str
        A remark for each asset of which alarms withhold more than half of the usable windows of the train part.

    Raises
    ------
    DataError
        If fewer than ``least`` are left of such an asset: a model that always alarms would otherwise decide alone
        what the next one may learn.
    """
    remarks = []
    is_in = rows["usable"] & (part == "train")
    for asset, own in reason[is_in].groupby(rows.loc[is_in, "asset_id"], sort=True):
        withheld, left = int((own == NOT_JUDGED).sum()), int((own == "").sum())
        if withheld <= MOST * len(own):
            continue
        said = (
            f"{asset}: {withheld:,} of the {len(own):,} windows that would be learnt from lie inside alarms that "
            f"nobody has judged, {left:,} are left"
        )
        if left < least:
            raise DataError(f"{said}; at least {least} are needed. {WAYS_OUT}")
        remarks.append(said)
    return remarks


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
            kinds = " and ".join(NOT_MEASURING[str(kind)] for kind in own.loc[own["sensor"] == most, "kind"].unique())
            notes.append(f"{asset} {most} is {kinds} in {shares[most]:.0%} of what would be learnt from: it is usual")
    return Told(spans[~left_out], tuple(notes))


def _stuck(flags: pd.DataFrame) -> pd.DataFrame:
    """Return the flags that say that a sensor does not measure."""
    return flags[flags["kind"].isin(NOT_MEASURING)]


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
