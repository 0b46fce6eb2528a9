"""The search for the most similar shape, compiled: imported only where it is needed, as numba takes a while to open."""

from __future__ import annotations

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.detectors import Floats


@compiled
def most_alike(shapes: Floats, kept: Floats) -> Floats:
    """Return each shape's largest product with a kept one, shape (n_rows, n_sensors).

    One shape at a time, its readings in order: the answer is the same alone and in a batch, nothing as large as rows
    times kept rows is ever in memory, and no threads wait for each other as they do in many small matrix products.

    Parameters
    ----------
    shapes : ndarray of shape (n_rows, n_sensors, n_steps)
    kept : ndarray of shape (n_sensors, n_steps + 1, n_kept)
        The last of the steps is added as it is.
    """
    n_rows, n_sensors, n_steps = shapes.shape
    n_kept = kept.shape[2]
    largest_products = np.empty((n_rows, n_sensors))
    products = np.empty(n_kept)
    for sensor in range(n_sensors):
        for row in range(n_rows):
            for shape in range(n_kept):
                products[shape] = kept[sensor, n_steps, shape]
            for step in range(n_steps):
                reading = shapes[row, sensor, step]
                for shape in range(n_kept):
                    products[shape] += reading * kept[sensor, step, shape]
            largest = products[0]
            for shape in range(1, n_kept):
                largest = max(largest, products[shape])
            largest_products[row, sensor] = largest
    return largest_products
