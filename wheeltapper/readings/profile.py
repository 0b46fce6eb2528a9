"""A profile: readings described for a person who sees them for the first time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.config import Plant
from wheeltapper.readings.plain_values import iso


def profile(rows: pd.DataFrame, plant: Plant, rejected: pd.DataFrame | None = None) -> dict[str, Any]:
    """Describe readings for a person who sees them for the first time, as plain JSON values.

    Parameters
    ----------
    rows : DataFrame
        Columns asset_id, timestamp (UTC) and the plant's sensors, in the order in which they came.
    plant : Plant
        Names the sensors and their units.
    rejected : DataFrame, optional
        Rows that cleaning put aside; counted by promise, and in the shares of repeated and backward timestamps.

    Returns
    -------
    dict
        ``rows``, ``assets``, ``first``, ``last``, ``step_seconds`` (the most frequent pause between two readings of an
        asset), ``gaps`` (the first ten pauses longer than twice that), ``gap_count``, ``duplicate_share`` and
        ``backward_share`` of all rows, ``rejected`` (promise → rows), and per sensor ``unit``, ``missing``, ``min``,
        ``max``, ``mean``, ``std`` and ``outliers``: values beyond 1.5 interquartile ranges of the quartiles, over all
        assets together.
    """
    pause = rows.groupby("asset_id", sort=False)["timestamp"].diff().dt.total_seconds()
    forward = pause[pause > 0]
    step = float(forward.mode().iloc[0]) if len(forward) else None
    gaps = forward[forward > 2 * step] if step else forward.head(0)
    counts = {} if rejected is None else {str(k): int(v) for k, v in rejected["expectation"].value_counts().items()}
    twice = int(rows.duplicated(["asset_id", "timestamp"]).sum()) + counts.get("key_unique", 0)
    back = int((pause < 0).sum()) + counts.get("in_order", 0)
    total = len(rows) + sum(counts.values())
    return {
        "rows": len(rows),
        "assets": sorted(rows["asset_id"].dropna().unique().tolist()),
        "first": iso(rows["timestamp"].min()),
        "last": iso(rows["timestamp"].max()),
        "step_seconds": step,
        "gap_count": len(gaps),
        "gaps": [
            {"asset_id": rows.at[at, "asset_id"], "until": iso(rows.at[at, "timestamp"]), "seconds": float(seconds)}
            for at, seconds in gaps.head(10).items()
        ],
        "duplicate_share": twice / total if total else 0.0,
        "backward_share": back / total if total else 0.0,
        "rejected": counts,
        "sensors": {name: _describe(rows[name], one.unit) for name, one in plant.asset_type.sensors.items()},
    }


def _describe(values: pd.Series[float], unit: str) -> dict[str, Any]:
    """Describe one sensor over all assets."""
    given = values.dropna()
    low, high = given.quantile([0.25, 0.75]) if len(given) else (np.nan, np.nan)
    reach = 1.5 * (high - low)
    return {
        "unit": unit,
        "missing": int(values.isna().sum()),
        "min": _number(given.min()),
        "max": _number(given.max()),
        "mean": _number(given.mean()),
        "std": _number(given.std()),
        "outliers": int(((given < low - reach) | (given > high + reach)).sum()),
    }


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
