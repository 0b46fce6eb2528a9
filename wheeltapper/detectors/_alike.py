"""How alike rows and known rows are, compiled: imported only where rows are scored, as numba opens slowly."""

from __future__ import annotations

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.detectors import Floats

_NOTHING = -50.0
"""Powers from which a likeness of e^power counts as none: 200 of them together change no digit of 1."""


@compiled
def unlike(values: Floats, vectors: Floats, weights: Floats, gamma: float) -> Floats:
    """Return ``−ln Σ wᵢ exp(−γ |vᵢ − x|²)`` of each row, shape (n_rows,).

    The largest power is taken out before the exponentials: far away all of them would become 0.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
    vectors : ndarray of shape (n_features, n_vectors)
    weights : ndarray of shape (n_vectors,)
    gamma : float
    """
    scores, power = np.empty(len(values)), np.empty(len(weights))
    for row in range(len(values)):
        _squared_distances(values[row], vectors, power)
        highest = -np.inf
        for vector in range(len(weights)):
            power[vector] = np.log(weights[vector]) - gamma * power[vector]
            highest = max(highest, power[vector])
        total = 0.0
        for vector in range(len(weights)):
            if power[vector] - highest > _NOTHING:
                total += np.exp(power[vector] - highest)
        scores[row] = -(highest + np.log(total))
    return scores


@compiled
def estimates(values: Floats, memory: Floats, weights: Floats, width: float) -> Floats:
    """Return ``Σ sᵢ wᵢ`` of each row, with ``sᵢ = exp(−|mᵢ − x|² / 2h²)`` its likeness to a state of the memory.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
    memory : ndarray of shape (n_features, n_states)
    weights : ndarray of shape (n_states, n_features)
    width : float
        The h of the formula.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
    """
    n_rows, n_features = values.shape
    made, apart = np.zeros((n_rows, n_features)), np.empty(len(weights))
    for row in range(n_rows):
        _squared_distances(values[row], memory, apart)
        for state in range(len(weights)):
            alike = np.exp(-apart[state] / (2.0 * width * width))
            for feature in range(n_features):
                made[row, feature] += alike * weights[state, feature]
    return made


@compiled
def _squared_distances(value: Floats, known: Floats, squared: Floats) -> None:
    """Put the squared distance of a row to each known one into ``squared``; ``known`` has one in each column."""
    squared[:] = 0.0
    for feature in range(len(value)):
        number = value[feature]
        for other in range(known.shape[1]):
            away = number - known[feature, other]
            squared[other] += away * away
