"""Promises about scores, checked before they are stored: alarms rely on them and cannot check them any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from expectations._run import Promise, exists, has_rows, is_float, is_given, is_time, run, some
from wheeltapper.checks import Findings
from wheeltapper.features.windows import TRANSITION

ROLES = ("champion", "challenger")
MANY_ANOMALOUS = 0.5
"""From this share of an asset's windows on, the model is doubted, not the machine."""
FEW = 20
"""With fewer windows of an asset, the share is not computed."""
ROUNDING = 1e-9
"""Relative difference between two ways to compute a quotient."""

_ASSETS = "assets"
"""The table beside the scores: one row for each asset."""
_SHARE = "share of anomalous windows"
_OFF = "severity_off_by"
_LEARNT = "learned_until"


@dataclass(frozen=True)
class Terms:
    """Facts that the scores of a bundle must agree with."""

    name: str
    """Title of the Data Docs."""
    regimes: tuple[str, ...]
    """Operating states of the plant."""
    learned_until: Mapping[str, datetime | str] = field(default_factory=dict)
    """Asset → end of the time that the bundle has learnt from; an asset that it has not learnt from is missing."""


def check(scores: pd.DataFrame, terms: Terms, docs: Path | None) -> Findings:
    """Check the scores of one bundle before they are stored.

    Parameters
    ----------
    scores : DataFrame
        Rows of `wheeltapper.tables.SCORES`; with ``window_start`` it is checked that no window reaches into the time
        that the bundle has learnt from, without it that none ends there.
    terms : Terms
        The plant's regimes, and what the bundle has learnt from.
    docs : Path or None
        Folder for the Data Docs of this run.

    Returns
    -------
    Findings
        Not ``ok`` if there are no rows, a column is missing or of the wrong type, a key is empty or repeats, a score
        or threshold is not a finite number, a threshold is not above 0, severity is not score ÷ threshold (0 for a
        negative score), a regime or role is unknown, or a window is of the time that was learnt from. ``notes`` name
        the assets that would be in alarm most of the time.
    """
    frame = _with_differences(scores, terms)
    beside = {_ASSETS: _shares(frame)} if _OFF in frame and "asset_id" in frame else {}
    return run(frame, promises(terms), suite="scores", title=terms.name, docs=docs, beside=beside)


def promises(terms: Terms) -> tuple[Promise, ...]:
    """Write the suite for the scores of one bundle."""
    columns = {
        "asset_id": "the machine",
        "window_end": "end of the window",
        "bundle": "hash of the bundle",
        "score": "0 is typical",
        "threshold": "above it is anomalous",
        "severity": "score ÷ threshold",
        "regime": "operating state",
        "role": "champion or challenger",
    }
    return (
        has_rows("score"),
        *(exists(name, means) for name, means in columns.items()),
        is_time("window_end"),
        *(is_float(name) for name in ("score", "threshold", "severity")),
        is_given("asset_id", "an asset"),
        is_given("window_end", "an end of its window"),
        is_given("bundle", "the hash of its bundle"),
        _is_unique(),
        _is_one_of("regime", "The operating state", (*terms.regimes, TRANSITION)),
        _is_one_of("role", "The role", ROLES),
        is_given("score", "a score"),
        is_given("threshold", "a threshold"),
        is_given("severity", "a severity"),
        _is_finite("score"),
        _is_finite("threshold", above=0.0),
        _is_finite("severity", least=0.0),
        _is_score_by_threshold(),
        _is_new(),
        _is_plausible(),
    )


def _with_differences(scores: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Add per row what is promised across columns."""
    frame = scores.reset_index(drop=True)
    numbers = ("score", "threshold", "severity")
    if all(name in frame and pd.api.types.is_float_dtype(frame[name].dtype) for name in numbers):
        score, threshold, severity = (frame[name].to_numpy() for name in numbers)
        with np.errstate(all="ignore"):  # a value that is not finite breaks a promise of its own
            expected = np.maximum(score, 0) / threshold
            off = np.abs(severity - expected) / np.maximum(np.abs(expected), 1.0)
        frame[_OFF] = np.where(np.isfinite(off), off, np.nan)
    if "asset_id" in frame and isinstance(frame.dtypes.get("window_end"), pd.DatetimeTZDtype):
        learnt = {asset: pd.Timestamp(when) for asset, when in terms.learned_until.items()}
        until = frame["asset_id"].map(lambda asset: learnt.get(asset, pd.NaT))
        frame[_LEARNT] = pd.to_datetime(until, utc=True).astype(frame["window_end"].dtype)
        if "window_start" not in frame:
            frame["window_start"] = frame["window_end"]
    return frame


def _shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Return for each asset the share of anomalous windows, NaN if there are too few windows."""
    anomalous = (frame["severity"] > 1).groupby(frame["asset_id"])
    windows = anomalous.size()
    share = anomalous.mean().where(windows >= FEW)
    return pd.DataFrame({"windows": windows, _SHARE: share})


def _is_unique() -> Promise:
    return Promise(
        "key_unique",
        "A bundle scores a window of an asset once.",
        "critical",
        "ExpectCompoundColumnsToBeUnique",
        {"column_list": ["asset_id", "window_end", "bundle"]},
        explain=lambda rows: [f"{_window(row)} is scored several times" for row in rows.itertuples()],
    )


def _is_one_of(column: str, what: str, allowed: tuple[str, ...]) -> Promise:
    names = ", ".join(allowed)
    return Promise(
        f"{column}_known",
        f"{what} is one of {names}.",
        "critical",
        "ExpectColumnValuesToBeInSet",
        {"column": column, "value_set": list(allowed)},
        explain=lambda rows: [f"{column} '{value}' is none of {names}" for value in rows[column]],
        hint="If the plant's regimes were changed, ingest its readings again." if column == "regime" else "",
    )


def _is_finite(column: str, *, above: float | None = None, least: float | None = None) -> Promise:
    """Promise a finite number, above a limit or not below it."""
    largest = np.finfo(np.float64).max
    low = above if above is not None else least if least is not None else -largest
    suffix = f" above {above:g}" if above is not None else f", at least {least:g}" if least is not None else ""
    return Promise(
        f"{column}_finite",
        f"A {column} is a finite number{suffix}.",
        "critical",
        "ExpectColumnValuesToBeBetween",
        {"column": column, "min_value": float(low), "max_value": float(largest), "strict_min": above is not None},
        explain=lambda rows: [f"{column} of {_window(row)} is {getattr(row, column)}" for row in rows.itertuples()],
    )


def _is_score_by_threshold() -> Promise:
    return Promise(
        "severity_is_score_by_threshold",
        "Severity is score ÷ threshold, and 0 for a score below 0.",
        "critical",
        "ExpectColumnValuesToBeBetween",
        {"column": _OFF, "max_value": ROUNDING},
        explain=lambda rows: [
            f"severity of {_window(row)} is {row.severity:.6g}, its score {row.score:.6g}, its threshold "
            f"{row.threshold:.6g}"
            for row in rows.itertuples()
        ],
    )


def _is_new() -> Promise:
    return Promise(
        "window_is_not_learnt",
        "No window that is scored begins in the time that the bundle has learnt from.",
        "critical",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": "window_start", "column_B": _LEARNT, "or_equal": True, "ignore_row_if": "either_value_is_missing"},
        explain=lambda rows: [
            f"{_window(row)} begins at {row.window_start}, learnt is until {row.learned_until}"
            for row in rows.itertuples()
        ],
    )


def _is_plausible() -> Promise:
    def describe(rows: pd.DataFrame) -> list[str]:
        return [
            f"{share:.0%} of {windows:,} windows" for share, windows in zip(rows[_SHARE], rows["windows"], strict=True)
        ]

    def summarise(rows: pd.DataFrame) -> str:
        worst = rows.sort_values(_SHARE, ascending=False, kind="stable")
        descriptions = zip(worst.index[:3], describe(worst.head(3)), strict=True)
        named = [f"{asset} ({description})" for asset, description in descriptions]
        return f"Anomalous most of the time: {some([*named, *worst.index[3:]])}. {hint}"

    hint = (
        "Look at one alarm first: a machine that was rebuilt, a sensor whose unit was changed, or a model that has "
        "never seen this way of running."
    )
    return Promise(
        "anomalous_share_plausible",
        f"At most {MANY_ANOMALOUS:.0%} of an asset's windows are anomalous.",
        "info",
        "ExpectColumnValuesToBeBetween",
        {"column": _SHARE, "max_value": MANY_ANOMALOUS},
        explain=describe,
        summarise=summarise,
        hint=hint,
        table=_ASSETS,
    )


def _window(row: object) -> str:
    """Name a window for people."""
    return f"{getattr(row, 'asset_id', 'a window')} at {getattr(row, 'window_end', 'no time')}"
