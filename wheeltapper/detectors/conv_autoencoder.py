"""Convolutional autoencoder: looks for short patterns in the last readings, and can only redraw those it knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_whole
from wheeltapper.detectors._redrawing import RedrawingDetector

_WIDTH = 5  # readings that one pattern spans
_SHRINK = 4  # two layers, each of which halves the number of steps


class ConvAutoencoder(RedrawingDetector):
    """Press each sequence through two layers of short patterns, and draw it anew from what is left.

    Two convolutions of width 5 halve the steps twice, to a quarter; the first has ``filters`` patterns, the second as
    many as leave a quarter of the sequence's numbers (at most ``filters``). Two more, each after doubling the steps
    again, draw the sequence. ReLU between layers, none at the end. The first reading is repeated in front where the
    number of steps is no multiple of four. The score is the mean squared difference, in squared usual deviations.

    Keras trains, with Adam at 0.005; scoring is four products of rows and matrices, in double precision and
    without TensorFlow. `RedrawingDetector` says what is done about values that were never seen.

    It does not work well with less than some hundred rows, nor when the training rows hold the fault. What is longer
    than the sequence it cannot see: make that longer, or take every fifth reading.

    Parameters
    ----------
    epochs : int
        Times that the rows are gone through, at most.
    filters : int
        Patterns of the outer layers.
    batch_size : int
        Rows between two steps of learning.
    max_rows : int
        Of more training rows, a seeded sample in time order is used, which bounds the time for training.

    References
    ----------
    .. [1] J. Masci et al., "Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction", ICANN 2011,
           doi:10.1007/978-3-642-21735-7_7
    """

    def __init__(self, epochs: int = 40, filters: int = 16, batch_size: int = 64, max_rows: int = 4000) -> None:
        super().__init__("conv_autoencoder", epochs, batch_size, max_rows)
        check_whole("conv_autoencoder", "filters", filters, low=1)
        self.filters = filters

    def _network(self, keras: Any, steps: int, sensors: int, seeds: Iterator[int]) -> Any:
        layers = keras.layers
        missing = -steps % _SHRINK
        kept = (steps + missing) // _SHRINK
        narrow = max(1, min(self.filters, steps * sensors // 4 // kept))

        def patterns(filters: int, stride: int = 1, activation: str | None = "relu") -> Any:
            start = keras.initializers.GlorotUniform(seed=next(seeds))
            return layers.Conv1D(
                filters, _WIDTH, strides=stride, padding="same", activation=activation, kernel_initializer=start
            )

        inputs = keras.Input((steps, sensors))
        signal = inputs
        if missing:
            front = layers.RepeatVector(missing)(signal[:, 0])
            signal = layers.Concatenate(axis=1)([front, signal])
        for layer in (
            patterns(self.filters, stride=2),
            patterns(narrow, stride=2),
            layers.UpSampling1D(2),
            patterns(self.filters),
            layers.UpSampling1D(2),
            patterns(sensors, activation=None),
            layers.Cropping1D((missing, 0)),
        ):
            signal = layer(signal)
        return keras.Model(inputs, signal)

    def _redraw(self, sequences: Floats, weights: list[Floats]) -> Floats:
        missing = -sequences.shape[1] % _SHRINK
        signal = np.concatenate([np.repeat(sequences[:, :1], missing, axis=1), sequences], axis=1)
        first, second, third, last = zip(weights[::2], weights[1::2], strict=True)
        signal = np.maximum(_convolved(signal, *first, stride=2), 0.0)
        signal = np.maximum(_convolved(signal, *second, stride=2), 0.0)
        signal = np.maximum(_convolved(np.repeat(signal, 2, axis=1), *third), 0.0)
        return _convolved(np.repeat(signal, 2, axis=1), *last)[:, missing:]


def _convolved(signal: Floats, kernel: Floats, bias: Floats, stride: int = 1) -> Floats:
    """Return one layer's output, shape (n_windows, ceil(n_steps / stride), n_filters), as Keras's padding "same".

    Where the zeros on both sides cannot be equally many, TensorFlow puts one more at the end.
    """
    from wheeltapper.detectors._products import rows_times  # numba opens slowly

    rows, steps, channels = signal.shape
    width, _, filters = kernel.shape
    places = -(-steps // stride)
    zeros = max((places - 1) * stride + width - steps, 0)
    padded = np.pad(signal, ((0, 0), (zeros // 2, zeros - zeros // 2), (0, 0)))
    seen = padded[:, np.arange(places)[:, None] * stride + np.arange(width)]
    inputs = np.ascontiguousarray(seen.reshape(rows * places, width * channels))
    drawn = rows_times(inputs, kernel.reshape(width * channels, filters)) + bias
    result: Floats = drawn.reshape(rows, places, filters)
    return result
