"""Baseline: random scores. A better model must use the readings."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors.rows import ArrayDetector, Names, learn_rows

_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio: what splitmix64 steps by
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


class RandomScore(ArrayDetector):
    """Give each row a number between 0 and 1 that has nothing to do with what it says.

    The number is a hash of the row's values and the seed, and not drawn: the same row gets the same number, alone and
    in a batch, today and tomorrow. A machine that stands still gets the same number all along.

    It shows what luck is worth: long faults are hit by chance, and its area under the curve is that of guessing.

    References
    ----------
    .. [1] G. L. Steele et al., "Fast splittable pseudorandom number generators", OOPSLA 2014,
           doi:10.1145/2660193.2660195 (the mixing).
    """

    is_baseline: ClassVar[bool] = True
    notices: ClassVar[Literal["every sensor", "some sensors", "nothing"]] = "nothing"
    columns_: Names
    seed_: int

    def fit(self, rows: pd.DataFrame) -> Self:
        """Remember which features there are, and the seed; there is nothing else to learn."""
        self.columns_, _ = learn_rows(rows)
        self.seed_ = self.seed
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return a number from 0 to below 1 for every row, shape (n_windows,), unitless."""
        bits = (values + 0.0).view(np.uint64)  # + 0.0: minus nought is nought, too
        mixed = _mix(np.full(len(bits), np.uint64(int(self.seed_) % 2**64), dtype=np.uint64))
        for column in bits.T:
            mixed = _mix(mixed ^ column)
        scores: Floats = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return scores


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return splitmix64 of each number: every bit of it depends on every bit given."""
    bits = bits + np.uint64(_GOLDEN)
    for shift, factor in _MIX:
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return bits ^ (bits >> np.uint64(31))
