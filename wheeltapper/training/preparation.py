"""Preparation: everything that is fitted on training rows before any detector, the same for all candidates.

It selects the rows of normal running and the features with enough values, and fits the imputer and the normaliser. All
of it uses the train part alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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
from wheeltapper.training.rows import FeatureRows, as_rows

MIN_TRAIN_ROWS = 50
"""Fewest normal windows for learning normal running."""

MOST_CELLS = 8_000_000
"""Most training values, 64 MB; detectors make five copies of them. Of more, a sample is learnt from."""
LEAST_OF_REGIME = 500
"""Rows of a regime that a sample keeps at least, if there are as many: a rare regime has to be learnt, too."""


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
    calibrate: FeatureRows
    """Normal rows of the calibrate part, with the features of the whole plan."""
    selection: str
    """Result of selecting relevant features, as a sentence; empty where the plant selects none."""
    sample: dict[str, int]
    """Rows that were drawn and rows that they were drawn from, where memory has no room for all; else empty."""

    @property
    def in_units(self) -> pd.DataFrame:
        """The features of the training rows, in the order of time over all assets."""
        in_time = self.train["window_end"].sort_values(kind="stable").index
        return self.train.loc[in_time, list(self.normaliser.columns)]

    @cached_property
    def in_deviations(self) -> pd.DataFrame:
        """The same in usual deviations, computed once for all candidates, which do not change it."""
        in_time = self.train["window_end"].sort_values(kind="stable").index
        return self.normaliser.transform(self.train).loc[in_time]


def prepare(
    plant: Plant,
    features: pd.DataFrame | FeatureRows,
    part: pd.Series,
    faults: pd.DataFrame,
    flags: pd.DataFrame | None = None,
) -> Preparation:
    """Prepare the rows, features and scales that all candidates are fitted with.

    Parameters
    ----------
    features : DataFrame or FeatureRows
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
    plan, rows = FeaturePlan.of(plant), as_rows(features)
    reason = why_masked(plan.reaching(rows.windows), faults, plant.window_reach, flags, lead=plant.lead)
    _require_normal_rows(plant, part, reason)
    normal = reason == ""
    learnt = normal & (part == "train")
    drawn = _drawn(learnt, rows.windows["regime"], max(MIN_TRAIN_ROWS, MOST_CELLS // len(plan.columns)), plant.seed)
    train = rows.where(drawn).read()
    relevant, selection = _relevant(plant, rows, part, faults)
    used_plan = plan.shrink(_worth_learning(plan, train, relevant))
    train = train[[*tables.FEATURES.names(), *used_plan.columns]]
    imputer = _imputer(used_plan, train)
    train = filled(imputer, train, used_plan.columns)
    normaliser = RegimeNormaliser(method=plant.normalise).fit(train, used_plan.features)
    calibrate = rows.where(normal & (part == "calibrate"))
    sample = {} if drawn is learnt else {"rows": int(drawn.sum()), "of": int(learnt.sum())}
    return Preparation(used_plan, plan.hash, imputer, normaliser, train, calibrate, selection, sample)


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


def _drawn(chosen: pd.Series, regimes: pd.Series, limit: int, seed: int) -> pd.Series:
    """Draw a sample of the chosen rows where there are more than ``limit``: of each regime its share, but not too few.

    Of each regime every so-manieth row is drawn, beginning at a random one, so that all assets and times remain.
    """
    places = np.flatnonzero(chosen.to_numpy())
    if len(places) <= limit:
        return chosen
    random, is_drawn = np.random.default_rng(seed), np.zeros(len(chosen), dtype=bool)
    codes, _ = pd.factorize(regimes.iloc[places], sort=True)
    for code in range(codes.max() + 1):
        of_regime = places[codes == code]
        share = limit * len(of_regime) // len(places)
        count = max(share, min(len(of_regime), LEAST_OF_REGIME, limit // (codes.max() + 1)), 1)
        is_drawn[of_regime[((np.arange(count) + random.random()) * len(of_regime) / count).astype(np.int64)]] = True
    return pd.Series(is_drawn, index=chosen.index)


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
    plant: Plant, rows: FeatureRows, part: pd.Series, faults: pd.DataFrame
) -> tuple[frozenset[str] | None, str]:
    """Return the features that separate windows inside faults from others, and a sentence about it; None to keep all.

    A sensor's latest value is always kept: limits and baselines use it, and explanations name it.
    """
    if plant.select is None:
        return None, ""
    from wheeltapper.features.relevance import relevant  # imported here because tsfresh imports slowly

    train_rows = rows.where((part == "train") & rows.windows["usable"]).read()
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
