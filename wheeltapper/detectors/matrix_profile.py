"""Matrix profile: a stretch of readings whose shape was never seen before is unusual, however high or low it lies."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_whole
from wheeltapper.detectors._sequences import SequenceDetector
from wheeltapper.detectors.rows import thinned

_FLAT = 0.1  # share of a sensor's usual swing below which a sub-sequence has less and less of a shape
_LEAST_SWING = 0.01  # usual deviations: rows are normalised, and below a hundredth there is no shape but rounding
_HELD_OUT = 5  # the last fifth of the training rows says how far the nearest one usually is
_LEAST_USUAL = 0.01  # a squared distance: a correlation of 0.995 is as alike as two sub-sequences need to be


class MatrixProfile(SequenceDetector):
    """Score each sensor's sub-sequence by its distance to the most similar one among the training rows.

    Sub-sequences are z-normalised (mean 0, length 1), so only the shape counts, neither level nor size. With that the
    squared distance is ``d² = 2·(1 − correlation)``: 0 for the same shape, 2 for unrelated ones, 4 for opposite ones
    (the matrix profile's own distance [1]_, squared and divided by the number of readings). It is exact, found by one
    matrix product per sensor over the kept training rows (MASS [2]_ does the same by Fourier transform, which pays on
    a long series, not on rows).

    A constant sub-sequence has no shape: its distance is 0 to a constant one and 1 to any other. One that swings less
    than a tenth of the sensor's usual swing lies in between, so that rounding noise is not blown up into a shape.

    The noisier a sensor, the further is its nearest neighbour on an ordinary day. So each d² is divided by its mean
    over the last fifth of the training rows, compared with the ones before: about 1 is usual. The score is the mean
    over the sensors; each reading's contribution is its sensor's part in equal shares.

    It does not notice a level, nor a swing that grows without changing its shape: give it company that does. A sensor
    that is noise and nothing else has no shape to be learnt.

    Parameters
    ----------
    max_rows : int
        Training rows kept for comparison; of more, a seeded sample in time order. Time and memory grow with it.

    References
    ----------
    .. [1] C.-C. M. Yeh et al., "Matrix Profile I: All Pairs Similarity Joins for Time Series", ICDM 2016,
           doi:10.1109/ICDM.2016.0179
    .. [2] S. Zhong, A. Mueen, "MASS: distance profile of a query over a time series", Data Min. Knowl. Discov. 38
           (2024), doi:10.1007/s10618-024-01005-2
    """

    notices: ClassVar[Literal["every sensor", "some sensors", "nothing"]] = "some sensors"
    swing_: Floats
    usual_: Floats
    kept_: Floats

    def __init__(self, max_rows: int = 2000) -> None:
        check_whole("matrix_profile", "max_rows", max_rows, low=10)
        self.max_rows = max_rows

    def _learn(self, sequences: Floats) -> None:
        some = thinned(sequences, self.max_rows, self.seed)
        self.swing_ = np.maximum(_FLAT * np.median(some.std(axis=1), axis=0), _LEAST_SWING)
        shapes = _shapes(some, self.swing_)
        self.kept_ = _kept(shapes)
        held_out = max(1, len(some) // _HELD_OUT)
        distances = _nearest(shapes[-held_out:], _kept(shapes[:-held_out]))
        self.usual_ = np.maximum(distances.mean(axis=0), _LEAST_USUAL)

    def _parts(self, sequences: Floats) -> Floats:
        squared = _nearest(_shapes(sequences, self.swing_), self.kept_) / self.usual_
        _, steps, sensors = sequences.shape
        return np.repeat((squared / (steps * sensors))[:, None], steps, axis=1)


def _shapes(sequences: Floats, swing: Floats) -> Floats:
    """Return sub-sequences with mean 0 and length 1, shorter where they hardly move; (n_rows, n_sensors, n_steps)."""
    around = sequences - sequences.mean(axis=1, keepdims=True)
    spread = np.maximum(np.sqrt((around**2).mean(axis=1, keepdims=True)), swing)
    shapes = around / (spread * np.sqrt(sequences.shape[1]))
    return np.ascontiguousarray(shapes.transpose(0, 2, 1))


def _kept(shapes: Floats) -> Floats:
    """Return shapes to compare with, below them minus half their squared length; (n_sensors, n_steps + 1, n_rows)."""
    lengths = (shapes**2).sum(axis=2, keepdims=True)
    return np.ascontiguousarray(np.concatenate([shapes, -0.5 * lengths], axis=2).transpose(1, 2, 0))


def _nearest(shapes: Floats, kept: Floats) -> Floats:
    """Return each sub-sequence's squared distance to the nearest kept one, shape (n_rows, n_sensors).

    ``|x − y|² = |x|² − 2·(x'y − |y|²/2)``: the nearest one has the largest bracket.
    """
    from wheeltapper.detectors._profile import most_alike

    distances: Floats = (shapes**2).sum(axis=2) - 2.0 * most_alike(shapes, kept)
    return np.maximum(distances, 0.0)
