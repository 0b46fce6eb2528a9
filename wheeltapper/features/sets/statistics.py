"""tsfresh's ten minimal features of every sensor: plain statistics, computed fast."""

from __future__ import annotations

from typing import ClassVar

from wheeltapper.config import AssetType
from wheeltapper.features import kernels
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Stretch


class Statistics(FeatureSet):
    """Columns ``<sensor>__mean``, ``__median``, ``__standard_deviation`` … under tsfresh's names.

    In the sensor's unit; the variance in its square, the length in readings. Spreads are the population's (divided
    by n). Values are tsfresh's; the set `tsfresh` has more of them.

    A stuck sensor's spread may be a last bit instead of 0, as in tsfresh, where the mean of equal values is not exactly
    that value. `rolling` gives exactly 0.
    """

    needs: ClassVar[tuple[str, ...]] = ("numba",)

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the ten features of each sensor."""
        return tuple(feature_of(sensor, name) for sensor in asset_type.sensors for name in kernels.known("minimal"))

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the ten features of each window."""
        settings = kernels.settings_of(kernels.known("minimal"))
        features: dict[str, Floats] = {}
        for sensor in asset_type.sensors:
            by_name = kernels.compute(settings, stretch.sensors[sensor], stretch.first, stretch.last, blank=True)
            features |= {f"{sensor}__{name}": values for name, values in by_name.items()}
        return features


def feature_of(sensor: str, name: str) -> Feature:
    """Describe one of tsfresh's features of a sensor.

    The mean is the sensor's level. The standard deviation is not called its spread: it may be a last bit instead of 0
    while the sensor repeats itself.
    """
    return Feature(
        f"{sensor}__{name}", (sensor,), "level" if name == "mean" else "statistic", words=kernels.words_of(name)
    )
