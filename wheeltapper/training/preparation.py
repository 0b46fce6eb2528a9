"""Preparation: what is settled on training rows before any detector is fitted, the same for all candidates.

Which rows show normal running, which features have values to learn from and are asked for, what stands in where one has
no value, and what is usual. All of it is learnt from the train part alone.
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
"""Fewer normal windows than this teach nothing about normal running."""

WIDE = 100
"""Features from which training rows are thinned; narrower tables are small, or worth their memory."""
MOST_CELLS = 40_000_000
"""Values of a wide table that are learnt from, 320 MB: detectors make a few copies of them."""


@dataclass(frozen=True)
class Preparation:
    """Everything that candidates of one training run have in common."""

    plan: FeaturePlan
    """The plant's feature plan, shrunk to what is learnt from."""
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
    """What became of the wish to keep only relevant features, in words; empty where nobody asked."""


def prepare(
    plant: Plant, features: pd.DataFrame, part: pd.Series, faults: pd.DataFrame, flags: pd.DataFrame | None = None
) -> Preparation:
    """Settle what all candidates are fitted on.

    Parameters
    ----------
    features : DataFrame
        Rows of the features table, sorted by asset and time.
    part : Series of str, aligned with ``features``
        The part of each row, from `wheeltapper.training.parts.assign`.
    faults : DataFrame
        Known faults: they are never learnt as normal.
    flags : DataFrame, optional
        Spans in which a sensor does not measure, from `wheeltapper.readings.exclude.informative_flags`: nor are they.

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
    relevant, said = _relevant(plant, features, part, faults)
    own = plan.shrink(_worth_learning(plan, train, relevant))
    train = train[[*tables.FEATURES.names(), *own.columns]]
    imputer = _imputer(own, train)
    train = filled(imputer, train, own.columns)
    normaliser = RegimeNormaliser(method=plant.normalise).fit(train, own.features)
    return Preparation(own, plan.hash, imputer, normaliser, train, calibrate, said)


def _require_normal_rows(plant: Plant, part: pd.Series, reason: pd.Series) -> None:
    for name in ("train", "calibrate"):
        own = reason[part == name]
        count = int((own == "").sum())
        if count < MIN_TRAIN_ROWS:
            counts = own[own != ""].value_counts().to_dict()
            raise DataError(
                f"{plant.name}: only {count} of {len(own)} windows of the {name} part show normal "
                f"running; at least {MIN_TRAIN_ROWS} are needed. Left out: {counts or 'none'}. "
                "Bring more readings, or change parts in the plant's YAML."
                + (f" {WAYS_OUT}" if NOT_JUDGED in counts else "")
            )


def _thinned(chosen: pd.Series, plan: FeaturePlan) -> pd.Series:
    """Keep every so-manieth chosen row where a wide table would not fit; evenly, so all assets and times stay in."""
    most = max(MIN_TRAIN_ROWS, MOST_CELLS // len(plan.columns))
    places = np.flatnonzero(chosen.to_numpy())
    if len(plan.columns) < WIDE or len(places) <= most:
        return chosen
    kept = places[np.linspace(0, len(places) - 1, most).astype(np.int64)]
    return pd.Series(np.isin(np.arange(len(chosen)), kept), index=chosen.index)


def _worth_learning(plan: FeaturePlan, train: pd.DataFrame, relevant: frozenset[str] | None) -> list[str]:
    """List the features that have values enough, and are relevant where that was asked."""
    promised = set(plan.promised)
    unsure = [column for column in plan.columns if column not in promised]
    enough = promised | set(with_values(train[unsure]))
    kept = [name for name in plan.columns if name in enough and (relevant is None or name in relevant)]
    if not kept:
        raise DataError(
            f"none of the {len(plan.columns)} features of {plan.asset_type.name} has a value in {MIN_SHARE:.0%} of "
            f"{len(train)} normal training windows. Make windows longer, or choose other features in the plant's YAML."
        )
    return kept


def _imputer(plan: FeaturePlan, train: pd.DataFrame) -> Imputer | None:
    """Fit on the features that may lack a value; one that promises a value and has none is a mistake, not a hole."""
    promised = set(plan.promised)
    unsure = [column for column in plan.columns if column not in promised]
    return Imputer.fit(train[unsure]) if unsure else None


def _relevant(
    plant: Plant, features: pd.DataFrame, part: pd.Series, faults: pd.DataFrame
) -> tuple[frozenset[str] | None, str]:
    """Return the features that tell windows inside faults from others, and say so; None where all are to stay.

    A sensor's latest value always stays: limits and baselines look at it, and explanations name it.
    """
    if plant.select is None:
        return None, ""
    from wheeltapper.features.relevance import relevant  # only here, as tsfresh opens slowly

    known = features[(part == "train") & features["usable"]]
    in_fault = overlaps(known, faults)
    clear = in_fault | ~overlaps(known, leads(faults, plant.lead))
    known, in_fault = known[clear], in_fault[clear]
    if in_fault.nunique() < 2:
        return None, "no known fault in the train part to choose features by; all are kept"
    try:
        chosen = relevant(known, in_fault, plant.select.fdr, part=part.loc[known.index])
    except DataError as error:
        return None, f"all features are kept: {error}"
    if not chosen:
        return None, f"no feature is relevant at a false discovery rate of {plant.select.fdr:g}; all are kept"
    kept = frozenset(chosen) | {feature.name for feature in that_show(FeaturePlan.of(plant).features, "latest")}
    return kept, f"{len(chosen)} features are relevant at a false discovery rate of {plant.select.fdr:g}"
