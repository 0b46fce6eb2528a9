"""Ask the live model again about its strongest alarms: which sensors moved it window by window, and which features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from wheeltapper import tables
from wheeltapper.reporting.figures.attribution import STEPS
from wheeltapper.reporting.figures.timeline import view
from wheeltapper.scoring import explanation
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.live_model import stored_rows
from wheeltapper.workspace import Workspace

STRIPS = 3
"""Alarms that are asked about window by window; this many strips can be taken in at once."""
WEIGHED = 12
"""Alarms that features are weighed by."""
_AT_PEAK = 8
"""Windows of the highest severity in each, as it is the peak that a figure tells about."""


class Attribution(NamedTuple):
    """What moved the model; empty where it was not asked or cannot say."""

    moved: dict[str, pd.DataFrame]
    """Alarm → the part of each window's severity that each sensor accounts for."""
    weights: dict[str, float]
    """Feature → share of the alarms' severity at their peak; every alarm counts the same."""


def attribution(space: Workspace, bundle: Bundle | None, scores: pd.DataFrame, alarms: pd.DataFrame) -> Attribution:
    """Return what moved the live model in its strongest alarms, from the feature rows as they are stored.

    Empty without a model or alarms, and where the plant's feature plan has moved on since the rows were written.
    """
    if bundle is None:
        return Attribution({}, {})
    strongest = alarms.sort_values(["peak_severity", "opened_at", "alarm_id"], ascending=[False, True, True])
    moved: dict[str, pd.DataFrame] = {}
    weighed: list[pd.Series] = []
    for place, (alarm, rows) in enumerate(_rows(space, bundle, strongest.head(WEIGHED))):
        if place < STRIPS:
            moved[str(alarm["alarm_id"])] = _window_by_window(bundle, rows)
        at_peak = rows[rows["window_end"].isin(_peak(scores, alarm))]
        shares = explanation.feature_shares(bundle, at_peak) if len(at_peak) else None
        if shares is not None:
            weighed.append(shares)
    if not weighed:
        return Attribution(moved, {})
    mean = pd.DataFrame(weighed).fillna(0.0).mean()
    return Attribution(moved, {str(name): float(share) for name, share in mean.items()})


def _rows(space: Workspace, bundle: Bundle, alarms: pd.DataFrame) -> Iterator[tuple[pd.Series, pd.DataFrame]]:
    """Read the usable feature rows round each alarm."""
    for _, alarm in alarms.iterrows():
        begin, end = view(alarm, space.plant.asset_type.step)
        near = space.store.read(tables.FEATURES, start=begin, end=end, assets=[alarm["asset_id"]])
        rows = stored_rows(space, bundle, near)
        if rows is None:
            return
        rows = rows[rows["usable"]].reset_index(drop=True)
        if len(rows):
            yield alarm, rows


def _window_by_window(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    """Split the severity of the windows, evenly thinned to what a figure shows, between the sensors."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(STEPS, len(rows))).astype(np.int64))
    thinned = rows.iloc[places].reset_index(drop=True)
    parts = explanation.shares(bundle, bundle.complete(thinned))
    severity = bundle.score(thinned)["severity"].to_numpy()
    return parts.mul(severity, axis=0).set_axis(pd.DatetimeIndex(thinned["window_end"]))


def _peak(scores: pd.DataFrame, alarm: pd.Series) -> pd.Series:
    """Return the ends of the alarm's windows of the highest severity."""
    own = scores["window_end"].between(alarm["opened_at"], alarm["last_at"]) & (scores["asset_id"] == alarm["asset_id"])
    ends: pd.Series = scores[own].nlargest(_AT_PEAK, "severity")["window_end"]
    return ends
