"""Label rule: whether the labels are a plain rule of the readings, so that a threshold would have done.

Some data sets are labelled by a formula of the very sensors that are then learnt from. Whoever finds such faults has
found the formula, not a fault; figures on them look splendid and promise nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.evaluation.gates import Gate
from wheeltapper.tables import microseconds

DEPTH = 3
"""Questions in a row that a rule may ask of single readings."""
RULE = 0.99
"""Balanced accuracy on later readings from which the labels are called a rule."""
FOLDS = 5
LEAST = 20
"""Faulty and normal readings of a fold below which it says nothing."""
MOST = 20_000
"""Readings that are asked, evenly spread over time."""
NAME = "label_rule"


def label_rule(readings: pd.DataFrame, sensors: list[str], faults: pd.DataFrame) -> Gate:
    """Ask whether three questions on single readings tell faulty from normal ones in times that were not learnt from.

    It informs and does not block: the labels are the plant's, and a detector may be right all the same.

    Parameters
    ----------
    readings : DataFrame with columns asset_id, timestamp and the sensors
    sensors : list of str
    faults : DataFrame with columns asset_id, start, end

    Returns
    -------
    Gate
        ``figure`` is the mean balanced accuracy over the blocks of time that were left out in turn; 0.5 is guessing.
    """
    if not sensors:
        reason = "cannot be asked: the plant computes no feature that is a single reading (feature set latest)"
        return Gate(name=NAME, passed=None, figure=None, limit=RULE, reason=reason, blocks=False)
    picked = readings.sort_values("timestamp", kind="stable")
    picked = picked.iloc[:: max(-(-len(picked) // MOST), 1)]
    truth = _is_faulty(picked, faults)
    values = picked[sensors].to_numpy(np.float64)
    known = np.isfinite(values).all(axis=1)
    scores = _scores(values[known], truth[known])
    if not scores:
        reason = "cannot be asked: faulty and normal readings are not both there in two blocks of time or more"
        return Gate(name=NAME, passed=None, figure=None, limit=RULE, reason=reason, blocks=False)
    figure = float(np.mean(scores))
    is_rule = figure >= RULE
    means = (
        "the labels seem to be made from the sensors, a threshold would do, and figures on them promise nothing"
        if is_rule
        else f"from {RULE:.0%} on they would be a rule of the readings"
    )
    reason = (
        f"{DEPTH} questions on single readings tell {figure:.1%} of labels (balanced) of times not learnt from: {means}"
    )
    return Gate(name=NAME, passed=not is_rule, figure=figure, limit=RULE, reason=reason, blocks=False)


def _scores(values: NDArray[Any], truth: NDArray[Any]) -> list[float]:
    """Return the balanced accuracy on each block of time, learnt from all others."""
    from sklearn.tree import DecisionTreeClassifier

    block = np.arange(len(truth)) * FOLDS // max(len(truth), 1)
    scores = []
    for one in range(FOLDS):
        seen, held = block != one, block == one
        counts = [min(truth[part].sum(), (~truth[part]).sum()) for part in (seen, held)]
        if min(counts) < LEAST:
            continue
        tree = DecisionTreeClassifier(max_depth=DEPTH, class_weight="balanced", random_state=0)
        said = tree.fit(values[seen], truth[seen]).predict(values[held])
        hits = [float((said[truth[held] == label] == label).mean()) for label in (False, True)]
        scores.append(float(np.mean(hits)))
    return scores


def _is_faulty(readings: pd.DataFrame, faults: pd.DataFrame) -> NDArray[Any]:
    """Tell which readings lie inside a fault of their asset."""
    inside = np.zeros(len(readings), dtype=bool)
    times, assets = microseconds(readings["timestamp"]), readings["asset_id"].to_numpy()
    starts, ends = microseconds(faults["start"]), microseconds(faults["end"])
    for asset, start, end in zip(faults["asset_id"], starts, ends, strict=True):
        inside |= (assets == asset) & (times >= start) & (times <= end)
    return inside
