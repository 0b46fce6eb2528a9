"""Calibration: raw scores on one scale for all assets and regimes, and the threshold of each.

Raw scores of different assets and regimes have different scales. The calibration maps each to a common one: 0 is
typical for this asset in this regime, 1 is one usual spread above it. `wheeltapper.scoring.calibrate` fits it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.scoring.promise import Promise
from wheeltapper.scoring.rarity import Rarity

Floats = NDArray[np.float64]
Groups = dict[tuple[str, str], float]
Maturity = Literal["fixed", "learning", "provisional", "trusted"]

ANY = "*"
"""Stands for every asset, or every regime."""
TRUSTED_FROM = 4.0
"""Number of accepted alarms in an asset's own calibrate time from which its threshold is trusted."""


@dataclass(frozen=True)
class Calibration:
    """Typical score, usual spread and threshold of each asset and regime."""

    typical: Groups
    spread: Groups
    threshold: dict[str, float]
    loudness: dict[str, float] = field(default_factory=dict)
    """Asset → factor on its threshold: how much higher its scores peak than those of its kind."""
    weeks: dict[str, float] = field(default_factory=dict)
    """Asset → weeks of its own normal running that the threshold was set with."""
    promise: Promise | None = None
    """Rate of false alarms expected at the threshold; None for a detector that sets its threshold itself."""
    rarity: Rarity | None = None
    """How often normal running reaches a severity; None where there were too few alarms to count."""

    def apply(self, rows: pd.DataFrame, raw: Floats) -> pd.DataFrame:
        """Return score and threshold of each row.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, …) with columns asset_id, regime
        raw : ndarray of shape (n_windows,)

        Returns
        -------
        DataFrame of shape (n_windows, 2)
            ``score`` (0 is typical, 1 is one spread above) and ``threshold``, both unitless.
        """
        assets, asset_names = pd.factorize(rows["asset_id"])
        regimes, regime_names = pd.factorize(rows["regime"])
        place = assets * len(regime_names) + regimes
        keys = [(str(asset), str(regime)) for asset in asset_names for regime in regime_names]
        typical, spread = np.array([self.scale(*key) for key in keys], dtype=float).reshape(-1, 2).T
        limit = np.array([self.limit(*key) for key in keys], dtype=float)
        score = (raw - typical[place]) / spread[place]
        return pd.DataFrame({"score": score, "threshold": limit[place]}, index=rows.index)

    def scale(self, asset: str, regime: str) -> tuple[float, float]:
        """Return the typical raw score and its usual spread; for an unseen asset or regime, those of its kind."""
        group = self._closest(asset, regime)
        return self.typical[group], self.spread[group]

    def limit(self, asset: str, regime: str) -> float:
        """Return the threshold of one asset and regime; for an unseen one, that of its kind."""
        of_regime = self.threshold.get(regime, self.threshold[ANY])
        loudness = self.loudness.get(asset, 1.0)
        # A huge budget must not make usual windows anomalous; a threshold set by the detector is not changed.
        return max(of_regime * loudness, 1.0) if loudness != 1.0 else of_regime

    def maturity(self, asset: str) -> Maturity:
        """Return how well an asset's threshold is supported by its own normal running.

        The measure is the number of alarms that the budget accepts in that time, so that it means the same for
        seconds and for months: below one is ``learning``, below four ``provisional``, then ``trusted``. The threshold
        of a detector that sets it itself is ``fixed``.
        """
        if self.promise is None:
            return "fixed"
        accepted = self.weeks.get(asset, 0.0) * self.promise.budget
        return "learning" if accepted < 1 else "provisional" if accepted < TRUSTED_FROM else "trusted"

    def summary(self) -> dict[str, Any] | None:
        """Return the promise behind the threshold, and each asset's maturity; None if fixed."""
        if self.promise is None:
            return None
        rate, low, high = self.promise.rate_with_interval()
        maturity = {asset: self.maturity(asset) for asset in sorted(self.weeks)}
        return {"promise": self.promise.as_dict(), "rate": rate, "low": low, "high": high, "maturity": maturity}

    def _closest(self, asset: str, regime: str) -> tuple[str, str]:
        """Return the narrowest calibrated group: this machine and regime, this regime, this machine, or all."""
        for key in ((asset, regime), (ANY, regime), (asset, ANY)):
            if key in self.typical:
                return key
        return (ANY, ANY)

    def as_dict(self) -> dict[str, Any]:
        """Return the calibration as JSON values."""
        return {
            "typical": [[*key, value] for key, value in sorted(self.typical.items())],
            "spread": [[*key, value] for key, value in sorted(self.spread.items())],
            "threshold": dict(sorted(self.threshold.items())),
            "loudness": dict(sorted(self.loudness.items())),
            "weeks": dict(sorted(self.weeks.items())),
            "promise": self.promise.as_dict() if self.promise else None,
            "rarity": self.rarity.as_dict() if self.rarity else None,
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Calibration:
        """Read what `as_dict` wrote, including versions before thresholds had a promise."""
        promised, rarity = content.get("promise"), content.get("rarity")
        return cls(
            typical={(asset, regime): value for asset, regime, value in content["typical"]},
            spread={(asset, regime): value for asset, regime, value in content["spread"]},
            threshold=content["threshold"],
            loudness=content.get("loudness", {}),
            weeks=content.get("weeks", {}),
            promise=Promise.from_dict(promised) if promised else None,
            rarity=Rarity.from_dict(rarity) if rarity else None,
        )


def fixed(threshold: float) -> Calibration:
    """Return the calibration of a detector that sets its threshold itself: its scores are not changed.

    Examples
    --------
    >>> fixed(0.5).limit("pump-07", "normal")
    0.5
    """
    return Calibration({(ANY, ANY): 0.0}, {(ANY, ANY): 1.0}, {ANY: threshold})
