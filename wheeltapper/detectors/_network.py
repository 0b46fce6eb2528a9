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

    The network is asked about values within ``low`` and ``high``; what it answers is compared with the values within
    ± ``wild``. ``weights`` holds, layer after layer, the kernel (inputs × outputs, row by row) and then the biases,
    with ReLU between the layers and none at the end. Each row is carried through all layers by itself: one row costs
    no call per layer, and a row gets the same answer alone and in a batch, which products of whole matrices do not
    promise.
    """
    n_features = values.shape[1]
    squares = np.empty(values.shape)
    signal, onward = np.empty(sizes.max()), np.empty(sizes.max())
    for row in range(len(values)):
        for one in range(n_features):
            signal[one] = min(max(values[row, one], low[one]), high[one])
        start = 0
        for layer in range(len(sizes) - 1):
            n_in, n_out = sizes[layer], sizes[layer + 1]
            out = onward[:n_out]
            out[:] = weights[start + n_in * n_out : start + (n_in + 1) * n_out]
            for one in range(n_in):
                came = signal[one]
                kernel = weights[start + one * n_out : start + (one + 1) * n_out]
                for another in range(n_out):
                    out[another] += came * kernel[another]
            if layer < len(sizes) - 2:
                for another in range(n_out):
                    out[another] = max(out[another], 0.0)
            signal, onward = onward, signal
            start += (n_in + 1) * n_out
        for one in range(n_features):
            squares[row, one] = (min(max(values[row, one], -wild), wild) - signal[one]) ** 2
    return squares
