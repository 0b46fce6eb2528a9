"""Recipe: how the columns of a feature plan are computed, prepared once and used for every block of windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wheeltapper.config import AssetType
from wheeltapper.features.sets import Block, CompiledSet, FeatureSet, Fill, Floats, Places, Stretch

_AT_ONCE = 8192
"""Windows that are computed at a time: the table of their features stays in the processor's cache."""


@dataclass(frozen=True)
class Recipe:
    """Which feature set computes which columns of a plan."""

    asset_type: AssetType
    compiled: tuple[tuple[Fill, int], ...]
    """Compiled sets, each with the first row of a table that it fills."""
    n_rows: int
    """Rows of that table."""
    rows: Places
    """Those of its rows that are columns of the plan."""
    places: Places
    """Which columns they are."""
    uncompiled: tuple[tuple[FeatureSet, dict[str, int]], ...]
    """All other sets, each with its columns of the plan: name → place in the plan."""

    @classmethod
    def of(cls, sets: Sequence[FeatureSet], asset_type: AssetType, columns: Sequence[str]) -> Recipe:
        """Write the recipe of some columns."""
        place_by_column = {column: place for place, column in enumerate(columns)}
        compiled: list[tuple[Fill, int]] = []
        uncompiled: list[tuple[FeatureSet, dict[str, int]]] = []
        names: list[str] = []
        for feature_set in sets:
            if isinstance(feature_set, CompiledSet) and type(feature_set).compute is CompiledSet.compute:
                compiled.append((feature_set.compiled(asset_type), len(names)))
                names += feature_set.filled(asset_type)
            else:
                set_names = feature_set.names(asset_type)
                columns_of_set = {name: place_by_column[name] for name in set_names if name in place_by_column}
                uncompiled.append((feature_set, columns_of_set))
        row_and_column = [(row, place_by_column[name]) for row, name in enumerate(names) if name in place_by_column]
        rows, places = np.array(row_and_column, dtype=np.int64).reshape(-1, 2).T
        chosen = np.ascontiguousarray(rows), np.ascontiguousarray(places)
        return cls(asset_type, tuple(compiled), len(names), *chosen, tuple(uncompiled))

    def compute(
        self, block: Block, first: Places, last: Places, stretch: Callable[[], Stretch], values: Floats
    ) -> None:
        """Fill the features of each window, in the order of the plan's columns; NaN where not finite.

        Parameters
        ----------
        block : Block
            The readings.
        first, last : ndarray of shape (n_windows,)
            Places of each window's first and last reading in the block.
        stretch : callable
            Returns the same readings and windows as a stretch; called where a set is not compiled.
        values : ndarray of shape (n_windows, n_columns)
            Where they are written to.
        """
        if self.compiled:
            self._compute_compiled(block, first, last, values)
        if self.uncompiled:
            self._compute_uncompiled(stretch(), values)

    def _compute_compiled(self, block: Block, first: Places, last: Places, values: Floats) -> None:
        from wheeltapper.features._newest import gather  # numba opens slowly

        for begin in range(0, len(last), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            windows = first[part], last[part]
            table = np.empty((self.n_rows, len(windows[0])))
            for fill, at in self.compiled:
                fill(block, *windows, table, at)
            gather(table, self.rows, self.places, values[part])

    def _compute_uncompiled(self, stretch: Stretch, values: Floats) -> None:
        # Sensors near the largest float overflow; the window is then marked, not warned about.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for feature_set, columns in self.uncompiled:
                by_column = feature_set.compute(stretch, self.asset_type)
                for column, place in columns.items():
                    feature = by_column[column]
                    values[:, place] = np.where(np.isfinite(feature), feature, np.nan)
