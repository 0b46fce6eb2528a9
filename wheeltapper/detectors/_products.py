"""Products of rows and a matrix, compiled: imported only where rows are scored, as numba takes a while to open."""

from __future__ import annotations

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.detectors import Floats


@compiled
def rows_times(values: Floats, matrix: Floats) -> Floats:
    """Return ``values @ matrix``, each row by itself and its numbers in their order.

    The last digits of NumPy's product depend on how many rows there are; these do not.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_inputs)
    matrix : ndarray of shape (n_inputs, n_outputs)
    """
    n_outputs = matrix.shape[1]
    products = np.zeros((len(values), n_outputs))
    for row in range(len(values)):
        product = products[row]
        for place in range(len(matrix)):
            number = values[row, place]
            for target in range(n_outputs):
                product[target] += number * matrix[place, target]
    return products
