"""Features in usual deviations, compiled: imported only where rows are scored, as numba takes a while to open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.compiled import compiled

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@compiled
def in_deviations(
    values: Floats, column: Places, instead: Floats, group: Places, centre: Floats, scale: Floats, most: float
) -> Floats:
    """Return features filled, scaled and cut: ``(x − centre) / scale``, each row by its own group.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    column : ndarray of shape (n_features,)
        The column of ``values`` that holds each feature.
    instead : ndarray of shape (3, n_features)
        What replaces NaN, −inf and +inf; NaN where such a value stays as it is.
    group : ndarray of shape (n_rows,)
        The group of each row.
    centre, scale : ndarray of shape (n_groups, n_features)
    most : float
        Results are cut at ± this; NaN stays NaN.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
    """
    n_features = len(column)
    scaled = np.empty((len(values), n_features))
    for row in range(len(values)):
        of_group = group[row]
        for feature in range(n_features):
            value = values[row, column[feature]]
            if not np.isfinite(value):
                replacement = instead[0 if np.isnan(value) else 1 if value < 0 else 2, feature]
                value = value if np.isnan(replacement) else replacement
            value = (value - centre[of_group, feature]) / scale[of_group, feature]
            if value > most:
                value = most
            elif value < -most:
                value = -most
            scaled[row, feature] = value
    return scaled
