"""Features without a value: which columns are worth filling, and by which values.

tsfresh has no skewness of a constant and no lag 9 in a window of 5. The values are learnt from training rows, never
from the rows that are filled: a median of the day that is scored would hide the day's fault.
"""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from wheeltapper import tables
from wheeltapper.config import Model
from wheeltapper.errors import DataError

Floats = NDArray[np.float64]

MIN_SHARE = 0.5
"""A column that is filled more often than it is computed describes the filling and not the machine."""


class Imputer(Model):
    """Fills features as tsfresh's ``impute`` does: NaN becomes the training median, ±inf the training extremes.

    Frozen; ``model_dump_json`` writes it and ``model_validate_json`` reads it back, to the last bit.
    Do not use it for readings that are missing: a window with a hole is not usable, and a filled one would look normal.
    """

    median: dict[str, float] = Field(description="feature → its median over the training rows, in the feature's unit")
    lowest: dict[str, float] = Field(description="feature → its least finite training value")
    highest: dict[str, float] = Field(description="feature → its greatest finite training value")

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if not self.median.keys() == self.lowest.keys() == self.highest.keys():
            raise ValueError("median, lowest and highest must name the same features")
        return self

    @classmethod
    def fit(cls, rows: pd.DataFrame) -> Self:
        """Learn the values to fill in.

        Parameters
        ----------
        rows : DataFrame
            Rows of the features table from the train part; columns of the table itself are not looked at.

        Raises
        ------
        DataError
            If a feature has no finite value in any row; `with_values` says which to keep.
        """
        finite = {name: _finite(rows[name]) for name in _features(rows)}
        empty = [name for name, values in finite.items() if not len(values)]
        if empty:
            raise DataError(
                f"{len(empty)} features have no value in any of {len(rows)} training rows, first {empty[0]}. "
                "Keep only columns that have: plan.shrink(with_values(rows))."
            )
        return cls(
            median={name: float(np.median(values)) for name, values in finite.items()},
            lowest={name: float(values.min()) for name, values in finite.items()},
            highest={name: float(values.max()) for name, values in finite.items()},
        )

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with every feature finite; other columns and finite values stay as they are.

        Raises
        ------
        DataError
            If a feature that was fitted is missing, or one is there that was not.
        """
        missing = [name for name in self.median if name not in rows]
        unknown = [name for name in _features(rows) if name not in self.median]
        if missing or unknown:
            raise DataError(
                f"the imputer was fitted on {len(self.median)} features; these rows lack {missing} and have {unknown} "
                "besides. Compute them with the plan that it was fitted with."
            )
        names = list(self.median)
        values = rows[names].to_numpy(dtype=np.float64, copy=True)
        if np.isfinite(values).all():
            return rows
        self.fill(values)
        filled_columns = pd.DataFrame(values, index=rows.index, columns=names)
        return pd.concat([rows.drop(columns=names), filled_columns], axis=1)[list(rows.columns)]

    def fill(self, values: Floats) -> None:
        """Fill the holes of ready numbers in place.

        Parameters
        ----------
        values : ndarray of shape (n_windows, n_features)
            The features in the order of ``median``.
        """
        rows, places = np.nonzero(~np.isfinite(values))
        if not len(rows):
            return
        median, lowest, highest = self._learnt
        holes = values[rows, places]
        instead = np.where(holes > 0, highest[places], np.where(holes < 0, lowest[places], median[places]))
        values[rows, places] = instead

    @property
    def instead(self) -> dict[str, tuple[float, float, float]]:
        """Feature → what replaces NaN, −inf and +inf."""
        return {name: (self.median[name], self.lowest[name], self.highest[name]) for name in self.median}

    @cached_property
    def _learnt(self) -> tuple[Floats, Floats, Floats]:
        """The values to fill in, as arrays: serving needs them for every reading."""
        median, lowest, highest = (
            np.array([values[name] for name in self.median]) for values in (self.median, self.lowest, self.highest)
        )
        return median, lowest, highest


def with_values(rows: pd.DataFrame, min_share: float = MIN_SHARE) -> tuple[str, ...]:
    """Return the features that have a finite value in at least this share of the (training) rows, and in one.

    `FeaturePlan.shrink` drops the others from the plan.
    """
    least_count = max(1.0, min_share * len(rows))
    return tuple(name for name in _features(rows) if len(_finite(rows[name])) >= least_count)


def _features(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows.columns if name not in tables.FEATURES.names()]


def _finite(values: pd.Series) -> Floats:
    numbers: Floats = values.to_numpy(dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def filled(imputer: Imputer | None, rows: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return rows whose features all have a value: a missing one is replaced by a value learnt in training.

    Fitting, scoring, explanation and self-test all use this function.

    Parameters
    ----------
    imputer : Imputer or None
        Knows the features that may lack a value; None if all always have one, and the rows come back as they are.
    rows : DataFrame
        Usable rows of the features table, with any further columns.
    columns : tuple of str
        The features to return.

    Returns
    -------
    DataFrame with the index of ``rows``
        Columns of the table itself and, in order, the features; no others where a value may have been filled.
    """
    if imputer is None:
        return rows
    blank = list(imputer.median)
    may_lack = set(blank)
    fixed = [name for name in tables.FEATURES.names() if name in rows]
    complete = [name for name in columns if name not in may_lack]
    filled_rows = pd.concat([rows[[*fixed, *complete]], imputer.transform(rows[blank])], axis=1)
    return filled_rows if [*complete, *blank] == list(columns) else filled_rows[[*fixed, *columns]]
