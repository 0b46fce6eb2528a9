"""The way through a dense network, compiled: imported only where rows are scored, as numba takes a while to open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.compiled import compiled
from wheeltapper.detectors import Floats


@compiled
def squared_errors(
    values: Floats, low: Floats, high: Floats, wild: float, sizes: NDArray[np.int64], weights: Floats
) -> Floats:
    """Return how far each feature lies from the network's redrawing of its row, squared, shape (n_rows, n_features).

    The network gets the values limited to ``low`` and ``high``; its output is compared with the values limited to
    ± ``wild``. ``weights`` holds, layer after layer, the kernel (inputs × outputs, row by row) and then the biases,
    with ReLU between the layers and none at the end. Each row is carried through all layers by itself: one row costs
    no call per layer, and a row gets the same answer alone and in a batch, which products of whole matrices do not
    promise.
    """
    n_features = values.shape[1]
    squares = np.empty(values.shape)
    signal, onward = np.empty(sizes.max()), np.empty(sizes.max())
    for row in range(len(values)):
        for feature in range(n_features):
            signal[feature] = min(max(values[row, feature], low[feature]), high[feature])
        start = 0
        for layer in range(len(sizes) - 1):
            n_in, n_out = sizes[layer], sizes[layer + 1]
            out = onward[:n_out]
            out[:] = weights[start + n_in * n_out : start + (n_in + 1) * n_out]
            for unit in range(n_in):
                activation = signal[unit]
                kernel = weights[start + unit * n_out : start + (unit + 1) * n_out]
                for target in range(n_out):
                    out[target] += activation * kernel[target]
            if layer < len(sizes) - 2:
                for target in range(n_out):
                    out[target] = max(out[target], 0.0)
            signal, onward = onward, signal
            start += (n_in + 1) * n_out
        for feature in range(n_features):
            squares[row, feature] = (min(max(values[row, feature], -wild), wild) - signal[feature]) ** 2
    return squares
