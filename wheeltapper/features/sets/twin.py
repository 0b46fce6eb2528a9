"""The machine's physics: how far a sensor is from the value that follows from the other sensors."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from wheeltapper.config import AssetType
from wheeltapper.config.formulas import evaluate, sources
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Stretch
from wheeltapper.features.sets.rolling import window_moments


class Twin(FeatureSet):
    """Column ``<sensor>__twin__<other>__<other>``: measured minus expected, in the sensor's unit, mean over the window.

    The expected value is computed from the other sensors of the same reading by the formulas of the asset type's
    ``twin``; nothing is learnt from data. An asset type without formulas gives no column. The residual of a healthy
    machine stays near zero at any load. It moves when a fault breaks the law, or when one of its sensors is wrong; the
    column's name lists them. Laws hold for a machine in balance: a residual of something slow (heat) follows the load,
    and adds no information.
    """

    always_has_value: ClassVar[bool] = False
    """The root of a negative number has no value."""

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the residual of each sensor that the twin has a formula for."""
        return tuple(_columns(asset_type).values())

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the mean residual of each window; NaN where a sensor of the law has no value, or the law has none."""
        expected = _expected(stretch.sensors, asset_type)
        features = {}
        for sensor, column in _columns(asset_type).items():
            residual = stretch.sensors[sensor] - expected[sensor]
            residual = np.where(np.isfinite(residual), residual, np.nan)
            features[column.name] = window_moments(residual, stretch.first, stretch.last)[0]
        return features


def _columns(asset_type: AssetType) -> dict[str, Feature]:
    """Return sensor → its column, which names the sensors that it is expected from."""
    sources_by_sensor = sources(asset_type.twin, asset_type.sensors)
    return {name: _residual(name, sources_by_sensor[name]) for name in asset_type.sensors if name in sources_by_sensor}


def _residual(sensor: str, source_sensors: tuple[str, ...]) -> Feature:
    """Describe a residual; a formula of numbers alone compares the sensor with a constant."""
    name = "__".join([sensor, "twin", *source_sensors])
    if not source_sensors:
        return Feature(name, (sensor,), "statistic", words="twin")
    return Feature(name, (sensor, *source_sensors), "relation")


def _expected(measured: dict[str, Floats], asset_type: AssetType) -> dict[str, Floats]:
    """Return what each formula gives at each reading; a sensor in a formula is what it measures."""
    computed: dict[str, Floats] = {}
    with np.errstate(all="ignore"):
        for name in sources(asset_type.twin, asset_type.sensors):
            computed[name] = evaluate(asset_type.twin[name], computed | measured)
    return computed
