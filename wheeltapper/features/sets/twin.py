"""The machine's own physics: how far a sensor is from what the other sensors say it should show."""

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

    What is expected follows from the other sensors of the same reading by the formulas of the asset type's ``twin``;
    nothing is learnt from data. No column where an asset type has none. The residual of a healthy machine stays near
    zero whatever it is asked to do; a fault that breaks the law moves it, and so does each sensor in it that is wrong:
    the name says which. Laws hold for a machine that is in balance: a residual of something slow (heat) follows the
    load, and says nothing new.
    """

    always_has_value: ClassVar[bool] = False
    """A root of something negative has none."""

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
    others = sources(asset_type.twin, asset_type.sensors)
    return {name: _residual(name, others[name]) for name in asset_type.sensors if name in others}


def _residual(sensor: str, others: tuple[str, ...]) -> Feature:
    """Describe a residual; a formula of numbers alone compares the sensor with a constant."""
    name = "__".join([sensor, "twin", *others])
    return (
        Feature(name, (sensor, *others), "relation") if others else Feature(name, (sensor,), "statistic", words="twin")
    )


def _expected(measured: dict[str, Floats], asset_type: AssetType) -> dict[str, Floats]:
    """Return what each formula gives at each reading; a sensor in a formula is what it measures."""
    computed: dict[str, Floats] = {}
    with np.errstate(all="ignore"):
        for name in sources(asset_type.twin, asset_type.sensors):
            computed[name] = evaluate(asset_type.twin[name], computed | measured)
    return computed
