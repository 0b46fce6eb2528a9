"""Regimes inferred from sensors, where the source names none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import RegimeRule

Floats = NDArray[np.float64]


def infer_regimes(regimes: pd.Series[str], values: Mapping[str, Floats], rules: Sequence[RegimeRule]) -> pd.Series[str]:
    """Return each row's operating state: the one its source names, else that of the first rule that fits, else normal.

    Each row is judged by itself, so nothing looks ahead. Noise round a bound makes the state flicker: choose bounds
    that lie well between two states. A missing value fits no rule.

    Parameters
    ----------
    regimes : Series of str of shape (n_rows,)
        The state that the source names; empty where it names none.
    values : mapping of sensor to ndarray of shape (n_rows,)
        In the asset type's units.
    rules : sequence of RegimeRule
    """
    if not rules:
        return regimes
    inferred = np.full(len(regimes), "normal", dtype=object)
    for rule in reversed(rules):  # the first one is written last, and wins
        sensor = values[rule.sensor]
        low = -np.inf if rule.above is None else rule.above
        high = np.inf if rule.below is None else rule.below
        inferred[(sensor > low) & (sensor < high)] = rule.regime
    return regimes.where(regimes != "", pd.Series(inferred, index=regimes.index, dtype="str"))
