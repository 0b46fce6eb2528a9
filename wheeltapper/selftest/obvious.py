"""Obvious faults: inject an unmistakable step into recent normal readings, to test whether a model reacts at all.

It needs no labels. It finds blind and inverted models, and proves nothing about small faults.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from wheeltapper.errors import DataError

ALL = "all"
"""Key of the twin in which every sensor is stepped at once."""
OBVIOUS = 8.0
"""Size of the step in scales: a scale is the usual deviation, and eight of them do not occur in normal running."""

Limits = tuple[float | None, float | None]


def inject_obvious(
    readings: pd.DataFrame,
    scales: Mapping[str, float],
    limits: Mapping[str, Limits] | None = None,
    *,
    size: float = OBVIOUS,
    counters: Collection[str] = (),
) -> dict[str, pd.DataFrame]:
    """Return twins of the readings in which one sensor, then every sensor, shows an unmistakable step.

    The whole twin is stepped, with the same rows as its clean original. The step goes up, or down where the limit
    leaves more room below, and stays within the sensor's limits.

    Parameters
    ----------
    readings : DataFrame with columns asset_id, timestamp and the sensors
        Recent readings of normal running, of any number of assets; the other columns stay as they are.
    scales : mapping
        Sensor → its usual deviation in its unit. A sensor that never moved (0) has no scale and is left out.
    limits : mapping, optional
        Sensor → lowest and highest value that it can show; None for no limit.
    size : float
        Step in scales.
    counters : collection of str
        Sensors that only count up: their hourly count is stepped, and their scale is that of the hourly count. A step
        of a counter's level would change nothing.

    Returns
    -------
    dict
        Sensor (or "all") → readings, with the same rows in the same order.

    Raises
    ------
    DataError
        If there are no readings, a sensor is missing, or no sensor has a scale.
    """
    missing = [sensor for sensor in scales if sensor not in readings]
    if readings.empty or missing:
        raise DataError(f"the self-test needs readings of {list(scales)}; {len(readings)} rows have no {missing}")
    if size <= 0:
        raise DataError(f"a step must be larger than 0, got {size:g} scales")
    moving = [sensor for sensor, scale in scales.items() if np.isfinite(scale) and scale > 0]
    if not moving:
        raise DataError(f"no sensor of {list(scales)} ever moved: there is nothing that a detector could find")
    stepped = {
        sensor: _step_rate(readings, sensor, size * scales[sensor])
        if sensor in counters
        else _step(readings, sensor, size * scales[sensor], (limits or {}).get(sensor, (None, None)))
        for sensor in moving
    }
    twins = {sensor: readings.assign(**{sensor: values}) for sensor, values in stepped.items()}
    return twins | {ALL: readings.assign(**stepped)}


def _step(readings: pd.DataFrame, sensor: str, step: float, limits: Limits) -> pd.Series:
    """Shift one sensor, asset by asset, towards the side with room, and stop at its limits."""
    values = readings[sensor].astype("float64")
    low = -np.inf if limits[0] is None else limits[0]
    high = np.inf if limits[1] is None else limits[1]
    usual = values.groupby(readings["asset_id"]).transform("median")
    above, below = high - usual, usual - low
    goes_up = (above >= step) | (above >= below)
    # A reading that is already beyond a limit is not changed by the step.
    raised = np.maximum(values, np.minimum(values + step, high))
    lowered = np.minimum(values, np.maximum(values - step, low))
    return pd.Series(np.where(goes_up, raised, lowered), index=readings.index, name=sensor)


def _step_rate(readings: pd.DataFrame, sensor: str, step: float) -> pd.Series:
    """Let one counter count faster, asset by asset, by ``step`` of its unit in an hour."""
    since = readings["timestamp"] - readings.groupby("asset_id")["timestamp"].transform("min")
    stepped: pd.Series = readings[sensor].astype("float64") + step * since.dt.total_seconds() / 3600
    return stepped
