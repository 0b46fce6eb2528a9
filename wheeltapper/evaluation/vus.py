"""VUS: how well a score ranks faulty rows above normal ones, when a fault's edges are not known exactly.

The volume under the surface averages the area under a precision-recall (or ROC) curve over buffers of 0 to
``window`` rows round every fault. Inside a buffer a row is partly faulty, so an alarm a little early or late costs less
than one far from any fault; and a curve rises fully only once every fault has been touched. It says nothing about
thresholds, alarms or money, and it needs both faulty and normal rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wheeltapper.errors import DataError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

THRESHOLDS = 250
"""Points on each curve, at evenly spaced ranks of the score; the published figures use the same number."""


@dataclass(frozen=True)
class Volume:
    """Volume under the precision-recall surface and under the ROC surface, both 0 to 1."""

    pr: float
    roc: float


def volume(labels: ArrayLike, scores: ArrayLike, window: int) -> Volume | None:
    """Return how well the score finds the faults of one asset, with tolerance at their edges.

    Parameters
    ----------
    labels : array of shape (n_rows,)
        True where the row lies inside a fault, in time order.
    scores : array of shape (n_rows,)
        Anomaly score, higher is more anomalous, finite.
    window : int
        Widest buffer in rows; half of it lies before a fault and half after it.

    Returns
    -------
    Volume or None
        None where all rows are normal or all are faulty: there is nothing to rank.

    Raises
    ------
    DataError
        If the two differ in length, a score is not a number, or the window is negative.

    References
    ----------
    .. [1] J. Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series Anomaly
       Detection", PVLDB 15(11), 2022, doi:10.14778/3551793.3551830. This follows its optimised variant: precision
       as a step function, positives counted half-way between the hard and the soft labels.
    """
    faulty, values = _checked(labels, scores, window)
    if faulty.all() or not faulty.any():
        return None
    starts, ends = _runs(faulty)
    seen_from = _first_threshold(values)
    predicted = np.cumsum(np.bincount(seen_from, minlength=THRESHOLDS)).astype(np.float64)
    hits = np.cumsum(np.bincount(seen_from[faulty], minlength=THRESHOLDS)).astype(np.float64)
    buffer = _Buffer.around(starts, ends, faulty, window)
    areas = []
    for width in range(window + 1):
        soft = buffer.weight_seen(seen_from, width)
        touched = _share_touched(starts, ends, seen_from, width // 2)
        areas.append(_areas(predicted, hits, soft, touched, rows=faulty.size, faulty=int(faulty.sum())))
    roc, pr = np.mean(areas, axis=0)
    return Volume(pr=float(pr), roc=float(roc))


def random_volume(labels: ArrayLike, window: int, *, seed: int, draws: int = 10) -> Volume | None:
    """Return the volume of a score without skill on these faults: the mean over random scores.

    Long faults make it high, so a VUS is only meaningful beside it. It does not depend on a candidate: it is computed
    once for all that are judged on the same faults, and remembered.

    Parameters
    ----------
    labels : array of shape (n_rows,)
        True where the row lies inside a fault.
    window : int
        As in `volume`.
    seed : int
        Makes the draws repeatable.
    draws : int
        Random scores to average over.
    """
    return _random_volume(_Labels.of(labels), window, seed, draws)


@dataclass(frozen=True)
class _Labels:
    """Labels in an eighth of their memory, to be compared and remembered."""

    packed: bytes
    rows: int

    @classmethod
    def of(cls, labels: ArrayLike) -> _Labels:
        faulty = np.asarray(labels, dtype=bool)
        return cls(np.packbits(faulty).tobytes(), faulty.size)

    def unpacked(self) -> Flags:
        return np.unpackbits(np.frombuffer(self.packed, dtype=np.uint8), count=self.rows).astype(bool)


@lru_cache(maxsize=64)
def _random_volume(labels: _Labels, window: int, seed: int, draws: int) -> Volume | None:
    faulty, random = labels.unpacked(), np.random.default_rng(seed)
    volumes = [volume(faulty, random.random(faulty.size), window) for _ in range(draws)]
    defined = [area for area in volumes if area is not None]
    if not defined:
        return None
    return Volume(pr=float(np.mean([area.pr for area in defined])), roc=float(np.mean([area.roc for area in defined])))


def _checked(labels: ArrayLike, scores: ArrayLike, window: int) -> tuple[Flags, Floats]:
    faulty = np.asarray(labels, dtype=bool)
    values = np.asarray(scores, dtype=np.float64)
    if faulty.ndim != 1 or faulty.shape != values.shape:
        raise DataError(f"expected one label and one score a row, got shapes {faulty.shape} and {values.shape}")
    if not np.isfinite(values).all():
        raise DataError(
            f"expected finite scores, got {int((~np.isfinite(values)).sum())} of {values.size} that are not; "
            "leave out the rows that could not be scored"
        )
    if window < 0:
        raise DataError(f"the widest buffer must be 0 rows or more, got {window}")
    return faulty, values


def _runs(flags: Flags) -> tuple[Integers, Integers]:
    """Return the first and the last row of every run of True."""
    edges = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1


def _first_threshold(scores: Floats) -> Integers:
    """Return for each row the highest of the thresholds (0 is the highest) that its score reaches."""
    ranks = np.linspace(0, scores.size - 1, THRESHOLDS).astype(np.int64)
    thresholds = -np.sort(-scores)[ranks]
    return np.searchsorted(-thresholds, -scores, side="left")


@dataclass(frozen=True)
class _Buffer:
    """Rows near a fault with their distance from it; a row between two faults occurs twice."""

    rows: Integers
    """The rows of the widest buffer, each once."""
    places: Integers
    """Index into ``rows``, nearest first."""
    distances: Integers
    """Distance of each place from a fault's edge, rising."""

    @classmethod
    def around(cls, starts: Integers, ends: Integers, faulty: Flags, window: int) -> _Buffer:
        steps = np.arange(1, window // 2 + 1)
        at = np.concatenate([(starts[None, :] - steps[:, None]), (ends[None, :] + steps[:, None])], axis=1)
        distances = np.broadcast_to(steps[:, None], at.shape)[(at >= 0) & (at < faulty.size)]
        at = at[(at >= 0) & (at < faulty.size)]
        outside = ~faulty[at]
        rows, places = np.unique(at[outside], return_inverse=True)
        return cls(rows, places, distances[outside])

    def weight_seen(self, seen_from: Integers, width: int) -> Floats:
        """Return the buffer's soft labels that each threshold catches, summed, shape (THRESHOLDS,)."""
        near = int(np.searchsorted(self.distances, width // 2, side="right"))
        if near == 0:
            return np.zeros(THRESHOLDS)
        weights = np.sqrt(1 - self.distances[:near] / width)
        soft = np.minimum(1, np.bincount(self.places[:near], weights, minlength=self.rows.size))
        caught: Floats = np.cumsum(np.bincount(seen_from[self.rows], soft, minlength=THRESHOLDS))
        return caught


def _share_touched(starts: Integers, ends: Integers, seen_from: Integers, half: int) -> Floats:
    """Return the share of faults that each threshold touches, buffers included; faults whose buffers meet are one."""
    apart = ends[:-1] + half < starts[1:] - half
    first = np.maximum(starts[np.concatenate(([True], apart))] - half, 0)
    last = np.minimum(ends[np.concatenate((apart, [True]))] + half, seen_from.size - 1)
    padded = np.append(seen_from, THRESHOLDS)
    earliest = np.minimum.reduceat(padded, np.column_stack([first, last + 1]).ravel())[::2]
    return np.cumsum(np.bincount(earliest, minlength=THRESHOLDS)) / first.size


def _areas(predicted: Floats, hits: Floats, soft: Floats, touched: Floats, *, rows: int, faulty: int) -> Floats:
    """Return the areas under the ROC and the precision-recall curve for one buffer."""
    true = hits + soft
    positives = faulty + soft / 2
    recall = np.minimum(true / positives, 1) * touched
    fall_out = (predicted - true) / (rows - positives)
    roc = np.trapezoid(np.concatenate(([0], recall, [1])), np.concatenate(([0], fall_out, [1])))
    pr = np.dot(np.diff(recall, prepend=0), true / predicted)
    return np.array([roc, pr])
