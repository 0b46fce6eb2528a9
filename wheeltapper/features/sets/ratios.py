"""Quotients and products of sensors that belong together: pressure per flow, current times duty."""

from __future__ import annotations

from functools import partial

import numpy as np
from pydantic import Field

from wheeltapper.config import AssetType, Sensor
from wheeltapper.errors import ConfigError
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import CompiledSet, Fill, Places, places_of


class Ratios(CompiledSet):
    """Columns ``<a>__per__<b>`` and ``<a>__times__<b>`` for the pairs that the asset type names; none without pairs.

    A quotient is that of the two window means, so that one noisy reading does not decide. A divisor that is closer to
    zero than ``floor`` times its sensor's range (high − low) is replaced by that: the quotient of a pump that stands
    still is then large, but bounded by |a| ÷ (floor × range). Dividing centred or normalised values by something near
    1e-6, as is often done, gives features that reach 1e6 on healthy machines. A product is the window's mean of the
    products: the mean power, not the product of two means.

    It adds no information where both sensors follow the load in the same way; then the quotient is constant.
    """

    floor: float = Field(
        0.05, gt=0, le=1, description="smallest divisor, as a share of its sensor's range; below it, the share is used"
    )

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List quotients, then products.

        Raises
        ------
        ConfigError
            If a divisor's sensor has no range that says what is close to zero.
        """
        for _, divisor in asset_type.ratios:
            _span(divisor, asset_type.sensors[divisor])
        return tuple(
            [_pair(a, "per", b) for a, b in asset_type.ratios] + [_pair(a, "times", b) for a, b in asset_type.products]
        )

    def compiled(self, asset_type: AssetType) -> Fill:
        """Return quotients and products over each window.

        A slightly negative divisor counts as close to zero, too: a flow meter that trembles around 0 must not flip the
        sign.
        """
        from wheeltapper.features.sets import _fills  # numba opens slowly

        smallest = [self.floor * _span(divisor, asset_type.sensors[divisor]) for _, divisor in asset_type.ratios]
        pairs = (_places(asset_type.ratios, asset_type), np.array(smallest), _places(asset_type.products, asset_type))
        return partial(_fills.pairs, *pairs)


def _places(pairs: tuple[tuple[str, str], ...], asset_type: AssetType) -> Places:
    """Return the rows of both sensors of each pair, shape (n_pairs, 2)."""
    return np.array([places_of(pair, asset_type) for pair in pairs], dtype=np.int64).reshape(-1, 2)


def _pair(a: str, how: str, b: str) -> Feature:
    """Describe a quotient or product; one of a sensor and itself is no relation."""
    name = f"{a}__{how}__{b}"
    return Feature(name, (a, b), "relation") if a != b else Feature(name, (a,), "statistic", words=f"{how} {b}")


def _span(name: str, sensor: Sensor) -> float:
    """Return how wide a sensor's range is, or how far its one limit lies from zero."""
    if sensor.low is not None and sensor.high is not None:
        return sensor.high - sensor.low
    span = max(abs(sensor.low or 0.0), abs(sensor.high or 0.0))
    if span == 0:
        raise ConfigError(
            f"feature set ratios divides by '{name}', and must know which values of it are close to zero; it has "
            f"limits {sensor.limits()}. Give '{name}' a low and a high, or take its pair out of the ratios."
        )
    return span
