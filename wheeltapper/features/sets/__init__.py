"""Feature sets compute features of windows. One set a file; this page holds the contract that all of them keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wheeltapper.config import AssetType, Model
from wheeltapper.features.columns import Feature
from wheeltapper.features.windows import number_states

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Stretch:
    """Consecutive readings of one asset without a gap, and the windows in it: the input of every feature set."""

    seconds: Floats
    """Time of each reading in seconds since the epoch, shape (n_readings,), strictly increasing."""
    sensors: dict[str, Floats]
    """Sensor → its values in its unit, each of shape (n_readings,); NaN where missing."""
    first: Places
    """Position of each window's first reading, shape (n_windows,)."""
    last: Places
    """Position of each window's last reading, shape (n_windows,), rising."""
    regimes: NDArray[Any] | None = None
    """Operating state of each reading, shape (n_readings,); None where the source has none."""

    @cached_property
    def states(self) -> Places | None:
        """The number of each reading's operating state, from 0 on; −1 where it is empty."""
        return None if self.regimes is None else number_states(self.regimes)[0]


class Block(NamedTuple):
    """The readings of a stretch as compiled code takes them: every array is contiguous, and has room for more.

    A stretch may be a part of longer arrays, as in a memory that new readings are written to. It begins at the place
    ``opens``; places of windows count from the beginning of the arrays.
    """

    seconds: Floats
    """Time of each reading in seconds since the epoch, shape (n,)."""
    values: Floats
    """Value of each sensor, in the order of the asset type's sensors, shape (n_sensors, n); NaN where missing."""
    states: Places
    """Number of each reading's operating state, shape (n,); −1 where it has none, all 0 where the source has none."""
    opens: int
    """Place of the stretch's first reading."""

    @classmethod
    def of(cls, stretch: Stretch, sensors: Iterable[str]) -> Self:
        """Return a stretch as a block, with these sensors."""
        values = np.array([stretch.sensors[name] for name in sensors], dtype=np.float64)
        states = np.zeros(len(stretch.seconds), dtype=np.int64) if stretch.states is None else stretch.states
        return cls(np.require(stretch.seconds, np.float64, ["C", "W"]), values, states, 0)


Fill = Callable[[Block, Places, Places, Floats, int], None]
"""``fill(block, first, last, table, at)`` writes the features of a block's windows into a table of shape (more columns,
n_windows): the first one into row ``at``, the second one below it. It writes no other row."""


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
    """True if every complete window of finite readings has a finite value of every feature.

    Otherwise (a constant has no skewness) missing values are filled with values learnt in training.
    """
    later: ClassVar[dict[str, Any]] = {}
    """Options that a release has added, each with the value (as JSON) that computes what was computed before.

    An option with this value is no part of a plan's hash, so stored feature rows stay valid. The default may be another
    value, and may change.
    """
    example_options: ClassVar[dict[str, Any]] = {}
    """Options for an example and for contract tests, where the defaults do not suit or there are none."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Packages that computing takes beside numpy, pandas and scipy, by the names that pip knows them by."""

    @abstractmethod
    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """Describe the columns that `compute` returns, in their order.

        A column is called ``<sensor>`` or ``<sensor>__<what>``; one that belongs to no sensor begins with the set's
        name: ``calendar__hour_sin``. Its sensors and its meaning are read from its `Feature` and never from its name.
        """

    def names(self, asset_type: AssetType) -> tuple[str, ...]:
        """List the names of the columns, in their order."""
        return tuple(feature.name for feature in self.columns(asset_type))

    @abstractmethod
    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return each feature's value of every window.

        A value uses the readings of its own window, and earlier ones as far as `reach` says; never a later one. It does
        not depend on which other windows or readings are in the stretch. A window whose reach begins before the
        stretch has NaN. NaN in a window gives NaN, never a number.
        """

    def reach(self, asset_type: AssetType) -> Reach:  # noqa: ARG002 - sets that reach further need it
        """Return how far back the set looks; by default no further than its window."""
        return Reach()

    def only(self, columns: Iterable[str]) -> Self:  # noqa: ARG002 - sets that can leave something out need it
        """Return a set that computes no more than it must for these of its columns; by default it computes all."""
        return self


class CompiledSet(FeatureSet):
    """A feature set that is computed by compiled code, for one new reading as for a million.

    `compute` calls `compiled`, so both give the same values. If a class has a `compute` of its own, that one is used.
    """

    needs: ClassVar[tuple[str, ...]] = ("numba",)

    @abstractmethod
    def compiled(self, asset_type: AssetType) -> Fill:
        """Return the function that fills the columns, in the order in which the same class describes them.

        This method is called once, the function that it returns for every new reading. So the function should be
        compiled (see `wheeltapper.compiled`), with everything that does not depend on readings prepared: numbers and
        arrays only.
        It must not look at a place after a window's last one: there is no reading yet.
        """

    def filled(self, asset_type: AssetType) -> tuple[str, ...]:
        """List the names of the columns that `compiled` fills, which are fewer than those of a class that adds some."""
        kinds = (kind for kind in type(self).__mro__ if issubclass(kind, CompiledSet))
        owner = next(kind for kind in kinds if "compiled" in vars(kind))
        return tuple(feature.name for feature in owner.columns(self, asset_type))

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return each feature's value of every window."""
        names, block = self.filled(asset_type), Block.of(stretch, asset_type.sensors)
        table = np.empty((len(names), len(stretch.last)))
        # Always contiguous and writable: numba compiles afresh for every other kind of array.
        first, last = (np.require(places, np.int64, ["C", "W"]) for places in (stretch.first, stretch.last))
        self.compiled(asset_type)(block, first, last, table, 0)
        return dict(zip(names, table, strict=True))


def places_of(names: Iterable[str], asset_type: AssetType) -> Places:
    """Return the rows of sensors in `Block.values`."""
    order = list(asset_type.sensors)
    return np.array([order.index(name) for name in names], dtype=np.int64)
