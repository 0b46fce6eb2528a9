"""Promises about feature rows before anything learns from them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from expectations._run import Promise, exists, has_rows, is_float, is_given, is_time, run, some
from wheeltapper.checks import Findings
from wheeltapper.config import IDLE_REGIMES, Plant
from wheeltapper.features.impute import MIN_SHARE
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.windows import TRANSITION

FEW_USABLE = 0.5
"""Share of windows that should be usable; below it the plant is noted as hard to watch."""

WIDE = 60
"""With more features than this, one promise is about all of them: GX examines every column anew, which takes minutes
for thousands, and thousands of lines are too many to read."""
_FEATURES = "features"
"""A table beside the rows, one row a feature."""

_NOT_FINITE = "values_not_finite"
_WHERE = "where_not_finite"
_UNEXPLAINED = "unexplained"
_USABLE = "usable_share"
_IDLE = "usable_in_idle_regime"


def check(features: pd.DataFrame, plant: Plant, docs: Path | None) -> Findings:
    """Check feature rows.

    Parameters
    ----------
    features : DataFrame
        Rows of `wheeltapper.tables.FEATURES`, with the feature plan's columns beside the fixed ones.
    plant : Plant
        Its feature plan names the columns, its asset type the regimes.
    docs : Path or None
        Folder for the Data Docs of this run.

    Returns
    -------
    Findings
        Not ``ok`` if

        - there are no rows,
        - a column is missing or not float64,
        - a key is empty or repeats,
        - a window ends before it starts,
        - a regime is unknown, or the feature plan is another one,
        - a row that is not usable has no reason, or
        - a usable row is of an idle regime, or lacks a finite value that its feature set promises.

        All of these are mistakes of the pipeline, not of the data: nothing is put aside, the batch stops.
    """
    plan = FeaturePlan.of(plant)
    frame = _with_counts(features, plan)
    beside = {_FEATURES: _one_row_a_feature(features, plan)}
    if len(plan.columns) > WIDE:
        frame = frame.drop(columns=[name for name in plan.columns if name in frame])
    return run(frame, promises(plant), suite="features", title=plant.name, docs=docs, beside=beside)


def promises(plant: Plant) -> tuple[Promise, ...]:
    """Write the suite for a plant's feature plan."""
    plan = FeaturePlan.of(plant)
    columns = plan.columns
    fixed = {
        "asset_id": "the machine",
        "window_start": "first reading",
        "window_end": "last reading",
        "regime": "operating state",
        "usable": "whether it may be learnt from and scored",
        "why_not": "the reason if not",
        "plan": "hash of the feature plan",
    }
    return (
        has_rows("feature row"),
        *(exists(name, means) for name, means in fixed.items()),
        *(_of_all(len(columns)) if len(columns) > WIDE else _of_each(columns)),
        is_time("window_start"),
        is_time("window_end"),
        is_given("asset_id", "an asset"),
        is_given("window_start", "a beginning of its window"),
        is_given("window_end", "an end of its window"),
        _is_unique(),
        _starts_before_it_ends(),
        _has_known_regime(plant.asset_type.regimes),
        _follows(plan.hash),
        _says_why_not(),
        _is_of_watched_regime(),
        *([_is_finite(plan)] if plan.promised else []),
        _is_mostly_usable(),
        *([_has_values(len(columns) - len(plan.promised))] if len(plan.promised) < len(columns) else []),
    )


def _of_each(columns: Iterable[str]) -> tuple[Promise, ...]:
    return tuple(promise for name in columns for promise in (exists(name, "feature"), is_float(name)))


def _of_all(count: int) -> tuple[Promise, ...]:
    """Promise of many features together what a few promise one by one; the first broken ones are named."""
    return (
        Promise(
            "features_exist",
            f"Every one of the {count:,} feature columns is there.",
            "critical",
            "ExpectColumnValuesToBeInSet",
            {"column": "is_there", "value_set": [1]},
            summarise=lambda rows: f"{len(rows):,} of {count:,} feature columns are missing: {some(list(rows.index))}",
            table=_FEATURES,
        ),
        Promise(
            "features_are_numbers",
            f"Every one of the {count:,} feature columns holds numbers (float64).",
            "critical",
            "ExpectColumnValuesToBeInSet",
            {"column": "holds", "value_set": ["float64"]},
            summarise=lambda rows: (
                f"{len(rows):,} of {count:,} feature columns hold no float64: "
                f"{some([f'{name} holds {held}' for name, held in rows['holds'].items()])}"
            ),
            table=_FEATURES,
        ),
    )


def _has_values(count: int) -> Promise:
    """Note the features that most windows have no value of: training leaves them out."""
    return Promise(
        "features_mostly_have_a_value",
        f"Each of the {count:,} features that may lack a value has one in at least {MIN_SHARE:.0%} of the usable rows.",
        "info",
        "ExpectColumnValuesToBeBetween",
        {"column": "share_with_value", "min_value": MIN_SHARE},
        summarise=lambda rows: (
            f"{len(rows):,} of {count:,} features that may lack a value have none in most usable rows and may not be "
            f"learnt from: {some(list(rows.index))}"
        ),
        hint="Windows too short for it, or a sensor that stands still.",
        table=_FEATURES,
    )


def _with_counts(features: pd.DataFrame, plan: FeaturePlan) -> pd.DataFrame:
    """Add per row what is promised across columns."""
    frame = features.reset_index(drop=True)
    more: dict[str, pd.Series] = {}
    if "usable" in frame and pd.api.types.is_bool_dtype(frame["usable"].dtype):
        usable = frame["usable"].to_numpy(dtype=bool)
        if "regime" in frame:
            more[_IDLE] = (frame["usable"] & frame["regime"].isin(IDLE_REGIMES)).astype("int64")
        more[_USABLE] = frame["usable"].astype("float64")
        if "why_not" in frame:
            says = (frame["why_not"].fillna("") != "").to_numpy(dtype=bool)
            more[_UNEXPLAINED] = pd.Series((usable == says).astype("int64"))
        if all(name in frame and pd.api.types.is_float_dtype(frame[name].dtype) for name in plan.columns):
            count = np.zeros(len(frame), dtype="int64")
            for name in plan.promised:
                count += ~np.isfinite(frame[name].to_numpy())
            more[_NOT_FINITE] = pd.Series(np.where(usable, count, 0))
            more[_WHERE] = _not_finite(frame, plan.promised, np.flatnonzero(more[_NOT_FINITE])[:_NAMED])
    return frame.assign(**more)


_NAMED = 1000
"""Broken rows whose features are named; of further ones the number is given."""


def _not_finite(frame: pd.DataFrame, columns: tuple[str, ...], rows: NDArray[np.intp]) -> pd.Series:
    """Name the first features that are not finite in each broken row; empty for all others."""
    names = np.full(len(frame), "", dtype=object)
    for row in rows:
        values = frame[list(columns)].iloc[row].to_numpy(dtype=float)
        names[row] = some([f"{columns[at]} is {values[at]}" for at in np.flatnonzero(~np.isfinite(values))], 5)
    return pd.Series(names, dtype="str")


def _one_row_a_feature(features: pd.DataFrame, plan: FeaturePlan) -> pd.DataFrame:
    """Describe each column of the plan: whether it is there, its type, and the share of usable rows with a value."""
    rows = features[features["usable"]] if "usable" in features and features["usable"].dtype == bool else features
    unsure = set(plan.columns) - set(plan.promised)
    described = []
    for name in plan.columns:
        held = str(features[name].dtype) if name in features else None
        share = 1.0
        if held == "float64" and name in unsure and len(rows):
            share = float(np.isfinite(rows[name].to_numpy()).mean())
        described.append((int(held is not None), held or "float64", share))
    return pd.DataFrame(described, columns=["is_there", "holds", "share_with_value"], index=list(plan.columns))


def _is_unique() -> Promise:
    return Promise(
        "key_unique",
        "An asset has one feature row for the end of a window.",
        "critical",
        "ExpectCompoundColumnsToBeUnique",
        {"column_list": ["asset_id", "window_end"]},
        explain=lambda rows: [
            f"{asset} has several rows for the window that ends at {end}"
            for asset, end in zip(rows["asset_id"], rows["window_end"], strict=True)
        ],
    )


def _starts_before_it_ends() -> Promise:
    return Promise(
        "window_in_order",
        "A window does not end before it starts.",
        "critical",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": "window_end", "column_B": "window_start", "or_equal": True},
        explain=lambda rows: [
            f"the window starts at {start} and ends at {end}"
            for start, end in zip(rows["window_start"], rows["window_end"], strict=True)
        ],
    )


def _has_known_regime(regimes: tuple[str, ...]) -> Promise:
    listed = ", ".join((*regimes, TRANSITION))
    return Promise(
        "regime_known",
        f"A window's operating state is one of {listed}.",
        "critical",
        "ExpectColumnValuesToBeInSet",
        {"column": "regime", "value_set": [*regimes, TRANSITION]},
        explain=lambda rows: [
            f"regime '{regime}' is none of {listed}; if the plant's regimes were changed, ingest its readings again"
            for regime in rows["regime"]
        ],
    )


def _follows(plan: str) -> Promise:
    return Promise(
        "plan_is_one",
        f"Every row was computed by the plant's feature plan {plan}.",
        "critical",
        "ExpectColumnValuesToBeInSet",
        {"column": "plan", "value_set": [plan]},
        explain=lambda rows: [f"the row follows plan {other}" for other in rows["plan"]],
    )


def _is_of_watched_regime() -> Promise:
    return Promise(
        "usable_is_of_watched_regime",
        f"No usable row is of an idle regime ({', '.join(IDLE_REGIMES)}).",
        "critical",
        "ExpectColumnValuesToBeInSet",
        {"column": _IDLE, "value_set": [0]},
        explain=lambda rows: [
            f"usable is True in regime {regime} for {asset} at {end}"
            for regime, asset, end in zip(rows["regime"], rows["asset_id"], rows["window_end"], strict=True)
        ],
    )


def _says_why_not() -> Promise:
    return Promise(
        "why_not_given",
        "A row that is not usable has a reason, and no other row has one.",
        "critical",
        "ExpectColumnValuesToBeInSet",
        {"column": _UNEXPLAINED, "value_set": [0]},
        explain=lambda rows: [
            f"usable is {usable}, why_not is {why!r}"
            for usable, why in zip(rows["usable"], rows["why_not"], strict=True)
        ],
    )


def _is_finite(plan: FeaturePlan) -> Promise:
    count = len(plan.promised)
    which = "features" if count == len(plan.columns) else "features that always have a value"
    return Promise(
        "features_finite",
        f"Every one of the {count} {which} of a usable row is a finite number.",
        "critical",
        "ExpectColumnValuesToBeInSet",
        {"column": _NOT_FINITE, "value_set": [0]},
        explain=lambda rows: [
            names or f"{wrong} features are not"
            for names, wrong in zip(rows[_WHERE].fillna(""), rows[_NOT_FINITE], strict=True)
        ],
        hint="A division by zero, or a window that should have been marked as not usable.",
    )


def _is_mostly_usable() -> Promise:
    return Promise(
        "mostly_usable",
        f"At least {FEW_USABLE:.0%} of the windows are usable.",
        "info",
        "ExpectColumnMeanToBeBetween",
        {"column": _USABLE, "min_value": FEW_USABLE},
    )
