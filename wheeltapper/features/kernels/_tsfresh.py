"""The only door to tsfresh: its settings, its own functions window by window, and its test of relevance.

Importing tsfresh takes seconds, so every function here does it on its first call.
"""

from __future__ import annotations

import json
import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd

from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels._kernel import Floats, Places
from wheeltapper.features.kernels._names import FILE, Kind, name_of, names
from wheeltapper.spelling import near_miss

_NEVER = ("matrix_profile", "linear_trend_timewise")
"""The first needs a package that no Python from 3.11 on can install, the second a clock, which a window has not."""
_ONE_AT_A_TIME = threading.Lock()
"""Warnings are switched off for the whole process, which two threads may not do and undo at once."""


def settings(kind: Kind) -> dict[str, list[dict[str, Any]] | None]:
    """Return tsfresh's settings of this name, without ``matrix_profile`` and ``linear_trend_timewise``."""
    from tsfresh.feature_extraction import settings as offered

    name = {
        "minimal": "MinimalFCParameters",
        "efficient": "EfficientFCParameters",
        "comprehensive": "ComprehensiveFCParameters",
    }[kind]
    # It complains on the terminal that the package behind matrix_profile is not there.
    logger = logging.getLogger(offered.__name__)
    before = logger.disabled
    logger.disabled = True
    try:
        parameters = dict(getattr(offered, name)())
    finally:
        logger.disabled = before
    return {calculator: many for calculator, many in parameters.items() if calculator not in _NEVER}


def calculate(
    calculator: str, parameters: Sequence[dict[str, Any]], values: Floats, first: Places, last: Places
) -> Floats:
    """Call tsfresh's own function for window after window, as ``extract_features`` does.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))

    Raises
    ------
    ConfigError
        If tsfresh has no calculator of this name, or it needs a clock.
    """
    function = _function(calculator)
    result = np.empty((len(first), len(parameters)))
    wants_series = getattr(function, "input", None) == "pd.Series"
    with _ONE_AT_A_TIME, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for row, (start, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            window: Any = values[start : end + 1].copy()
            result[row] = _one_window(function, calculator, parameters, pd.Series(window) if wants_series else window)
    return result


def _one_window(
    function: Callable[..., Any], calculator: str, parameters: Sequence[dict[str, Any]], window: Any
) -> list[float]:
    """Return one window's values of one calculator, in the order of its parameters."""
    if getattr(function, "fctype", None) != "combiner":
        return [float(function(window, **parameter)) for parameter in parameters]
    values = {f"{calculator}__{key}": float(value) for key, value in function(window, param=list(parameters))}
    return [values[name_of(calculator, parameter)] for parameter in parameters]


def _function(calculator: str) -> Callable[..., Any]:
    from tsfresh.feature_extraction import feature_calculators

    calculators = sorted(name for name, member in vars(feature_calculators).items() if hasattr(member, "fctype"))
    usable = [name for name in calculators if name not in _NEVER]
    if calculator not in usable:
        raise ConfigError(
            f"no calculator '{calculator}' can be used here; tsfresh has {usable}.{near_miss(calculator, calculators)}"
        )
    function: Callable[..., Any] = getattr(feature_calculators, calculator)
    return function


def relevance(rows: pd.DataFrame, target: pd.Series[Any], *, is_class: bool, fdr_level: float) -> pd.DataFrame:
    """Return tsfresh's table of relevance: one line for each feature, with ``relevant`` and its p-value."""
    from tsfresh.feature_selection.relevance import calculate_relevance_table

    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table: pd.DataFrame = calculate_relevance_table(
            rows,
            target,
            ml_task="classification" if is_class else "regression",
            n_jobs=0,
            fdr_level=fdr_level,
            hypotheses_independent=False,
        )
    return table


def write_names() -> None:
    """Write ``names.json``: every feature of tsfresh's settings, and the smallest settings that hold it."""
    belongs: dict[str, Kind] = {}
    for kind in reversed(get_args(Kind)):
        belongs |= dict.fromkeys(names(settings(kind)), kind)
    text = json.dumps(belongs, indent=0, ensure_ascii=False) + "\n"
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_names()
