"""What follows from a learnt array and is needed for each row: computed once, and again after the next fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wheeltapper.detectors import Floats


class Derived:
    """Keeps what a function makes of an array, for as long as it is asked about that same array.

    It is no part of what a bundle saves: detectors keep it in an attribute that begins with an underscore.
    """

    def __init__(self, make: Callable[[Floats], Floats]) -> None:
        self._make = make
        self._known: tuple[Floats, Floats] | None = None

    def of(self, learnt: Floats) -> Floats:
        """Return what follows from the array."""
        known = self._known  # one look: another thread may replace it
        if known is None or known[0] is not learnt:
            known = self._known = (learnt, self._make(learnt))
        return known[1]


def turned(rows: Floats) -> Floats:
    """Return rows as columns, in C order: compiled loops then run along the rows, several at a time."""
    return np.ascontiguousarray(rows.T)


def squared_lengths(rows: Floats) -> Floats:
    """Return the squared length of each row."""
    lengths: Floats = np.einsum("ij,ij->i", rows, rows)
    return lengths
