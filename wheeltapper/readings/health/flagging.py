"""Flags of readings: sensors that do not measure and values that are unusual, asset by asset."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from wheeltapper import tables
from wheeltapper.config import AssetType
from wheeltapper.readings.health.examination import Examination

NOT_MEASURING = {
    "flat": "stuck",
    "dropout": "silent",
    "clipped": "at the end of its range",
    "jump_in_scale": "on another scale",
}
"""Kind of flag that a sensor has while it does not measure → how it is described. Never learnt from."""
HEALTH = (*NOT_MEASURING, "counter_reset")
"""Kinds that are about a sensor, not about single values."""
WORDS = {
    **NOT_MEASURING,
    "counter_reset": "counts from the beginning",
    "iqr": "unusual values",
    "hampel": "unusual values",
}
"""Kind → how the sensor is described."""


def flag_readings(readings: pd.DataFrame, asset_type: AssetType, kinds: Collection[str]) -> pd.DataFrame:
    """Return the flags of readings; the readings stay as they are.

    Readings of idle regimes (maintenance, off) are skipped, and so are sensors that stand for a category. Each sensor
    of each asset is examined by itself, so memory is bounded by the longest.

    Parameters
    ----------
    readings : DataFrame
        Rows of the table of readings, of any number of assets.
    asset_type : AssetType
        Names the sensors, their units and limits, and which are counters.
    kinds : collection of str
        Flags of single values to compute: ``iqr``, ``hampel``. Sensor health is always examined.

    Returns
    -------
    DataFrame
        Rows of `tables.FLAGS`.
    """
    parts: list[pd.DataFrame] = []
    for asset, rows in readings.sort_values("timestamp", kind="stable").groupby("asset_id", sort=True):
        examination = Examination.begin(asset_type, kinds)
        ended = examination.advance(rows)
        parts += [flags.assign(asset_id=str(asset)) for flags in (ended, examination.growing()) if len(flags)]
    flags = tables.FLAGS.check(pd.concat(parts, ignore_index=True)) if parts else tables.FLAGS.empty()
    return flags.sort_values(list(tables.FLAGS.key), ignore_index=True)


def worst_first(flags: pd.DataFrame) -> pd.DataFrame:
    """Sort flags by how long they last, the longest first; equal ones by asset, sensor and start."""
    lasted = flags["end"] - flags["start"]
    order = flags.assign(_lasted=-lasted.dt.total_seconds()).sort_values(["_lasted", "asset_id", "sensor", "start"])
    return flags.loc[order.index]
