"""Preparation: everything that is fitted on training rows before any detector, the same for all candidates.

It selects the rows of normal running and the features with enough values, and fits the imputer and the normaliser. All
of it uses the train part alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wheeltapper import tables
from wheeltapper.config import Plant
from wheeltapper.errors import DataError
from wheeltapper.features.columns import that_show
from wheeltapper.features.impute import MIN_SHARE, Imputer, filled, with_values
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.exclude import NOT_JUDGED, WAYS_OUT, leads, overlaps, why_masked

MIN_TRAIN_ROWS = 50
"""Fewest normal windows for learning normal running."""

WIDE = 100
"""Number of features from which on training rows are thinned; narrower tables fit into memory."""
MOST_CELLS = 40_000_000
"""Most training values of a wide table, 320 MB; detectors make a few copies of them."""


@dataclass(frozen=True)
class Preparation:
    """Everything that the candidates of one training share."""

    plan: FeaturePlan
    """The plant's feature plan, shrunk to the features that are trained on."""
    whole: str
    """Hash of the plant's plan, which the rows of the features table follow."""
    imputer: Imputer | None
    """Fills features that have no value; None where every feature of the plan always has one."""
    normaliser: RegimeNormaliser
    train: pd.DataFrame
    """Normal rows of the train part with the plan's features, every one finite."""
    calibrate: pd.DataFrame
    """Normal rows of the calibrate part, with the features of the whole plan."""
    selection: str
    """Result of selecting relevant features, as a sentence; empty where the plant selects none."""


def prepare(
    plant: Plant, features: pd.DataFrame, part: pd.Series, faults: pd.DataFrame, flags: pd.DataFrame | None = None
) -> Preparation:
    """Prepare the rows, features and scales that all candidates are fitted with.

    Parameters
    ----------
    features : DataFrame
        Rows of the features table, sorted by asset and time.
    part : Series of str, aligned with ``features``
        The part of each row, from `wheeltapper.training.parts.assign`.
    faults : DataFrame
        Known faults; they are never used as normal running.
    flags : DataFrame, optional
        Spans in which a sensor does not measure, from `wheeltapper.readings.exclude.informative_flags`;
        they are not used as normal running either.

    Raises
    ------
    DataError
        If too few normal windows are left to learn from (the message counts the reasons), or no feature has a value
        in half of them.
    """
    plan = FeaturePlan.of(plant)
    reason = why_masked(plan.reaching(features), faults, plant.window_reach, flags, lead=plant.lead)
    _require_normal_rows(plant, part, reason)
    normal = reason == ""
    train, calibrate = features[_thinned(normal & (part == "train"), plan)], features[normal & (part == "calibrate")]
    relevant, selection = _relevant(plant, features, part, faults)
    used_plan = plan.shrink(_worth_learning(plan, train, relevant))
    train = train[[*tables.FEATURES.names(), *used_plan.columns]]
    imputer = _imputer(used_plan, train)
    train = filled(imputer, train, used_plan.columns)
    normaliser = RegimeNormaliser(method=plant.normalise).fit(train, used_plan.features)
    return Preparation(used_plan, plan.hash, imputer, normaliser, train, calibrate, selection)


def _require_normal_rows(plant: Plant, part: pd.Series, reason: pd.Series) -> None:
    for name in ("train", "calibrate"):
        reasons = reason[part == name]
        count = int((reasons == "").sum())
        if count < MIN_TRAIN_ROWS:
            counts = reasons[reasons != ""].value_counts().to_dict()
            raise DataError(
                f"{plant.name}: only {count} of {len(reasons)} windows of the {name} part show normal "
                f"running; at least {MIN_TRAIN_ROWS} are needed. Left out: {counts or 'none'}. "
                "Bring more readings, or change parts in the plant's YAML."
                + (f" {WAYS_OUT}" if NOT_JUDGED in counts else "")
            )


def _thinned(chosen: pd.Series, plan: FeaturePlan) -> pd.Series:
    """Keep an even sample of the chosen rows where a wide table would not fit, so that all assets and times remain."""
    limit = max(MIN_TRAIN_ROWS, MOST_CELLS // len(plan.columns))
    places = np.flatnonzero(chosen.to_numpy())
    if len(plan.columns) < WIDE or len(places) <= limit:
        return chosen
    kept_places = places[np.linspace(0, len(places) - 1, limit).astype(np.int64)]
    return pd.Series(np.isin(np.arange(len(chosen)), kept_places), index=chosen.index)


def _worth_learning(plan: FeaturePlan, train: pd.DataFrame, relevant: frozenset[str] | None) -> list[str]:
    """List the features that have enough values and, where the plant selects, are relevant."""
    promised = set(plan.promised)
    unsure = [column for column in plan.columns if column not in promised]
    with_enough_values = promised | set(with_values(train[unsure]))
    usable = [name for name in plan.columns if name in with_enough_values and (relevant is None or name in relevant)]
    if not usable:
        raise DataError(
            f"none of the {len(plan.columns)} features of {plan.asset_type.name} has a value in {MIN_SHARE:.0%} of "
            f"{len(train)} normal training windows. Make windows longer, or choose other features in the plant's YAML."
        )
    return usable


def _imputer(plan: FeaturePlan, train: pd.DataFrame) -> Imputer | None:
    """Fit on the features that may lack a value; a missing value of any other feature is an error and is not filled."""
    promised = set(plan.promised)
    unsure = [column for column in plan.columns if column not in promised]
    return Imputer.fit(train[unsure]) if unsure else None


def _relevant(
    plant: Plant, features: pd.DataFrame, part: pd.Series, faults: pd.DataFrame
) -> tuple[frozenset[str] | None, str]:
    """Return the features that separate windows inside faults from others, and a sentence about it; None to keep all.

    A sensor's latest value is always kept: limits and baselines use it, and explanations name it.
    """
    if plant.select is None:
        return None, ""
    from wheeltapper.features.relevance import relevant  # imported here because tsfresh imports slowly

    train_rows = features[(part == "train") & features["usable"]]
    in_fault = overlaps(train_rows, faults)
    clear = in_fault | ~overlaps(train_rows, leads(faults, plant.lead))
    train_rows, in_fault = train_rows[clear], in_fault[clear]
    if in_fault.nunique() < 2:
        return None, "no known fault in the train part to choose features by; all are kept"
    try:
        chosen = relevant(train_rows, in_fault, plant.select.fdr, part=part.loc[train_rows.index])
    except DataError as error:
        return None, f"all features are kept: {error}"
    if not chosen:
        return None, f"no feature is relevant at a false discovery rate of {plant.select.fdr:g}; all are kept"
    kept_features = frozenset(chosen) | {
        feature.name for feature in that_show(FeaturePlan.of(plant).features, "latest")
    }
    return kept_features, f"{len(chosen)} features are relevant at a false discovery rate of {plant.select.fdr:g}"
