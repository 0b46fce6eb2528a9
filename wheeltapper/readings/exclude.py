"""Exclusion: windows that must never be learnt as normal, each with its reason."""

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
"""Largest share of an asset's training windows that flags, or alarms without a judgement, may exclude."""

LEARNT = "learnt from"
IN_LEAD = "shortly before a fault"
"""Reason where a plant's `lead` allows early alarms: then the time before a fault was not normal."""
NOT_JUDGED = "inside an alarm that nobody has judged"
BEFORE = "before the new normal"
"""Reasons in the table of withheld spans."""
WAYS_OUT = (
    "Say what the alarms are (wheeltapper alarms PLANT lists them): wheeltapper confirm PLANT ALARM_ID if it is a "
    "fault, wheeltapper dismiss PLANT ALARM_ID if it is none, or wheeltapper rebaseline PLANT ASSET --from INSTANT "
    "if the machine has a new normal."
)


def overlaps(rows: pd.DataFrame, spans: pd.DataFrame, guard: timedelta = timedelta(0)) -> pd.Series:
    """Return which windows touch one of their asset's spans, widened on both sides by ``guard``.

    Parameters
    ----------
    rows : DataFrame with columns asset_id, window_start, window_end
    spans : DataFrame with columns asset_id, start, end
        Faults, for instance.

    Returns
    -------
    Series of bool, aligned with ``rows``
    """
    return pd.Series(_touches(rows, spans.assign(start=spans["start"] - guard, end=spans["end"] + guard)), rows.index)


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
    """Return why each window is excluded from training and calibration; empty where it may be learnt from.

    A guard band around each fault is excluded as well: its true start and end differ from its record.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table of features.
    faults : DataFrame
        Rows of the table of faults.
    guard : timedelta
        How far a fault reaches beyond its record.
    flags : DataFrame, optional
        Flags that `informative_flags` returns: windows in which a sensor does not measure are excluded. Unusual single
        values exclude nothing.
    lead : timedelta
        How long before a fault the machine may have been faulty already: the plant's `lead`.
    """
    reason = rows["why_not"].where(~rows["usable"], "")
    reason = reason.mask((reason == "") & ~rows["usable"], "not usable")
    in_fault = overlaps(rows, faults, guard)
    reason = reason.mask((reason == "") & in_fault, "inside a fault")
    if lead > timedelta(0):
        reason = reason.mask((reason == "") & overlaps(rows, leads(faults, lead)), IN_LEAD)
    if flags is None:
        return reason
    reasons = "sensor " + flags["sensor"] + " " + flags["kind"].map(NOT_MEASURING)
    for why, spans in flags.groupby(reasons, sort=True):
        reason = reason.mask((reason == "") & _touches(rows, spans), str(why))
    return reason


def withhold(rows: pd.DataFrame, reaching: pd.DataFrame, reason: pd.Series, withheld: pd.DataFrame) -> pd.DataFrame:
    """Return feature rows in which those that touch a withheld span are not usable, with the reason.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table of features.
    reaching : DataFrame, aligned with ``rows``
        The same rows with the whole time that each is computed from, from `FeaturePlan.reaching`.
    reason : Series of str, aligned with ``rows``
        The result of `why_masked`: a row that is excluded anyway, by a fault for instance, keeps its reason.
    withheld : DataFrame
        Rows of the table of withheld spans.
    """
    usable, why_not = rows["usable"], rows["why_not"]
    for why, spans in withheld.groupby("reason", sort=True):
        touched = usable & (reason == "") & _touches(reaching, spans)
        usable, why_not = usable & ~touched, why_not.mask(touched, str(why))
    return rows.assign(usable=usable, why_not=why_not)


def tally(reason: pd.Series, part: pd.Series) -> dict[str, dict[str, int]]:
    """Count the windows of each learning part: those that are learnt from, and those excluded for each reason.

    Parameters
    ----------
    reason : Series of str
        The result of `why_masked`.
    part : Series of str, aligned with ``reason``

    Returns
    -------
    dict
        ``train`` and ``calibrate`` → reason → windows; `LEARNT` first, then the most frequent.
    """
    counted = {}
    for name in ("train", "calibrate"):
        reasons = reason[part == name]
        excluded = reasons[reasons != ""].value_counts()
        ordered = sorted(excluded.items(), key=lambda entry: (-int(entry[1]), str(entry[0])))
        counted[name] = {LEARNT: int((reasons == "").sum())} | {str(why): int(count) for why, count in ordered}
    return counted


def require_not_starved(rows: pd.DataFrame, part: pd.Series, reason: pd.Series, least: int) -> list[str]:
    """Make sure that alarms without a judgement leave each asset enough windows to learn from.

    Returns
    -------
    list of str
        A remark for each asset of which such alarms withhold more than half of the usable windows of the train part.

    Raises
    ------
    DataError
        If fewer than ``least`` remain of such an asset: otherwise a model that always alarms would decide what the
        next one may learn.
    """
    remarks = []
    is_in = rows["usable"] & (part == "train")
    for asset, reasons in reason[is_in].groupby(rows.loc[is_in, "asset_id"], sort=True):
        withheld, remaining = int((reasons == NOT_JUDGED).sum()), int((reasons == "").sum())
        if withheld <= MOST * len(reasons):
            continue
        remark = (
            f"{asset}: {withheld:,} of the {len(reasons):,} windows that would be learnt from lie inside alarms that "
            f"nobody has judged, {remaining:,} are left"
        )
        if remaining < least:
            raise DataError(f"{remark}; at least {least} are needed. {WAYS_OUT}")
        remarks.append(remark)
    return remarks


@dataclass(frozen=True)
class InformativeFlags:
    """Flags of sensors that usually measure; only these exclude windows."""

    flags: pd.DataFrame
    notes: tuple[str, ...]
    """The sensors that are usually like that, whose flags are ignored, as sentences."""


def informative_flags(rows: pd.DataFrame, part: pd.Series, flags: pd.DataFrame) -> InformativeFlags:
    """Return the flags without those of sensors that are nearly always flagged: for these it is the usual state.

    A sensor's flags are ignored if its spans would exclude more than half of the windows that its asset is trained or
    calibrated with. While several sensors together would, the one that excludes most is ignored.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table of features.
    part : Series of str, aligned with ``rows``
        Only ``train`` and ``calibrate`` are looked at.
    flags : DataFrame
        Rows of the table of flags.
    """
    spans, notes = flags[flags["kind"].isin(NOT_MEASURING)], []
    is_ignored = np.zeros(len(spans), dtype=bool)
    places = {name: rows["usable"] & (part == name) for name in ("train", "calibrate")}
    for asset, asset_spans in spans.groupby("asset_id", sort=True):
        windows = [rows[is_in & (rows["asset_id"] == asset)] for is_in in places.values()]
        by_sensor = asset_spans.groupby("sensor", sort=True)
        touched = {
            str(sensor): [_touches(rows_of_part, sensor_spans) for rows_of_part in windows]
            for sensor, sensor_spans in by_sensor
        }
        while touched:
            shares = {sensor: max(map(_share, parts)) for sensor, parts in touched.items()}
            together = max(_share(np.logical_or.reduce(parts)) for parts in zip(*touched.values(), strict=True))
            if together <= MOST:
                break
            most = max(sorted(shares), key=shares.__getitem__)
            del touched[most]
            is_ignored |= ((spans["asset_id"] == asset) & (spans["sensor"] == most)).to_numpy()
            kinds = asset_spans.loc[asset_spans["sensor"] == most, "kind"].unique()
            states = " and ".join(NOT_MEASURING[str(kind)] for kind in kinds)
            notes.append(f"{asset} {most} is {states} in {shares[most]:.0%} of what would be learnt from: it is usual")
    return InformativeFlags(spans[~is_ignored], tuple(notes))


def _share(touched: NDArray[np.bool_]) -> float:
    return float(touched.mean()) if len(touched) else 0.0


def _touches(rows: pd.DataFrame, spans: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which windows touch one of their asset's spans, shape (n_windows,)."""
    touched = np.zeros(len(rows), dtype=bool)
    places = rows.reset_index(drop=True).groupby("asset_id").indices
    starts, ends = microseconds(rows["window_start"]), microseconds(rows["window_end"])
    for asset, asset_spans in spans.sort_values("start").groupby("asset_id"):
        windows = places.get(asset)
        if windows is not None:
            # Of the spans that begin before a window is over, the one that ends last decides.
            latest = np.searchsorted(microseconds(asset_spans["start"]), ends[windows], "right") - 1
            last_end = np.maximum.accumulate(microseconds(asset_spans["end"]))
            touched[windows] = (latest >= 0) & (last_end[latest] >= starts[windows])
    return touched
