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
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import AssetType, Sensor
from wheeltapper.errors import ConfigError
from wheeltapper.features.columns import Feature, level_of
from wheeltapper.features.normalise import RegimeNormaliser, matrix

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

UNUSUAL = 3.0
"""Usual deviations from which a sensor without a smallest effect counts: seldom reached by chance alone."""


@dataclass(frozen=True)
class SmallestEffects:
    """How far each sensor must be from normal for a window to count; arrays of one number for each sensor."""

    features: tuple[str, ...]
    """The feature that holds the sensor's level."""
    effect: Floats
    """The smallest effect in the sensor's unit, or in usual deviations; above zero."""
    side: NDArray[np.int64]
    """1 counts above normal, −1 below it, 0 on both sides; 2 on both sides and in usual deviations."""

    def usual_values(self, normaliser: RegimeNormaliser) -> tuple[Floats, Floats]:
        """Return centre and usual deviation of each sensor in each group, of shape (n_groups, n_sensors)."""
        place = [normaliser.columns.index(name) for name in self.features]
        return normaliser.centres.take(place, axis=1), normaliser.scales.take(place, axis=1)


def effects_of(asset_type: AssetType, features: Sequence[Feature]) -> SmallestEffects | None:
    """Return how far each sensor must be from normal; None where none names a smallest effect.

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
    sensors_with_level = [(level.name, sensors[name]) for name, level in levels.items() if level is not None]
    return SmallestEffects(
        features=tuple(feature for feature, _ in sensors_with_level),
        effect=np.array([_effect(sensor) for _, sensor in sensors_with_level], dtype=float),
        side=np.array([_side(sensor) for _, sensor in sensors_with_level], dtype=np.int64),
    )


def _effect(sensor: Sensor) -> float:
    return UNUSUAL if sensor.alarm_effect is None else sensor.alarm_effect


def _side(sensor: Sensor) -> int:
    return 2 if sensor.alarm_effect is None else {"up": 1, "down": -1, "both": 0}[sensor.alarm_direction]


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
    effects = effects_of(asset_type, features)
    if effects is None:
        return None
    from wheeltapper.scoring._severity import reaches_an_effect  # numba opens slowly

    centre, scale = effects.usual_values(normaliser)
    group, values = normaliser.groups_of(rows), matrix(rows, effects.features)
    far: Flags = reaches_an_effect(
        values, np.arange(len(effects.features)), group, centre, scale, effects.effect, effects.side
    )
    return far
