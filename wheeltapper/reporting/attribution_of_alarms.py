"""Attribution of alarms: which sensors and features raised the live model's score in its strongest alarms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from wheeltapper import tables
from wheeltapper.reporting.alarm_rows import span_around, strongest_first
from wheeltapper.scoring import explanation
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.live_model import stored_rows
from wheeltapper.workspace import Workspace

STRIPS = 3
"""Alarms that are shown window by window; more could not be read at a glance."""
STEPS = 200
"""Windows of one alarm that a figure can show side by side."""
WEIGHED = 12
"""Alarms over which the weight of each feature is averaged."""
_AT_PEAK = 8
"""Windows of the highest severity in each alarm that are averaged."""


class Attribution(NamedTuple):
    """What raised the score; empty without an alarm, and where the detector cannot tell."""

    moved: dict[str, pd.DataFrame]
    """Alarm → each sensor's part of the severity of each window."""
    weights: dict[str, float]
    """Feature → share of the severity at the alarms' peaks; every alarm has the same weight."""


def attribution(space: Workspace, bundle: Bundle | None, scores: pd.DataFrame, alarms: pd.DataFrame) -> Attribution:
    """Return what raised the live model's score in its strongest alarms, from the stored feature rows.

    Empty without a model or alarms, and where the plant's feature plan has changed since the rows were written.
    """
    if bundle is None:
        return Attribution({}, {})
    moved: dict[str, pd.DataFrame] = {}
    shares_of_alarms: list[pd.Series] = []
    for place, (alarm, rows) in enumerate(_rows(space, bundle, strongest_first(alarms).head(WEIGHED))):
        if place < STRIPS:
            moved[str(alarm["alarm_id"])] = _window_by_window(bundle, rows)
        at_peak = rows[rows["window_end"].isin(_peak(scores, alarm))]
        shares = explanation.feature_shares(bundle, at_peak) if len(at_peak) else None
        if shares is not None:
            shares_of_alarms.append(shares)
    if not shares_of_alarms:
        return Attribution(moved, {})
    mean = pd.DataFrame(shares_of_alarms).fillna(0.0).mean()
    return Attribution(moved, {str(name): float(share) for name, share in mean.items()})


def _rows(space: Workspace, bundle: Bundle, alarms: pd.DataFrame) -> Iterator[tuple[pd.Series, pd.DataFrame]]:
    """Read the usable feature rows round each alarm."""
    for _, alarm in alarms.iterrows():
        begin, end = span_around(alarm, space.plant.asset_type.step)
        near = space.store.read(tables.FEATURES, start=begin, end=end, assets=[alarm["asset_id"]])
        rows = stored_rows(space, bundle, near)
        if rows is None:
            return
        rows = rows[rows["usable"]].reset_index(drop=True)
        if len(rows):
            yield alarm, rows


def _window_by_window(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    """Split the severity of the windows between the sensors; at most `STEPS` windows, evenly spaced."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(STEPS, len(rows))).astype(np.int64))
    thinned = rows.iloc[places].reset_index(drop=True)
    parts = explanation.shares(bundle, bundle.complete(thinned))
    severity = bundle.score(thinned)["severity"].to_numpy()
    return parts.mul(severity, axis=0).set_axis(pd.DatetimeIndex(thinned["window_end"]))


def _peak(scores: pd.DataFrame, alarm: pd.Series) -> pd.Series:
    """Return the ends of the alarm's windows of the highest severity."""
    is_of_asset = scores["asset_id"] == alarm["asset_id"]
    is_inside = scores["window_end"].between(alarm["opened_at"], alarm["last_at"])
    ends: pd.Series = scores[is_of_asset & is_inside].nlargest(_AT_PEAK, "severity")["window_end"]
    return ends
