"""Feature sets: what is computed from one window. One set a file; this page holds what all of them promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wheeltapper.config import AssetType, Model

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Stretch:
    """Consecutive readings of one asset without a gap, and the windows in it: all that a feature set ever sees."""

    seconds: Floats
    """Time of each reading in seconds since the epoch, shape (n_readings,), strictly increasing."""
    sensors: dict[str, Floats]
    """Sensor → its values in its unit, each of shape (n_readings,); NaN where missing."""
    first: Places
    """Position of each window's first reading, shape (n_windows,)."""
    last: Places
    """Position of each window's last reading, shape (n_windows,), rising."""
    regimes: NDArray[Any] | None = None
    """Operating state of each reading, shape (n_readings,); None where nobody names any."""


@dataclass(frozen=True)
class Reach:
    """How far back a feature set looks: whichever is further, its own window included."""

    readings: int = 0
    """Readings up to and including the window's last one."""
    time: timedelta = timedelta(0)
    """Time before the window's last reading."""


class FeatureSet(Model, ABC):
    """One kind of features. Its fields are its options in the plant's YAML."""

    always_has_value: ClassVar[bool] = True
    """Whether every complete window of finite readings has a finite value of every feature.

    A set that says no (skewness of a constant, say) has its blanks filled by what training has seen.
    """
    later: ClassVar[dict[str, Any]] = {}
    """Options that a release has added, each with the value (as JSON) that computes what was computed before.

    Where an option has this value it is no part of a plan's hash: stored feature rows stay valid. A default may still
    be another one, and may change.
    """
    example_options: ClassVar[dict[str, Any]] = {}
    """Options for an example and for contract tests, where the defaults do not suit or there are none."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Packages that computing takes beside numpy, pandas and scipy, by the names that pip knows them by."""

    @abstractmethod
    def columns(self, asset_type: AssetType) -> tuple[str, ...]:
        """List the columns that `compute` returns, in order: ``<sensor>`` or ``<sensor>__<what>``.

        A column that belongs to no sensor begins with the set's name: ``calendar__hour_sin``.
        """

    @abstractmethod
    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return each feature's value of every window.

        A value uses the readings of its own window, and those before it as far as `reach` says; never a later one,
        and nothing that depends on which other windows or readings come along. Reach beyond the stretch's first
        reading has no value: NaN. NaN in a window gives NaN, never a number.
        """

    def reach(self, asset_type: AssetType) -> Reach:  # noqa: ARG002 - sets that reach further need it
        """Say how far back the set looks; by default no further than its window."""
        return Reach()

    def only(self, columns: Iterable[str]) -> Self:  # noqa: ARG002 - sets that can leave something out need it
        """Return a set that computes no more than it must for these of its columns; by default it computes all."""
        return self
