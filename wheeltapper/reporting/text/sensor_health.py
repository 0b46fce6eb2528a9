"""Sensor health in the report: which sensors did not measure, and how many values were unusual."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.readings.health.flagging import HEALTH, WORDS, worst_first
from wheeltapper.reporting.text import words

MOST = 20
"""Spans that the report lists, longest first."""


def health_rows(flags: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one line for each of the longest spans in which a sensor does not measure, for people."""
    return [
        {
            "asset": one["asset_id"],
            "sensor": one["sensor"],
            "what": WORDS[str(one["kind"])],
            "start": one["start"],
            "end": one["end"],
            "readings": int(one["count"]),
            "detail": one["detail"],
        }
        for one in worst_first(flags[flags["kind"].isin(HEALTH)]).head(MOST).to_dict("records")
    ]


def health_sentences(flags: pd.DataFrame) -> list[str]:
    """Say how much was flagged, of sensors and of single values."""
    is_health = flags["kind"].isin(HEALTH)
    spans, values = flags[is_health], flags[~is_health]
    found = words.things(len(spans), "span") if len(spans) else "no span"
    listed = f"; the {MOST} longest are listed" if len(spans) > MOST else ""
    said = [f"{found.capitalize()} in which a sensor does not measure{listed}."]
    if len(values):
        kinds = " and ".join(sorted(values["kind"].unique()))
        count = words.things(int(values["count"].sum()), "value")
        most = (
            values.groupby(["asset_id", "sensor"])["count"].sum().sort_values(ascending=False, kind="stable").index[0]
        )
        said.append(
            f"{count.capitalize()} flagged as unlike the readings just before ({kinds}), most of them {' '.join(most)}."
            " Nothing was deleted, and they are learnt from like all others."
        )
    return said


def flagged_values(near: pd.DataFrame, asset: str, sensor: str, flags: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of one asset that hold a value of this sensor that was flagged as unusual."""
    own = flags[(flags["asset_id"] == asset) & (flags["sensor"] == sensor) & ~flags["kind"].isin(HEALTH)]
    times = near["timestamp"]
    inside = np.zeros(len(near), dtype=bool)
    for start, end in own.loc[(own["end"] >= times.min()) & (own["start"] <= times.max()), ["start", "end"]].to_numpy():
        inside |= ((times >= start) & (times <= end)).to_numpy()
    return near[inside & near[sensor].notna().to_numpy()]
