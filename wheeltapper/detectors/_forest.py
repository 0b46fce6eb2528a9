"""The walk through a forest, compiled: imported only where rows are scored, as numba takes a while to open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.compiled import compiled
from wheeltapper.detectors import Floats

_ABREAST = 32  # trees that a row walks through at once: enough to keep the processor busy, few enough for its cache


@compiled
def path_lengths(
    values: NDArray[np.float32],
    feature: NDArray[np.uint32],
    threshold: NDArray[np.float32],
    children: NDArray[np.uint32],
    path: Floats,
    roots: NDArray[np.uint32],
    levels: int,
) -> Floats:
    """Return the sum of each row's path lengths over all trees, shape (n_rows,).

    A row goes down many trees abreast, one level at a time, and no step waits for the one beside it: the processor
    takes several in one go, for a single row as for thousands. All rows pass through the same trees before the next
    ones are fetched. Nodes are counted without a sign, or each look into an array would first ask whether it counts
    from the end. The trees are added up in their order: a row gets the same sum alone and in a batch.
    """
    total = np.zeros(len(values))
    node = np.empty(_ABREAST, np.uint32)
    for start in range(0, len(roots), _ABREAST):
        abreast = roots[start : start + _ABREAST]
        for row in range(len(values)):
            value = values[row]
            node[: len(abreast)] = abreast
            for _ in range(levels):
                for tree in range(len(abreast)):
                    here = node[tree]
                    goes_right = np.uint32(value[feature[here]] > threshold[here])
                    node[tree] = children[np.uint32(2) * here + goes_right]
            for tree in range(len(abreast)):
                total[row] += path[node[tree]]
    return total
