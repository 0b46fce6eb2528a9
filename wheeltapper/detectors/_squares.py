"""The common part of detectors whose score is a sum of squares, one a feature: the squares are the contributions."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors._restless import is_restless
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

WEIGHT = 0.2
"""The weight of restlessness beside the level. Chosen by benchmarks/quality.py: with a fifth, next to nothing is lost
where levels tell the faults, and much is found of what only restlessness tells; with a third, some is lost."""
_LIMIT_AT = 0.99  # share of the training rows by whose sums level and restlessness are put on one scale
_LEAST_SPREAD = 0.1  # rows are normalised: below a tenth of a usual deviation a difference is not worth hearing about


class SumOfSquares(ArrayDetector):
    """Scores a row by the sum of its features' squares."""

    @abstractmethod
    def _squares(self, values: Floats) -> Floats:
        """Return each feature's part of the score, never negative, in C order."""

    def _scores(self, values: Floats) -> Floats:
        """Return the sum of each row's squares, in the measure that the class describes."""
        total: Floats = self._squares(values).sum(axis=1)
        return total

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return each feature's part of the score, never negative; every row adds up to its score.

        Raises
        ------
        NotFittedError, DataError
        """
        return as_frame(self._squares(read_rows(self, rows)), self, rows)


POWER = 1.5
"""How the levels of a row are put together: by the mean of their elements' lengths to this power.

With 2, the sum of squares, one far sensor outshouts a dozen that have all moved a little, as wear moves them; with 1,
one that moves alone is drowned. Chosen by benchmarks/quality.py: engines that wear out are told from others by far
better than with 2, and what one sensor alone tells about as well.
"""

FAR = 20.0
"""Usual deviations beyond which an element counts by its length and no more by its square (Huber [1]_).

One metric that leapt by a thousand usual deviations once, in normal running, would else set a threshold that nothing
else ever reaches.

References
----------
.. [1] P. J. Huber, "Robust Estimation of a Location Parameter", Ann. Math. Statist. 35 (1964) 73,
       doi:10.1214/aoms/1177703732
"""


class BoundedSquares(SumOfSquares):
    """Scores a row by the length of its elements ``(x − centre) W``, each of which counts less where it lies far out.

    An element's square ``q`` is ``e²`` up to ``f = FAR · √(mean e² in training)``, and ``f · (2 |e| − f)`` beyond it;
    the mean is at least that of all elements. The ``k`` elements of levels together score
    ``k · (mean q^(p/2))^(2/p)`` with ``p`` the `POWER`: with 2 it is the sum of squares, and with any other it still
    grows with the square of how far a row lies out. Each element's part of it is in proportion to its ``q^(p/2)``.

    How restless sensors are is measured apart from where they lie, by the sum of squares: a sensor that is stuck or
    noisy is so alone. The row's score is the larger of both: that of restlessness brought to the scale of the other by
    their 99 % quantiles over the training rows (never made louder for it), and then times `WEIGHT`. The parts of the
    smaller one are no part of the score, and count as 0.
    """

    columns_: Names
    centre_: Floats
    root_: Floats
    far_: Floats
    """Where far begins, one an element; detectors that were saved without it take every square as it is."""
    apart_: Flags
    """Which elements are of restlessness; detectors that were saved without it know of none."""
    power_: float
    """How levels are put together; detectors that were saved without it add up squares."""

    @abstractmethod
    def _measure(self, values: Floats, least_spread: float) -> tuple[Floats, Floats]:
        """Learn from normal rows, shape (n_windows, n_features), the centre and the matrix ``W``.

        A spread below ``least_spread`` is taken to be that large.
        """

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn where normal rows lie and how they move together.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        self.columns_, values = learn_rows(rows)
        self.apart_, self.power_ = is_restless(self), POWER
        size = len(self.columns_)
        self.centre_, self.root_, self.far_ = np.zeros(size), np.zeros((size, size)), np.zeros(size)
        levels, restless = np.flatnonzero(~self.apart_), np.flatnonzero(self.apart_)
        loudness = self._learn(values, levels, _LEAST_SPREAD, 0.0, POWER) if len(levels) else (0.0, 0.0)
        if len(restless):
            # Restlessness is a fourth root: a tenth of a deviation changes it by more than half of it.
            heard, limit = self._learn(values, restless, _LEAST_SPREAD**0.25, loudness[0], 2.0)
            if len(levels) and heard == 0:
                # Nothing ever was restless: there is nothing to measure it by, so each counts like a usual level.
                usual = np.sqrt((self.root_[:, levels] ** 2).sum(axis=0).mean())
                self.root_[np.ix_(restless, restless)] = usual * np.eye(len(restless))
            if len(levels):
                share = WEIGHT * (loudness[1] / max(loudness[1], limit) if loudness[1] > 0 else 1.0)
                self.root_[:, restless] *= np.sqrt(share)
                self.far_[restless] *= np.sqrt(share)
        return self

    def _learn(
        self, values: Floats, block: Places, least_spread: float, least: float, power: float
    ) -> tuple[float, float]:
        """Learn the measure of some features; return their mean square in training, and the limit of their score."""
        centre, root = self._measure(values[:, block], least_spread)
        elements = (values[:, block] - centre) @ root
        far = _far(elements, least)
        self.centre_[block], self.root_[np.ix_(block, block)], self.far_[block] = centre, root, far
        together = _together(_bounded(elements, far), power).sum(axis=1)
        return float((elements**2).mean()), float(np.quantile(together, _LIMIT_AT))

    def _squares(self, values: Floats) -> Floats:
        from wheeltapper.detectors._elements import parts_of  # numba opens slowly

        n_elements = len(self.centre_)
        far = getattr(self, "far_", None)
        apart = getattr(self, "apart_", None)
        parts: Floats = parts_of(
            values,
            self.centre_,
            np.ascontiguousarray(self.root_),
            np.full(n_elements, np.inf) if far is None else far,
            np.zeros(n_elements, dtype=bool) if apart is None else apart,
            float(getattr(self, "power_", 2.0)),
        )
        return parts


def _far(elements: Floats, least: float = 0.0) -> Floats:
    """Return where far begins for the elements of the training rows, shape (n_windows, n_features).

    An element that never moved begins to be far where the others do (``least`` is the mean square of further ones);
    where none did, nothing is far.
    """
    squares = (elements**2).mean(axis=0)
    least = max(float(squares.mean()), least)
    return FAR * np.sqrt(np.maximum(squares, least)) if least > 0 else np.full_like(squares, np.inf)


def _bounded(elements: Floats, far: Floats | float) -> Floats:
    """Return the squares, growing linearly only beyond where far begins."""
    length = np.abs(elements)
    near = np.minimum(length, far)
    squares: Floats = near * (2 * length - near)
    return squares


def _together(squares: Floats, power: float) -> Floats:
    """Return each element's part of the squared power mean of all, times their number, shape (n_windows, n_features).

    With a power of 2 they are the squares themselves.
    """
    if power == 2 or squares.shape[1] < 2:
        return squares
    lengths = squares ** (power / 2)
    mean = lengths.mean(axis=1, keepdims=True)
    parts: Floats = lengths * np.where(mean > 0, mean, 1.0) ** (2 / power - 1)
    return parts
