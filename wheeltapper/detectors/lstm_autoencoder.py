"""LSTM autoencoder: reads the last readings one after the other, and can only redraw what it has often seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_whole
from wheeltapper.detectors._redrawing import RedrawingDetector


class LstmAutoencoder(RedrawingDetector):
    """Read a sequence step by step into a short memory, and retell it from that memory alone.

    An LSTM of ``units`` cells (at most a quarter of the sequence's numbers, so that the memory is narrower than what it
    must hold) reads all sensors step by step; its last output is handed to a second one at every step, which tells the
    sequence backwards, the latest reading first: the way that is easiest to learn [1]_. A linear layer turns its
    output into sensors. The score is the mean squared difference, in squared usual deviations.

    Keras trains, with Adam at 0.005; scoring is the same cells in NumPy, in double precision and without TensorFlow.
    `RedrawingDetector` says what is done about values that were never seen.

    It does not work well with less than some hundred rows, nor when the training rows hold the fault. It is the slowest
    of the detectors: where `conv_autoencoder` finds the same, take that one.

    Parameters
    ----------
    epochs : int
        Times that the rows are gone through, at most.
    units : int
        Cells of either LSTM, at most.
    batch_size : int
        Rows between two steps of learning.
    max_rows : int
        Of more training rows, a seeded sample in time order is used, which bounds the time for training.

    References
    ----------
    .. [1] P. Malhotra et al., "LSTM-based Encoder-Decoder for Multi-sensor Anomaly Detection", ICML 2016 Anomaly
           Detection Workshop, arXiv:1607.00148
    .. [2] S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997) 1735,
           doi:10.1162/neco.1997.9.8.1735
    """

    def __init__(self, epochs: int = 40, units: int = 16, batch_size: int = 64, max_rows: int = 4000) -> None:
        super().__init__("lstm_autoencoder", epochs, batch_size, max_rows)
        check_whole("lstm_autoencoder", "units", units, low=1)
        self.units = units

    def _network(self, keras: Any, steps: int, sensors: int, seeds: Iterator[int]) -> Any:
        units = max(1, min(self.units, steps * sensors // 4))
        layers, start = keras.layers, keras.initializers

        def lstm(whole: bool) -> Any:
            return layers.LSTM(
                units,
                return_sequences=whole,
                kernel_initializer=start.GlorotUniform(seed=next(seeds)),
                recurrent_initializer=start.Orthogonal(seed=next(seeds)),
            )

        return keras.Sequential(
            [
                layers.Input((steps, sensors)),
                lstm(whole=False),
                layers.RepeatVector(steps),
                lstm(whole=True),
                layers.Dense(sensors, kernel_initializer=start.GlorotUniform(seed=next(seeds))),
                layers.Lambda(_backwards, output_shape=(steps, sensors)),
            ]
        )

    def _redraw(self, sequences: Floats, weights: list[Floats]) -> Floats:
        from wheeltapper.detectors._products import rows_times  # numba opens slowly

        *cells, kernel, bias = weights
        steps = sequences.shape[1]
        memory = _lstm((sequences[:, step] for step in range(steps)), *cells[:3])[-1]
        outputs = _lstm((memory for _ in range(steps)), *cells[3:])
        return np.stack([rows_times(output, kernel) + bias for output in reversed(outputs)], axis=1)


def _backwards(sequence: Any) -> Any:
    return sequence[:, ::-1]


def _lstm(inputs: Iterator[Floats], kernel: Floats, recurrent: Floats, bias: Floats) -> list[Floats]:
    """Return the cells' output after each step; each of shape (n_windows, n_units).

    Keras keeps the four gates side by side in one matrix: input, forget, candidate, output.
    """
    from wheeltapper.detectors._products import rows_times  # numba opens slowly

    units = len(recurrent)
    outputs: list[Floats] = []
    state: Floats | float = 0.0
    for step_input in inputs:
        gates = rows_times(np.ascontiguousarray(step_input), kernel) + bias
        if outputs:
            gates += rows_times(outputs[-1], recurrent)
        # Arrays of their own: NumPy may compute functions of arrays with gaps in another way.
        parts = (gates[:, at : at + units] for at in range(0, 4 * units, units))
        take, keep, candidate, tell = map(np.ascontiguousarray, parts)
        state = _sigmoid(keep) * state + _sigmoid(take) * np.tanh(candidate)
        outputs.append(_sigmoid(tell) * np.tanh(state))
    return outputs


def _sigmoid(values: Floats) -> Floats:
    # tanh cannot overflow, where exp can.
    result: Floats = 0.5 + 0.5 * np.tanh(0.5 * values)
    return result
