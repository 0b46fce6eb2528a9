"""The training mask: rows that must never be learnt as normal, each with its reason."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from wheeltapper.tables import microseconds


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


def why_masked(rows: pd.DataFrame, faults: pd.DataFrame, guard: timedelta) -> pd.Series:
    """Return why each row is kept out of training and calibration; empty where it may be learnt from.

    A guard band around each fault is masked as well: its edges are never as sharp as its record.
    """
    reason = rows["why_not"].where(~rows["usable"], "")
    reason = reason.mask((reason == "") & ~rows["usable"], "not usable")
    in_fault = overlaps(rows, faults, guard)
    return reason.mask((reason == "") & in_fault, "inside a fault")
