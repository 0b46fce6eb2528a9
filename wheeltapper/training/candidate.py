"""A candidate: one detector fitted on the train part and calibrated on the calibrate part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import detectors
from wheeltapper.config import Plant, PlugIn
from wheeltapper.detectors import Detector
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring import calibrate, calibration
from wheeltapper.scoring.bundle import POOLED, Bundle
from wheeltapper.scoring.effect import is_far
from wheeltapper.training.preparation import MIN_TRAIN_ROWS, Preparation, prepare
from wheeltapper.training.rows import FeatureRows, as_rows

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def baselines_of(plant: Plant) -> tuple[PlugIn, ...]:
    """Return the baselines that stand on top of a plant's leaderboard, its own alarm limits among them.

    One that needs features which the plant does not compute stays out.
    """
    sensors = plant.asset_type.sensors.items()
    alarm_limits = {
        "low": {name: sensor.alarm_low for name, sensor in sensors if sensor.alarm_low is not None},
        "high": {name: sensor.alarm_high for name, sensor in sensors if sensor.alarm_high is not None},
    }
    options = {"limits": {end: limits for end, limits in alarm_limits.items() if limits}}
    # Where features are selected, all but the sensors themselves may go.
    columns = FeaturePlan.of(plant).columns if plant.select is None else tuple(plant.asset_type.sensors)
    names = detectors.baselines(columns, plant.plug_ins)
    return tuple(PlugIn(name=name, options=options.get(name, {})) for name in names)


def fit_candidate(
    plant: Plant,
    detector: PlugIn,
    features: pd.DataFrame | FeatureRows,
    part: pd.Series,
    faults: pd.DataFrame,
    provenance: dict[str, Any],
    flags: pd.DataFrame | None = None,
    prepared: Preparation | None = None,
) -> Bundle:
    """Fit one candidate.

    Parameters
    ----------
    detector : PlugIn
        The detector's name and options.
    features : DataFrame or FeatureRows
        Rows of the features table, sorted by asset and time.
    part : Series of str, aligned with ``features``
        The part of each row, from `wheeltapper.training.parts.assign`.
    faults : DataFrame
        Known faults; they are never used as normal running.
    flags : DataFrame, optional
        Spans in which a sensor does not measure, from `wheeltapper.readings.exclude.informative_flags`;
        they are not used as normal running either.
    prepared : Preparation, optional
        Result of `prepare` for the same arguments, shared by many candidates.

    Raises
    ------
    DataError
        If too few normal windows are left to learn from; the message counts the reasons.
    """
    preparation = prepared or prepare(plant, features, part, faults, flags)
    bundle = Bundle(
        asset_type=plant.asset_type,
        plan=preparation.plan,
        whole=preparation.whole,
        imputer=preparation.imputer,
        normaliser=preparation.normaliser,
        detector_name=detector.name,
        detectors=_fit_detectors(plant, detector, preparation),
        calibration=calibration.fixed(1.0),
        provenance=provenance | _choice(preparation),
    )
    return calibrated(bundle, plant, preparation.calibrate)


def _choice(preparation: Preparation) -> dict[str, Any]:
    """Return what was chosen of features and rows, for the bundle's provenance."""
    return ({"selection": preparation.selection} if preparation.selection else {}) | (
        {"sample": preparation.sample} if preparation.sample else {}
    )


def calibrated(bundle: Bundle, plant: Plant, rows: pd.DataFrame | FeatureRows) -> Bundle:
    """Return the bundle with its threshold set to the plant's alarm budget on these normal rows."""
    fixed_threshold = next(iter(bundle.detectors.values())).own_threshold
    if fixed_threshold is not None:
        fitted = calibration.fixed(fixed_threshold)
    else:
        normal = as_rows(rows)
        raw, far = _raw_scores(bundle, normal)
        fitted = calibrate.fit(
            normal.windows,
            raw,
            budget=plant.alarm_budget,
            spacing=plant.window_spacing,
            max_gap=plant.max_gap,
            rule=plant.alarms,
            is_far=far,
        )
    return replace(bundle, calibration=fitted)


def _raw_scores(bundle: Bundle, rows: FeatureRows) -> tuple[Floats, Flags | None]:
    """Return the raw score of each row, and whether a sensor lies far from normal; None where no effect is named."""
    raw, far = np.empty(len(rows)), np.ones(len(rows), dtype=bool)
    counts_effects = False
    for places, piece in rows.chunks():
        raw[places] = bundle.raw_scores(piece)
        far_here = is_far(bundle.asset_type, bundle.plan.features, bundle.normaliser, piece)
        if far_here is not None:
            far[places], counts_effects = far_here, True
    return raw, far if counts_effects else None


def _fit_detectors(plant: Plant, detector: PlugIn, preparation: Preparation) -> dict[str, Detector]:
    """Fit one detector for all, and one for each asset with enough rows where the plant asks for that."""

    def make() -> Detector:
        return detectors.build(
            detector.name,
            detector.options,
            seed=plant.seed,
            plug_ins=plant.plug_ins,
            features=preparation.plan.features,
        )

    # In the order of time over all assets: the rows that a detector holds back at the end are then the latest.
    in_time = preparation.in_units if make().in_units else preparation.in_deviations
    fitted = {POOLED: make().fit(in_time)}
    if plant.models == "per_asset":
        for asset, rows_of_asset in preparation.train.groupby("asset_id").groups.items():
            if len(rows_of_asset) >= MIN_TRAIN_ROWS:
                fitted[str(asset)] = make().fit(in_time.loc[rows_of_asset])
    return fitted
