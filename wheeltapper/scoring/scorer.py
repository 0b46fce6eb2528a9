"""The scorer: arrays in, arrays out. What can be prepared is prepared once; batch and live use the same function.

Fill, scale by asset and regime, detector, calibration, smallest effect: each window goes through them by itself, so it
gets the same score alone, in any batch and at any place in it, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import AssetType
from wheeltapper.detectors import Detector
from wheeltapper.detectors.rows import ArrayDetector, learnt_names
from wheeltapper.errors import DataError
from wheeltapper.features.impute import Imputer
from wheeltapper.features.normalise import ANY, RegimeNormaliser, matrix, numbered
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring.calibration import ANY as POOLED
from wheeltapper.scoring.calibration import Calibration
from wheeltapper.scoring.effect import SmallestEffects, effects_of

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Texts = NDArray[np.str_] | NDArray[np.object_]

AT_ONCE = 1_000_000
"""Values that are scored at a time: few enough for what is made of them to stay in the processor's caches."""
_EVERY = np.zeros(0, dtype=bool)
"""Stands for windows that may all be anomalous."""


@dataclass(frozen=True)
class Scores:
    """What windows score; arrays of shape (n_windows,)."""

    score: Floats
    """0 is typical for the asset in its regime, 1 is one usual spread above; unitless."""
    threshold: Floats
    """The score from which a window is anomalous; at least the score where no sensor is far enough from normal."""
    severity: Floats
    """Score ÷ threshold, never negative: above 1 is anomalous."""


class Model(Protocol):
    """What the scorer needs of a bundle."""

    @property
    def asset_type(self) -> AssetType:
        """Names the smallest effects."""

    @property
    def plan(self) -> FeaturePlan:
        """Names the features, in their order."""

    @property
    def imputer(self) -> Imputer | None:
        """Fills features without a value."""

    @property
    def normaliser(self) -> RegimeNormaliser:
        """Scales features by asset and regime."""

    @property
    def detectors(self) -> dict[str, Detector]:
        """Asset → detector; one for all others."""

    @property
    def calibration(self) -> Calibration:
        """Puts scores on one scale, and sets thresholds."""


class Scorer:
    """Scores usable windows with the model of a bundle.

    It holds what each asset and regime needs; one that the bundle has not seen is scored like its kind. Nothing in it
    changes while it scores, so that threads may share it.

    Parameters
    ----------
    bundle : Bundle
    """

    def __init__(self, bundle: Model) -> None:
        self.columns: tuple[str, ...] = bundle.plan.columns
        detectors = bundle.detectors
        self._pairs = _Pairs(bundle.normaliser, bundle.calibration)
        self._units = {
            unit: _Unit(detector, bundle.normaliser, bundle.imputer, self.columns)
            for unit, detector in detectors.items()
        }
        always = next(iter(detectors.values())).always_alarms
        effects = None if always else effects_of(bundle.asset_type, bundle.plan.features)
        self._effects = None if effects is None else _Effects(effects, bundle.normaliser, self.columns)

    def score(self, asset_id: str, regimes: Texts, values: Floats) -> Scores:
        """Score usable windows of one asset.

        Parameters
        ----------
        asset_id : str
        regimes : ndarray of text, shape (n_windows,)
        values : ndarray of shape (n_windows, n_columns)
            The features in the order of `columns` and in their own units; NaN where a feature has no value.

        Raises
        ------
        DataError
            If a feature has no value and none was learnt to stand in for it, or the shapes do not belong together.
        """
        values = self._checked(values, len(regimes))
        pair = self._pairs.of_one(asset_id, regimes.tolist())
        unit = self._units.get(asset_id) or self._units[POOLED]
        parts = [self._of_unit(unit, values[part], pair[part]) for part in self._parts(len(values))]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def inputs(self, asset_id: str, regimes: Texts, values: Floats) -> Floats:
        """Return what the detector of an asset looks at, in the order that it learnt; see `score` for the parameters.

        Returns
        -------
        ndarray of shape (n_windows, n_features)
            Filled and in usual deviations, or in the features' own units for a detector that takes them so.
        """
        values = self._checked(values, len(regimes))
        unit = self._units.get(asset_id) or self._units[POOLED]
        return unit.inputs(values, self._pairs.group[self._pairs.of_one(asset_id, regimes.tolist())])

    def score_rows(self, rows: pd.DataFrame) -> Scores:
        """Score usable rows of the features table, of any assets and in any order.

        Parameters
        ----------
        rows : DataFrame with columns asset_id, regime and those of `columns`

        Raises
        ------
        DataError
        """
        codes, assets = numbered(rows, "asset_id")
        pair = self._pairs.of_many(codes, assets, *numbered(rows, "regime"))
        units = list(self._units)
        names = [asset if asset in self._units else POOLED for asset in assets]
        unit = np.array([units.index(name) for name in names], dtype=np.int64)[codes]
        scored = [
            self._scored(matrix(rows.iloc[part], self.columns), pair[part], unit[part])
            for part in self._parts(len(rows))
        ]
        return _joined(scored)

    def _parts(self, n_windows: int) -> list[slice]:
        """Cut windows into parts that are scored at a time; at least one."""
        at_once = max(1, AT_ONCE // len(self.columns))
        return [slice(start, start + at_once) for start in range(0, max(n_windows, 1), at_once)]

    def _of_unit(self, unit: _Unit, values: Floats, pair: Places) -> Scores:
        """Score windows by one detector."""
        group = self._pairs.group[pair]
        return self._severities(values, pair, group, unit.raw_scores(values, group))

    def _scored(self, values: Floats, pair: Places, unit: Places) -> Scores:
        """Score windows, each by the detector of its unit."""
        group, raw = self._pairs.group[pair], np.empty(len(values))
        for place, detector_unit in enumerate(self._units.values()):
            windows = np.flatnonzero(unit == place)
            if len(windows) == len(values):
                raw = detector_unit.raw_scores(values, group)
            elif len(windows):
                raw[windows] = detector_unit.raw_scores(values[windows], group[windows])
        return self._severities(values, pair, group, raw)

    def _checked(self, values: Floats, n_windows: int) -> Floats:
        """Return the values in C order, as many as windows and columns."""
        if values.shape != (n_windows, len(self.columns)):
            raise DataError(
                f"{n_windows} windows of {len(self.columns)} features were expected, an array of shape {values.shape} "
                "came. Give the features in the order of the scorer's columns."
            )
        return np.ascontiguousarray(values, dtype=np.float64)

    def _severities(self, values: Floats, pair: Places, group: Places, raw: Floats) -> Scores:
        from wheeltapper.scoring._severity import severities  # numba opens slowly

        far = _EVERY if self._effects is None else self._effects.far(values, group)
        return Scores(*severities(raw, pair, self._pairs.typical, self._pairs.spread, self._pairs.limit, far))


def _joined(parts: Sequence[Scores]) -> Scores:
    return Scores(
        score=np.concatenate([part.score for part in parts]),
        threshold=np.concatenate([part.threshold for part in parts]),
        severity=np.concatenate([part.severity for part in parts]),
    )


class _Pairs:
    """Group, scale and limit of each asset in each regime, by number; the last of both stand for unseen ones."""

    def __init__(self, normaliser: RegimeNormaliser, calibration: Calibration) -> None:
        learned_pairs = [*normaliser.groups, *calibration.typical]
        assets = {*(asset for asset, _ in learned_pairs), *calibration.loudness} - {ANY, POOLED}
        regimes = {*(regime for _, regime in learned_pairs), *calibration.threshold} - {ANY, POOLED}
        self._n_regimes = len(regimes) + 1
        self._regime = _Numbers({regime: number for number, regime in enumerate(sorted(regimes))})
        self._first = {asset: number * self._n_regimes for number, asset in enumerate(sorted(assets))}
        pairs = [(asset, regime) for asset in [*self._first, None] for regime in [*self._regime, None]]
        self.group = np.array([normaliser.group_of(asset or ANY, regime or ANY) for asset, regime in pairs], np.int64)
        scales = [calibration.scale(asset or POOLED, regime or POOLED) for asset, regime in pairs]
        self.typical, self.spread = (np.array(numbers, dtype=np.float64) for numbers in zip(*scales, strict=True))
        self.limit = np.array([calibration.limit(asset or POOLED, regime or POOLED) for asset, regime in pairs], float)

    def of_one(self, asset: str, regimes: Sequence[str]) -> Places:
        """Return the number of each window of an asset."""
        first, number = self._first_of(asset), self._regime
        return np.array([first + number[regime] for regime in regimes], dtype=np.int64)

    def of_many(self, assets: Places, names: Sequence[str], regimes: Places, texts: Sequence[str]) -> Places:
        """Return the number of each window from those of its asset and regime; ``names`` and ``texts`` explain them."""
        first = np.array([self._first_of(name) for name in names], dtype=np.int64)
        number = np.array([self._regime[text] for text in texts], dtype=np.int64)
        return first[assets] + number[regimes]

    def _first_of(self, asset: str) -> int:
        return self._first.get(asset, len(self._first) * self._n_regimes)


class _Numbers(dict[str, int]):
    """Texts and their numbers; all texts that are not in it have the next number."""

    def __missing__(self, text: object) -> int:
        if not isinstance(text, str):
            raise DataError(f"every window needs the name of its regime, got {text!r}")
        return len(self)


class _Unit:
    """A detector, and how features become its input."""

    def __init__(
        self, detector: Detector, normaliser: RegimeNormaliser, imputer: Imputer | None, columns: tuple[str, ...]
    ) -> None:
        self._detector = detector
        self._takes_arrays = isinstance(detector, ArrayDetector)
        self._names = learnt_names(detector) if self._takes_arrays else normaliser.columns
        self._column = np.array([columns.index(name) for name in self._names], dtype=np.int64)
        place = [normaliser.columns.index(name) for name in self._names]
        self._centre, self._scale = (array.take(place, axis=1) for array in (normaliser.centres, normaliser.scales))
        self._most = float(normaliser.clip)
        if detector.in_units:
            self._centre, self._scale = np.zeros_like(self._centre), np.ones_like(self._scale)
            self._most = np.inf
        fills = {} if imputer is None else imputer.instead
        self._instead = np.array([fills.get(name, (np.nan,) * 3) for name in self._names]).T.copy()

    def inputs(self, values: Floats, group: Places) -> Floats:
        """Return the detector's input: windows filled, and scaled by their groups."""
        from wheeltapper.features._scaling import in_deviations  # numba opens slowly

        scaled: Floats = in_deviations(
            values, self._column, self._instead, group, self._centre, self._scale, self._most
        )
        return scaled

    def raw_scores(self, values: Floats, group: Places) -> Floats:
        """Return the detector's scores of windows."""
        inputs = self.inputs(values, group)
        if self._takes_arrays:
            return self._detector.score_array(inputs)
        return np.asarray(self._detector.score(pd.DataFrame(inputs, columns=self._names)), dtype=np.float64)


class _Effects:
    """How far sensors must be from normal for a window to be anomalous."""

    def __init__(self, effects: SmallestEffects, normaliser: RegimeNormaliser, columns: tuple[str, ...]) -> None:
        self._effects = effects
        self._column = np.array([columns.index(name) for name in effects.features], dtype=np.int64)
        self._centre, self._scale = effects.usual_values(normaliser)

    def far(self, values: Floats, group: Places) -> NDArray[np.bool_]:
        """Tell in which windows a sensor is far enough from normal to matter."""
        from wheeltapper.scoring._severity import reaches_an_effect  # numba opens slowly

        effect, side = self._effects.effect, self._effects.side
        far: NDArray[np.bool_] = reaches_an_effect(values, self._column, group, self._centre, self._scale, effect, side)
        return far
