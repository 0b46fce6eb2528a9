"""Autoencoder: a small neural network that can only redraw what it has often seen."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_whole
from wheeltapper.detectors._tensorflow import ONE_AT_A_TIME, open_tensorflow
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows, thinned

_WIDTHS = (16, 12, 8)  # of the encoder; the decoder mirrors it
_DROPOUT = 0.2
_LEARNING_RATE = 1e-3
_VALIDATION_SHARE = 0.1
_WILD = 50.0  # usual deviations; beyond, a row is as wrong as it gets
_SEEN = 0.001  # share of training values on either side that the network is not asked about


class Autoencoder(ArrayDetector):
    """Press each row through a narrow middle and redraw it; what cannot be redrawn is unusual.

    The network is ``n → 16 → 12 → 8 → 12 → 16 → n`` (narrower for few features, never wider): ReLU, batch
    normalisation and dropout 0.2 after each hidden layer, linear at the end, Adam at 0.001, mean squared error.
    Training stops when the *last* tenth of the rows has not improved for 10 epochs and goes back to the best one;
    the learning rate halves after 5 epochs without improvement, down to 0.000001.

    TensorFlow trains; the dense layers are then taken out with batch normalisation multiplied in, and scoring goes
    through them in one compiled loop, without TensorFlow.

    A network's output for values that it has never seen is arbitrary, so it is applied to each feature only
    within the range of training (without the outermost 0.1 % on either side); the row itself, limited to ±50 usual
    deviations, is then compared with the answer. A wild value is therefore always an error of about its own size,
    one wild feature cannot overflow, and no row scores above about 10 000.

    It does not work well with less than some hundred rows, nor when the training rows hold the fault.

    Parameters
    ----------
    epochs : int
        Times that the rows are gone through, at most.
    batch_size : int
        Rows between two steps of learning; 64 is the reference preset, larger is faster.
    max_rows : int
        Of more training rows, a seeded sample in time order is used, which bounds the time for training.

    References
    ----------
    .. [1] M. Sakurada, T. Yairi, "Anomaly Detection Using Autoencoders with Nonlinear Dimensionality Reduction",
           MLSDA 2014, doi:10.1145/2689746.2689747
    """

    learns_relations = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {"reference_001": {"epochs": 50, "batch_size": 64}}
    slow_to_fit: ClassVar[bool] = True
    example_options: ClassVar[dict[str, Any]] = {"epochs": 15, "batch_size": 64}
    hasty_options: ClassVar[dict[str, Any]] = {"epochs": 1}
    columns_: Names
    low_: Floats
    high_: Floats
    sizes_: NDArray[np.int64]
    weights_: Floats
    history_loss_: Floats
    history_val_loss_: Floats

    def __init__(self, epochs: int = 50, batch_size: int = 256, max_rows: int = 10_000) -> None:
        check_whole("autoencoder", "epochs", epochs, low=1)
        check_whole("autoencoder", "batch_size", batch_size, low=2)
        check_whole("autoencoder", "max_rows", max_rows, low=10)
        self.epochs = epochs
        self.batch_size = batch_size
        self.max_rows = max_rows

    def fit(self, rows: pd.DataFrame) -> Self:
        """Train the network to redraw normal rows.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            In time order: the last tenth decides when to stop.

        Raises
        ------
        DataError
        """
        columns, values = learn_rows(rows)
        values = np.clip(thinned(values, self.max_rows, self.seed), -_WILD, _WILD)
        low, high = np.quantile(values, [_SEEN, 1 - _SEEN], axis=0)
        model, history = self._train(np.clip(values, low, high))
        self.columns_, self.low_, self.high_ = columns, low, high
        self.history_loss_ = np.array(history["loss"])
        self.history_val_loss_ = np.array(history["val_loss"])
        layers = _folded(model)
        self.sizes_ = np.array([len(layers[0][0]), *(len(bias) for _, bias in layers)])
        self.weights_ = np.concatenate([part.ravel() for layer in layers for part in layer])
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the mean squared difference between each row and its redrawing."""
        squares = self._squares(values)
        error: Floats = squares.sum(axis=1) / squares.shape[1]
        return error

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return each feature's part of the mean squared difference; every row adds up to its score.

        Raises
        ------
        NotFittedError, DataError
        """
        squares = self._squares(read_rows(self, rows))
        return as_frame(squares / squares.shape[1], self, rows)

    def _squares(self, values: Floats) -> Floats:
        from wheeltapper.detectors._network import squared_errors  # numba opens slowly

        squares: Floats = squared_errors(values, self.low_, self.high_, _WILD, self.sizes_, self.weights_)
        return squares

    def _train(self, values: Floats) -> tuple[Any, dict[str, list[float]]]:
        n_validation = max(1, round(len(values) * _VALIDATION_SHARE))
        single = values.astype(np.float32)
        with ONE_AT_A_TIME:
            tf, keras = open_tensorflow()
            with tf.device("/CPU:0"):  # a network this small is slower on a GPU, and differs from GPU to GPU
                n_batches = -(-(len(single) - n_validation) // self.batch_size)
                model = _build(keras, values.shape[1], self.seed, n_batches)
                batches = _batches(tf, single[:-n_validation], self.batch_size, self.seed)
                held_out = _batches(tf, single[-n_validation:], len(single), None)
                history = model.fit(
                    batches,
                    validation_data=held_out,
                    epochs=self.epochs,
                    shuffle=False,  # the batches shuffle themselves, with a seed of their own
                    verbose=0,
                    callbacks=[
                        keras.callbacks.EarlyStopping("val_loss", patience=10, restore_best_weights=True),
                        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=5, min_lr=1e-6),
                    ],
                )
        return model, history.history


def _widths(n_features: int) -> tuple[int, int, int]:
    """Return the widths of the encoder: the reference's, or less, so that the middle is narrower than the row."""
    outer, between, middle = _WIDTHS
    return (
        min(outer, n_features),
        min(between, max(1, -(-3 * n_features // 4))),
        min(middle, max(1, n_features // 2)),
    )


def _build(keras: Any, n_features: int, seed: int, n_batches: int = 1) -> Any:
    """Put the network together; every random number in it has a seed of its own.

    The batches of an epoch are one call of TensorFlow: the same steps in the same order, with less between them.
    """
    seeds = iter(np.random.SeedSequence(seed).generate_state(32).tolist())
    outer, between, middle = _widths(n_features)
    layers = keras.layers

    def dense(units: int, activation: str | None) -> Any:
        start = keras.initializers.GlorotUniform(seed=next(seeds))
        return layers.Dense(units, activation=activation, kernel_initializer=start)

    model = keras.Sequential([layers.Input((n_features,))])
    for units in (outer, between, middle, between, outer):
        model.add(dense(units, "relu"))
        model.add(layers.BatchNormalization())
        model.add(layers.Dropout(_DROPOUT, seed=next(seeds)))
    model.add(dense(n_features, None))
    model.compile(keras.optimizers.Adam(_LEARNING_RATE), loss="mse", jit_compile=False, steps_per_execution=n_batches)
    return model


def _batches(tf: Any, values: NDArray[np.float32], size: int, seed: int | None) -> Any:
    """Return (row, row) batches, shuffled anew in every epoch where there is a seed."""
    rows = tf.data.Dataset.from_tensor_slices(values)
    if seed is not None:
        rows = rows.shuffle(len(values), seed=seed, reshuffle_each_iteration=True)
    return rows.batch(size).map(lambda batch: (batch, batch))


def _folded(model: Any) -> list[tuple[Floats, Floats]]:
    """Return (kernel, bias) of each dense layer, with the batch normalisation before it multiplied in."""
    folded: list[tuple[Floats, Floats]] = []
    factor: Floats | float = 1.0
    shift: Floats | float = 0.0
    for layer in model.layers:
        kind = type(layer).__name__
        parts = [np.asarray(part, dtype=np.float64) for part in layer.get_weights()]
        if kind == "BatchNormalization":
            gamma, beta, mean, variance = parts
            factor = gamma / np.sqrt(variance + layer.epsilon)
            shift = beta - mean * factor
        elif kind == "Dense":
            kernel, bias = parts
            folded.append((np.reshape(factor, (-1, 1)) * kernel, bias + np.broadcast_to(shift, len(kernel)) @ kernel))
            factor, shift = 1.0, 0.0
    return folded
