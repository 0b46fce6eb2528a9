"""The walk through a forest, compiled: imported only where rows are scored, as numba takes a while to open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.features.kernels._compiled import compiled


@compiled
def path_lengths(
    values: NDArray[np.float32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    children: NDArray[np.int32],
    path: Floats,
    roots: NDArray[np.int32],
    levels: int,
) -> Floats:
    """Return the sum of each row's path lengths over all trees, shape (n_rows,).

    Tree by tree, so that a tree stays in the processor's nearest cache while all rows walk through it; four rows at a
    time, so that it need not wait for one row's node before it asks for the next row's. The trees are added up in
    their order for every row: a row gets the same sum alone and in a batch.
    """
    n_rows = len(values)
    total = np.zeros(n_rows)
    fours = n_rows - n_rows % 4
    for root in roots:
        for row in range(0, fours, 4):
            a = b = c = d = root
            for _ in range(levels):
                a = children[2 * a + (values[row, feature[a]] > threshold[a])]
                b = children[2 * b + (values[row + 1, feature[b]] > threshold[b])]
                c = children[2 * c + (values[row + 2, feature[c]] > threshold[c])]
                d = children[2 * d + (values[row + 3, feature[d]] > threshold[d])]
            total[row] += path[a]
            total[row + 1] += path[b]
            total[row + 2] += path[c]
            total[row + 3] += path[d]
        for row in range(fours, n_rows):
            node = root
            for _ in range(levels):
                node = children[2 * node + (values[row, feature[node]] > threshold[node])]
            total[row] += path[node]
    return total
