"""Label rule: labels that are a simple function of the readings, so that a threshold would find them all.

Some data sets are labelled by a formula of the same sensors that a model learns from. A model that finds such faults
has found the formula. Its figures look very good and say nothing about real faults.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.evaluation.gates import Gate
from wheeltapper.tables import microseconds

DEPTH = 3
"""Most comparisons in a row in a rule on a single reading: the depth of the decision tree."""
RULE = 0.99
"""Balanced accuracy on held-out readings from which on the labels count as a rule."""
FOLDS = 5
LEAST = 20
"""Fewest faulty, and fewest normal, readings of a usable fold."""
MOST = 20_000
"""Most readings that are used, evenly spread over time."""
NAME = "label_rule"


def label_rule(readings: pd.DataFrame, sensors: list[str], faults: pd.DataFrame) -> Gate:
    """Check whether three comparisons on single readings separate faulty from normal ones in held-out times.

    It informs and does not block: the labels come from the plant, and a detector may still be right.

    Parameters
    ----------
    readings : DataFrame with columns asset_id, timestamp and the sensors
    sensors : list of str
    faults : DataFrame with columns asset_id, start, end

    Returns
    -------
    Gate
        ``figure`` is the mean balanced accuracy over the blocks of time that were held out in turn; 0.5 is guessing.
    """
    if not sensors:
        reason = "cannot be checked: the plant computes no feature that is a single reading (feature set latest)"
        return Gate(name=NAME, passed=None, figure=None, limit=RULE, reason=reason, blocks=False)
    sample = readings[looked_at(readings["timestamp"])].sort_values("timestamp", kind="stable")
    truth = _is_faulty(sample, faults)
    values = sample[sensors].to_numpy(np.float64)
    is_complete = np.isfinite(values).all(axis=1)
    scores = _scores(values[is_complete], truth[is_complete])
    if not scores:
        reason = "cannot be checked: fewer than two blocks of time have both faulty and normal readings"
        return Gate(name=NAME, passed=None, figure=None, limit=RULE, reason=reason, blocks=False)
    figure = float(np.mean(scores))
    is_rule = figure >= RULE
    conclusion = (
        "the labels seem to be computed from the sensors, a threshold would be enough, and figures on them prove "
        "nothing"
        if is_rule
        else f"from {RULE:.0%} on they would be a rule of the readings"
    )
    reason = (
        f"{DEPTH} comparisons on single readings give {figure:.1%} of labels (balanced) in held-out times: {conclusion}"
    )
    return Gate(name=NAME, passed=not is_rule, figure=figure, limit=RULE, reason=reason, blocks=False)


def looked_at(times: pd.Series) -> NDArray[np.bool_]:
    """Return which readings are used: all, or `MOST` of them at the most, evenly spread over time."""
    order = np.argsort(microseconds(times), kind="stable")
    is_used = np.zeros(len(times), dtype=bool)
    is_used[order[:: max(-(-len(times) // MOST), 1)]] = True
    return is_used


def _scores(values: NDArray[Any], truth: NDArray[Any]) -> list[float]:
    """Return the balanced accuracy on each block of time, learnt from all others."""
    from sklearn.tree import DecisionTreeClassifier

    block = np.arange(len(truth)) * FOLDS // max(len(truth), 1)
    scores = []
    for fold in range(FOLDS):
        is_train, is_test = block != fold, block == fold
        counts = [min(truth[part].sum(), (~truth[part]).sum()) for part in (is_train, is_test)]
        if min(counts) < LEAST:
            continue
        tree = DecisionTreeClassifier(max_depth=DEPTH, class_weight="balanced", random_state=0)
        predicted = tree.fit(values[is_train], truth[is_train]).predict(values[is_test])
        hits = [float((predicted[truth[is_test] == label] == label).mean()) for label in (False, True)]
        scores.append(float(np.mean(hits)))
    return scores


def _is_faulty(readings: pd.DataFrame, faults: pd.DataFrame) -> NDArray[Any]:
    """Return which readings lie inside a fault of their asset."""
    inside = np.zeros(len(readings), dtype=bool)
    times, assets = microseconds(readings["timestamp"]), readings["asset_id"].to_numpy()
    starts, ends = microseconds(faults["start"]), microseconds(faults["end"])
    for asset, start, end in zip(faults["asset_id"], starts, ends, strict=True):
        inside |= (assets == asset) & (times >= start) & (times <= end)
    return inside
