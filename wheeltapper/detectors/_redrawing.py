"""Networks that redraw a sequence: trained by Keras, kept as plain arrays, and asked in NumPy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_whole
from wheeltapper.detectors._sequences import SequenceDetector
from wheeltapper.detectors._tensorflow import ONE_AT_A_TIME, open_tensorflow
from wheeltapper.detectors.rows import thinned

_LEARNING_RATE = 5e-3  # chosen: settles within 40 rounds on sequences of 16 readings, where 0.001 needed over a hundred
_STEPS_AT_ONCE = 16  # batches between two looks of Keras at its callbacks: a third of the time, the same numbers
_VALIDATION_SHARE = 0.1
_PATIENCE = 4
_WILD = 50.0  # usual deviations; beyond, a reading is as wrong as it gets
_SEEN = 0.001  # share of training values on either side that the network is not asked about


class RedrawingDetector(SequenceDetector):
    """Redraws each sequence through a narrow middle; what cannot be redrawn is unusual.

    The network is trained on at most ``max_rows`` sequences, a seeded sample in time order. Training stops when the
    *last* tenth of them has not improved for four rounds, and goes back to the best one.

    A network's output for values that it has never seen is arbitrary, so it is applied to each sensor only within the
    range of training (without the outermost 0.1 % on either side); the readings themselves, limited to ±50 usual
    deviations, are then compared with the answer. A wild value is therefore always an error of about its own size.
    """

    learns_relations = True

    slow_to_fit: ClassVar[bool] = True
    example_options: ClassVar[dict[str, Any]] = {"epochs": 8}
    hasty_options: ClassVar[dict[str, Any]] = {"epochs": 1}
    low_: Floats
    high_: Floats
    shapes_: NDArray[np.int64]
    weights_: Floats
    history_loss_: Floats
    history_val_loss_: Floats

    def __init__(self, owner: str, epochs: int, batch_size: int, max_rows: int) -> None:
        check_whole(owner, "epochs", epochs, low=1)
        check_whole(owner, "batch_size", batch_size, low=2)
        check_whole(owner, "max_rows", max_rows, low=10)
        self.epochs = epochs
        self.batch_size = batch_size
        self.max_rows = max_rows

    @abstractmethod
    def _network(self, keras: Any, steps: int, sensors: int, seeds: Iterator[int]) -> Any:
        """Put the Keras network together; every random number in it has a seed of its own."""

    @abstractmethod
    def _redraw(self, sequences: Floats, weights: list[Floats]) -> Floats:
        """Return what the network makes of sequences; both of shape (n_windows, n_steps, n_sensors)."""

    def _learn(self, sequences: Floats) -> None:
        some = np.clip(thinned(sequences, self.max_rows, self.seed), -_WILD, _WILD)
        low, high = np.quantile(some, [_SEEN, 1 - _SEEN], axis=(0, 1))
        model, history = self._train(np.clip(some, low, high))
        self.low_, self.high_ = low, high
        self.history_loss_ = np.array(history["loss"])
        self.history_val_loss_ = np.array(history["val_loss"])
        weights = [np.asarray(array, dtype=np.float64) for array in model.get_weights()]
        most = max(array.ndim for array in weights)
        self.shapes_ = np.array([(*array.shape, *[0] * (most - array.ndim)) for array in weights], dtype=np.int64)
        self.weights_ = np.concatenate([array.ravel() for array in weights])

    def _parts(self, sequences: Floats) -> Floats:
        bounded = np.clip(sequences, self.low_, self.high_)
        error = np.clip(sequences, -_WILD, _WILD) - self._redraw(bounded, self._unpacked())
        parts: Floats = error**2 / sequences[0].size if len(sequences) else error
        return parts

    def _unpacked(self) -> list[Floats]:
        """Return the weights, one array a piece, in the order in which Keras lists them."""
        arrays, start = [], 0
        for padded in self.shapes_.tolist():
            shape = [length for length in padded if length]
            end = start + int(np.prod(shape))
            arrays.append(self.weights_[start:end].reshape(shape))
            start = end
        return arrays

    def _train(self, sequences: Floats) -> tuple[Any, dict[str, list[float]]]:
        n_validation = max(1, round(len(sequences) * _VALIDATION_SHARE))
        single = sequences.astype(np.float32)
        with ONE_AT_A_TIME:
            tf, keras = open_tensorflow()
            with tf.device("/CPU:0"):  # a network this small is slower on a GPU, and differs from GPU to GPU
                seeds = iter(np.random.SeedSequence(self.seed).generate_state(32).tolist())
                model = self._network(keras, sequences.shape[1], sequences.shape[2], seeds)
                model.compile(
                    keras.optimizers.Adam(_LEARNING_RATE),
                    loss="mse",
                    jit_compile=False,
                    steps_per_execution=_STEPS_AT_ONCE,
                )
                history = model.fit(
                    _batches(tf, single[:-n_validation], self.batch_size, self.seed),
                    validation_data=_batches(tf, single[-n_validation:], n_validation, None),
                    epochs=self.epochs,
                    shuffle=False,  # the batches shuffle themselves, with a seed of their own
                    verbose=0,
                    callbacks=[
                        keras.callbacks.EarlyStopping("val_loss", patience=_PATIENCE, restore_best_weights=True)
                    ],
                )
        return model, history.history


def _batches(tf: Any, values: NDArray[np.float32], size: int, seed: int | None) -> Any:
    """Return (sequence, sequence) batches, shuffled anew in every round where there is a seed."""
    rows = tf.data.Dataset.from_tensor_slices(values)
    if seed is not None:
        rows = rows.shuffle(len(values), seed=seed, reshuffle_each_iteration=True)
    return rows.batch(size).map(lambda batch: (batch, batch))
