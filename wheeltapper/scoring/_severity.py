"""From raw scores to severities, compiled: imported only where rows are scored, as numba takes a while to open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.compiled import compiled

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@compiled
def reaches_an_effect(
    values: Floats, column: Places, group: Places, centre: Floats, scale: Floats, effect: Floats, side: Places
) -> Flags:
    """Tell in which windows at least one sensor is as far from normal as its smallest effect; a missing value never is.

    Parameters
    ----------
    values : ndarray of shape (n_windows, n_columns)
        In the sensors' own units.
    column : ndarray of shape (n_sensors,)
        The column of ``values`` that holds each sensor's level.
    group : ndarray of shape (n_windows,)
        The group that each window is compared with.
    centre, scale : ndarray of shape (n_groups, n_sensors)
    effect, side : ndarray of shape (n_sensors,)
        As in `wheeltapper.scoring.effect.SmallestEffects`.
    """
    far = np.zeros(len(values), dtype=np.bool_)
    for row in range(len(values)):
        for sensor in range(len(column)):
            away = values[row, column[sensor]] - centre[group[row], sensor]
            limit = effect[sensor] * (scale[group[row], sensor] if side[sensor] == 2 else 1.0)
            signed = away if side[sensor] == 1 else -away if side[sensor] == -1 else abs(away)
            if signed >= limit:
                far[row] = True
                break
    return far


@compiled
def severities(
    raw: Floats, pair: Places, typical: Floats, spread: Floats, limit: Floats, far: Flags
) -> tuple[Floats, Floats, Floats]:
    """Return score, threshold and severity of windows, each of shape (n_windows,).

    Parameters
    ----------
    raw : ndarray of shape (n_windows,)
    pair : ndarray of shape (n_windows,)
        The asset and regime of each window.
    typical, spread, limit : ndarray of shape (n_pairs,)
        Typical raw score, its usual spread, and the threshold of each asset and regime.
    far : ndarray of bool, shape (n_windows,) or (0,)
        Where no sensor is far enough from normal the threshold is at least the score; with none, all are.
    """
    score, threshold, severity = np.empty(len(raw)), np.empty(len(raw)), np.empty(len(raw))
    for row in range(len(raw)):
        score[row] = (raw[row] - typical[pair[row]]) / spread[pair[row]]
        threshold[row] = limit[pair[row]]
        if len(far) and not far[row]:
            threshold[row] = max(threshold[row], score[row])
        severity[row] = max(score[row], 0.0) / threshold[row]
    return score, threshold, severity
