"""tsfresh's features of every sensor: 777 to choose from, computed by kernels where there are, else by tsfresh."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import ClassVar, Self

from pydantic import Field, PrivateAttr, model_validator

from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.features import kernels
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Stretch
from wheeltapper.features.sets.statistics import feature_of
from wheeltapper.spelling import near_miss


class Tsfresh(FeatureSet):
    """Columns ``<sensor>__<feature>`` under tsfresh's names, such as ``flow__quantile__q_0.9``.

    ``minimal`` has 10 features of a sensor, ``efficient`` 777, ``comprehensive`` 783; ``calculators`` keeps some of
    them. Not among them are ``matrix_profile``, whose package no Python from 3.11 on can install, and
    ``linear_trend_timewise``, which needs a clock and is ``linear_trend`` in other units where readings are regular.

    Short windows have no value for many of them (an autocorrelation of lag 9 in a window of 5), and neither has a
    constant for its skewness: then it is NaN. Some of hundreds of features look unusual in any noise: keep those that
    are related to the target (`wheeltapper.features.relevance`), or compute few.
    """

    always_has_value: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ("numba", "tsfresh", "PyWavelets", "statsmodels")
    """Kernels cover nearly all; sample entropy and a few odd windows (a singular regression) still go to tsfresh."""

    settings: kernels.Kind = Field("minimal", description="which of tsfresh's settings: minimal, efficient or all")
    calculators: tuple[str, ...] = Field((), description="calculators of the settings to keep; left out: all of them")

    _only: frozenset[str] | None = PrivateAttr(None)
    """The columns to compute; None for all."""

    @model_validator(mode="after")
    def _has_calculators(self) -> Self:
        valid = _calculators(self.settings)
        for calculator in self.calculators:
            if calculator not in valid:
                wider = " The settings 'comprehensive' have it." if calculator in _calculators("comprehensive") else ""
                raise ConfigError(
                    f"tsfresh's {self.settings} settings have no calculator '{calculator}'; they have {list(valid)}."
                    f"{wider or near_miss(calculator, list(valid))}"
                )
        return self

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the features of each sensor."""
        return tuple(feature_of(sensor, name) for sensor in asset_type.sensors for name in self._names(sensor))

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the features of each window; NaN where tsfresh gives no value, ±inf where tsfresh gives that."""
        features: dict[str, Floats] = {}
        for sensor in asset_type.sensors:
            settings = kernels.settings_of(self._names(sensor))
            by_name = kernels.compute(settings, stretch.sensors[sensor], stretch.first, stretch.last, blank=True)
            features |= {f"{sensor}__{name}": by_name[name] for name in self._names(sensor)}
        return features

    def only(self, columns: Iterable[str]) -> Self:
        """Return a set that computes these of its columns and no others."""
        narrow = self.model_copy()
        narrow._only = frozenset(columns)
        return narrow

    def _names(self, sensor: str) -> tuple[str, ...]:
        """Return the features of one sensor, in tsfresh's order."""
        return _names_to_compute(self.settings, self.calculators, sensor, self._only)


@cache
def _names_to_compute(
    kind: kernels.Kind, calculators: tuple[str, ...], sensor: str, only: frozenset[str] | None
) -> tuple[str, ...]:
    """Return the features to compute; cached, because serving needs them for every reading."""
    return tuple(
        name
        for name in kernels.known(kind)
        if (not calculators or kernels.calculator_of(name) in calculators)
        and (only is None or f"{sensor}__{name}" in only)
    )


@cache
def _calculators(kind: kernels.Kind) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(kernels.calculator_of, kernels.known(kind))))
