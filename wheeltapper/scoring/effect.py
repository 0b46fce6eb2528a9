"""The smallest effect that matters: a window alarms only if a sensor lies that far from normal, in its unit.

A detector may be right about a shift of 0.02 bar that has no consequence. Where the asset type names the smallest
effect that matters (`alarm_effect`, `alarm_direction`), a window is anomalous only if at least one sensor lies that far
from the normal value of its machine and regime. A sensor that names none counts from `UNUSUAL` usual deviations on, so
that a limit for one sensor does not hide faults of all others.

It does not help against an effect that is large and harmless. It hides faults that change how sensors move together
while each of them stays near its normal value: leave it out where those matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import AssetType, Sensor
from wheeltapper.errors import ConfigError
from wheeltapper.features.columns import Feature, level_of
from wheeltapper.features.normalise import RegimeNormaliser

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

UNUSUAL = 3.0
"""Usual deviations from which a sensor without a smallest effect counts: seldom reached by chance alone."""


def is_far(
    asset_type: AssetType, features: Sequence[Feature], normaliser: RegimeNormaliser, rows: pd.DataFrame
) -> Flags | None:
    """Tell in which windows at least one sensor lies far enough from normal to matter.

    Parameters
    ----------
    asset_type : AssetType
        Its sensors name the smallest effects.
    features : sequence of Feature
        What the columns show.
    normaliser : RegimeNormaliser
        Normal values of each machine and regime.
    rows : DataFrame of shape (n_windows, …) with columns asset_id, regime and the features
        Features in the sensors' own units.

    Returns
    -------
    ndarray of bool, shape (n_windows,), or None
        None where no sensor of the asset type names a smallest effect: then every window is.

    Raises
    ------
    ConfigError
        If a sensor names one, but no feature holds its level.
    """
    sensors = {name: asset_type.sensors[name] for name in asset_type.measured}
    if not any(sensor.alarm_effect for sensor in sensors.values()):
        return None
    levels = {name: level_of(name, features) for name in sensors}
    for name, sensor in sensors.items():
        if sensor.alarm_effect is not None and levels[name] is None:
            raise ConfigError(
                f"{name} names an alarm_effect of {sensor.alarm_effect:g} {sensor.unit_of_features}, but no feature "
                f"holds its level. Add the feature set 'latest' or 'rolling', or remove alarm_effect."
            )
    centre, scale = normaliser.centre(rows), normaliser.scale(rows)
    far = np.zeros(len(rows), dtype=bool)
    for name, level in levels.items():
        if level is not None:
            away = rows[level.name].to_numpy(float) - centre[level.name].to_numpy(float)
            far |= _reaches(away, sensors[name], scale[level.name].to_numpy(float))
    return far


def _reaches(away: Floats, sensor: Sensor, scale: Floats) -> Flags:
    """Tell where a sensor is as far away as its smallest effect; a missing value never is."""
    if sensor.alarm_effect is None:
        return np.asarray(np.abs(away) >= UNUSUAL * scale)
    signed = {"up": away, "down": -away, "both": np.abs(away)}[sensor.alarm_direction]
    return np.asarray(signed >= sensor.alarm_effect)
