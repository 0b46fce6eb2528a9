"""A sensor's readings, piece by piece, and what is found in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wheeltapper.readings.health.runs import Floats, Places, Runs


@dataclass(frozen=True)
class Piece:
    """Readings of one sensor in a row, in order of time."""

    first: int
    """Place of the first of them in the series."""
    times: Places
    """Microseconds since 1970, shape (n,)."""
    values: Floats
    """Shape (n,); NaN where missing."""

    @property
    def readings(self) -> Places:
        """The readings as `Runs` names them, all of them compared; shape (3, n)."""
        places = self.first + np.arange(len(self.times))
        return np.stack([places, places, self.times])

    def present(self, before: int) -> tuple[Places, Floats]:
        """Return the readings that are not missing, as `Runs` names them, and their values.

        Parameters
        ----------
        before : int
            Values, without missing ones, before this piece.
        """
        places = np.flatnonzero(~np.isnan(self.values))
        return np.stack([before + np.arange(len(places)), self.first + places, self.times[places]]), self.values[places]


@dataclass(frozen=True)
class FlaggedRuns:
    """Flags of one kind: runs of readings, and a sentence about each."""

    kind: str
    runs: Runs
    details: list[str]


class Detector(Protocol):
    """Looks for one kind of flag, or a few, in one sensor of one asset, and goes on where it stopped."""

    def advance(self, piece: Piece) -> list[FlaggedRuns]:
        """Look at the next readings; return the flags that no later reading can change."""

    def growing(self) -> list[FlaggedRuns]:
        """Return the flags that the next readings may make longer."""

    def unsettled(self) -> dict[str, int | None]:
        """Return kind of flag → the time from which on flags may still begin or change; None for later readings."""


def begin_of(run: Runs) -> int | None:
    """Return when an open run began; None if none is open."""
    return int(run.first[2, 0]) if len(run) else None
