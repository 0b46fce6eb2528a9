"""What feature rows promise before anything learns from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from expectations._run import Findings, Promise, exists, has_rows, is_float, is_time, run

FEW_USABLE = 0.5
"""Share of windows that should be usable; below it the plant is noted as hard to watch."""

_NOT_FINITE = "values_not_finite"
_UNEXPLAINED = "unexplained"
_USABLE = "usable_share"


def check(features: pd.DataFrame, columns: Sequence[str], docs: Path | None) -> Findings:
    """Check feature rows.

    Parameters
    ----------
    features : DataFrame
        Rows of `wheeltapper.tables.FEATURES`, with ``columns`` beside the fixed ones.
    columns : sequence of str
        The feature plan's columns.
    docs : Path or None
        Folder for the Data Docs of this run.

    Returns
    -------
    Findings
        Not ``ok`` if there are no rows, a column is missing or no float64, a key repeats, a window ends before it
        starts, or a row that may not be used does not say why; ``rejected`` has the usable rows with a value that is
        not finite.
    """
    frame = _with_counts(features, list(columns))
    return run(frame, promises(columns), suite="features", title="features", docs=docs)


def promises(columns: Sequence[str]) -> tuple[Promise, ...]:
    """Write the suite for a feature plan."""
    fixed = {
        "asset_id": "the machine",
        "window_start": "first reading",
        "window_end": "last reading",
        "regime": "operating state",
        "usable": "whether it may be learnt from",
        "why_not": "the reason if not",
    }
    return (
        has_rows("feature row"),
        *(exists(name, means) for name, means in fixed.items()),
        *(one for name in columns for one in (exists(name, "feature"), is_float(name))),
        is_time("window_start"),
        is_time("window_end"),
        _is_unique(),
        _starts_before_it_ends(),
        _says_why_not(),
        _is_finite(list(columns)),
        _is_mostly_usable(),
    )


def _with_counts(features: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Add per row what is promised across columns."""
    frame = features.reset_index(drop=True)
    more: dict[str, pd.Series] = {}
    if "usable" in frame and pd.api.types.is_bool_dtype(frame["usable"].dtype):
        usable = frame["usable"].to_numpy(dtype=bool)
        more[_USABLE] = frame["usable"].astype("float64")
        if "why_not" in frame:
            says = (frame["why_not"].fillna("") != "").to_numpy(dtype=bool)
            more[_UNEXPLAINED] = pd.Series((usable == says).astype("int64"))
        if all(name in frame and pd.api.types.is_float_dtype(frame[name].dtype) for name in columns):
            count = np.zeros(len(frame), dtype="int64")
            for name in columns:
                count += ~np.isfinite(frame[name].to_numpy())
            more[_NOT_FINITE] = pd.Series(np.where(usable, count, 0))
    return frame.assign(**more)


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


def _says_why_not() -> Promise:
    return Promise(
        "why_not_given",
        "A row that may not be used says why, and only such a row does.",
        "critical",
        "ExpectColumnValuesToBeInSet",
        {"column": _UNEXPLAINED, "value_set": [0]},
        explain=lambda rows: [
            f"usable is {usable}, why_not is {why!r}"
            for usable, why in zip(rows["usable"], rows["why_not"], strict=True)
        ],
    )


def _is_finite(columns: list[str]) -> Promise:
    def name_them(rows: pd.DataFrame) -> Iterable[str]:
        for values in rows[columns].itertuples(index=False, name=None):
            wrong = [
                f"{name} is {value}" for name, value in zip(columns, values, strict=True) if not np.isfinite(value)
            ]
            yield ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")

    return Promise(
        "features_finite",
        f"Every one of the {len(columns)} features of a usable row is a finite number.",
        "warning",
        "ExpectColumnValuesToBeInSet",
        {"column": _NOT_FINITE, "value_set": [0]},
        explain=name_them,
        hint="A division by zero, or a window that should have been marked as not usable.",
    )


def _is_mostly_usable() -> Promise:
    return Promise(
        "mostly_usable",
        f"At least {FEW_USABLE:.0%} of the windows may be learnt from.",
        "info",
        "ExpectColumnMeanToBeBetween",
        {"column": _USABLE, "min_value": FEW_USABLE},
    )
