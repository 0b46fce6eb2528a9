"""Sensor health: which sensors did not measure, and how many values were unusual."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.readings.health.flagging import HEALTH, WORDS, worst_first
from wheeltapper.reporting.text import words

MOST = 20
"""Spans that the report lists, longest first."""


def health_rows(flags: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one line for each of the longest spans in which a sensor does not measure."""
    return [
        {
            "asset": span["asset_id"],
            "sensor": span["sensor"],
            "what": WORDS[str(span["kind"])],
            "start": span["start"],
            "end": span["end"],
            "readings": int(span["count"]),
            "detail": span["detail"],
        }
        for span in worst_first(flags[flags["kind"].isin(HEALTH)]).head(MOST).to_dict("records")
    ]


def health_sentences(flags: pd.DataFrame) -> list[str]:
    """Say how many spans of sensors and how many single values were flagged."""
    is_health = flags["kind"].isin(HEALTH)
    spans, values = flags[is_health], flags[~is_health]
    listed = f"; the {MOST} longest are listed" if len(spans) > MOST else ""
    sentences = [f"Spans in which a sensor does not measure: {words.count(len(spans))}{listed}."]
    if len(values):
        kinds = " and ".join(sorted(values["kind"].unique()))
        count = words.count(int(values["count"].sum()))
        by_sensor = values.groupby(["asset_id", "sensor"])["count"].sum()
        most = by_sensor.sort_values(ascending=False, kind="stable").index[0]
        sentences.append(
            f"Values that differ strongly from the readings just before ({kinds}): {count}, most of them from "
            f"{' '.join(most)}. They were flagged but not deleted, and models learn from them."
        )
    return sentences


def flagged_values(near: pd.DataFrame, asset: str, sensor: str, flags: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of one asset that hold a value of this sensor that was flagged as unusual."""
    spans = flags[(flags["asset_id"] == asset) & (flags["sensor"] == sensor) & ~flags["kind"].isin(HEALTH)]
    times = near["timestamp"]
    inside = np.zeros(len(near), dtype=bool)
    spans = spans[(spans["end"] >= times.min()) & (spans["start"] <= times.max())]
    for start, end in spans[["start", "end"]].to_numpy():
        inside |= ((times >= start) & (times <= end)).to_numpy()
    return near[inside & near[sensor].notna().to_numpy()]
