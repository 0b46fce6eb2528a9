"""Feature rows on their way into a detector: the same columns as in training, finite numbers, none too large."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Detector, Floats, require_fitted
from wheeltapper.errors import DataError
from wheeltapper.spelling import near_miss

LIMIT = 1e9
"""Values beyond this are read as this: a thousand million usual deviations are not more unusual than two thousand
million, and their squares stay finite."""

LEAST_ROWS = 10
"""Chosen: a mean and a spread of fewer rows are not reliable."""

Names = NDArray[np.str_]


class _Fitted(Protocol):
    columns_: Names


class ArrayDetector(Detector):
    """A detector that scores plain numbers; `score` reads them from a table, and gives the same to the last bit.

    A row gets the same score alone, in any batch and at any place in it. So `_scores` may not use a matrix product
    (``@``, ``dot``), whose last digits depend on the number of rows: the kernels of this folder's ``_*.py`` add up in a
    fixed order, and so does NumPy over the last axis of arrays in C order.
    """

    def score(self, rows: pd.DataFrame) -> Floats:
        """Return how unusual each row is, shape (n_windows,), finite; each row is scored on its own.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features)
            The features that were learnt, in any order.

        Raises
        ------
        NotFittedError, DataError
        """
        return self._scores(read_rows(self, rows))

    def score_array(self, values: Floats) -> Floats:
        """Return how unusual each row of plain numbers is, shape (n_windows,), finite.

        Parameters
        ----------
        values : ndarray of shape (n_windows, n_features), float64
            In the order of the columns that were learnt.

        Raises
        ------
        NotFittedError, DataError
        """
        return self._scores(read_values(self, values))

    @abstractmethod
    def _scores(self, values: Floats) -> Floats:
        """Return the scores of rows in the order of columns that was learnt; finite, in C order, within ± `LIMIT`."""


def learn_rows(rows: pd.DataFrame) -> tuple[Names, Floats]:
    """Return the names of the features and the training rows as numbers.

    Parameters
    ----------
    rows : DataFrame of shape (n_windows, n_features)

    Returns
    -------
    names : ndarray of shape (n_features,), text
    values : ndarray of shape (n_windows, n_features), a copy in row order, between -`LIMIT` and `LIMIT`

    Raises
    ------
    DataError
        If there are too few rows, no column, two columns of one name, or a value that is no finite number.
    """
    names = [str(name) for name in rows.columns]
    if len(rows) < LEAST_ROWS or not names:
        raise DataError(
            f"a detector needs at least {LEAST_ROWS} feature rows of normal running with at least one feature, "
            f"got {len(rows)} rows of {len(names)} features. Give it a longer training part."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"every feature needs a name of its own; {twice} arrived more than once. Rename or drop them.")
    return np.array(names, dtype=np.str_), _numbers(rows, names)


def read_rows(detector: Detector, rows: pd.DataFrame) -> Floats:
    """Return feature rows as numbers, with the columns in the order that the detector learnt.

    Parameters
    ----------
    detector : Detector
        Fitted; its ``columns_`` says which features it knows.
    rows : DataFrame of shape (n_windows, n_features)
        The same features as in training, in any order.

    Returns
    -------
    ndarray of shape (n_windows, n_features), between -`LIMIT` and `LIMIT`

    Raises
    ------
    NotFittedError
    DataError
        If a feature is missing, unknown, or holds a value that is no finite number.
    """
    names = learnt_names(detector)
    columns = rows.columns.tolist()
    if columns != names:
        _refuse_other_columns(type(detector).__name__, names, columns)
        rows = rows[names]
    return _read_only(_numbers(rows, names))


def read_values(detector: Detector, values: Floats) -> Floats:
    """Return rows that come as plain numbers, in C order and between -`LIMIT` and `LIMIT`.

    Parameters
    ----------
    detector : Detector
    values : ndarray of shape (n_windows, n_features)
        In the order of the columns that the detector learnt.

    Raises
    ------
    NotFittedError
    DataError
        If there are more or fewer features, or a value is no finite number.
    """
    learnt = _learnt(detector)
    if values.ndim != 2 or values.shape[1] != len(learnt):
        raise DataError(
            f"{type(detector).__name__} was fitted on {len(learnt)} features and needs rows of as many numbers; "
            f"an array of shape {values.shape} arrived. Give it the features in the order that it learnt."
        )
    return _read_only(_limited(np.ascontiguousarray(values, dtype=np.float64), learnt))


def learnt_names(detector: Detector) -> list[str]:
    """Return the features that a detector was fitted on, in order."""
    names: list[str] = _learnt(detector).tolist()
    return names


def _learnt(detector: Detector) -> Names:
    require_fitted(detector, "columns_")
    fitted: _Fitted = detector  # type: ignore[assignment]
    return fitted.columns_


def as_frame(values: Floats, detector: Detector, rows: pd.DataFrame) -> pd.DataFrame:
    """Return values in the detector's own order of columns as a table that looks like ``rows``."""
    frame = pd.DataFrame(values, index=rows.index, columns=learnt_names(detector))
    return frame[rows.columns.tolist()]


def thinned(values: Floats, max_rows: int, seed: int) -> Floats:
    """Return all rows, or a seeded sample of ``max_rows`` of them in the same order: it bounds memory and time."""
    if len(values) <= max_rows:
        return values
    return values[np.sort(np.random.default_rng(seed).choice(len(values), max_rows, replace=False))]


def _refuse_other_columns(owner: str, names: list[str], columns: list[str]) -> None:
    missing = [name for name in names if name not in columns]
    unknown = [name for name in columns if name not in names]
    if missing or unknown or len(columns) != len(names):
        wrong = (missing or unknown or columns)[0]
        hint = near_miss(str(wrong), [str(name) for name in (unknown if missing else names)])
        raise DataError(
            f"{owner} was fitted on {len(names)} features and needs the same ones; missing {missing[:5]}, "
            f"unknown {unknown[:5]}, {len(columns)} arrived.{hint} Compute the rows with the feature plan that it was "
            "trained with."
        )


def _numbers(rows: pd.DataFrame, names: list[str]) -> Floats:
    values: Floats = rows.to_numpy()
    if values.dtype != np.float64:
        values = _as_float64(rows)
    return _limited(np.ascontiguousarray(values), names)


def _limited(values: Floats, names: Sequence[str] | Names) -> Floats:
    """Return finite numbers between -`LIMIT` and `LIMIT`; the array itself if it holds no others."""
    from wheeltapper.detectors._bounds import are_within  # numba opens slowly

    if are_within(_read_only(values), LIMIT):
        return values
    is_finite = np.isfinite(values)
    if not is_finite.all():
        row, column = np.argwhere(~is_finite)[0]
        raise DataError(
            f"feature '{names[column]}' holds {values[row, column]} in row {row}; a detector takes finite numbers "
            "only. Mark such windows as not usable, or drop the feature."
        )
    return np.clip(values, -LIMIT, LIMIT)


def _read_only(values: Floats) -> Floats:
    """Return a view that cannot be written to, always: numba would compile each kernel once more for the other kind."""
    values = values.view()
    values.flags.writeable = False
    return values


def _as_float64(rows: pd.DataFrame) -> Floats:
    for name, column in rows.items():
        if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
            raise DataError(
                f"feature '{name}' holds {column.dtype}, not numbers. Leave it out, or turn it into a number first."
            )
    return rows.to_numpy(dtype=np.float64, na_value=np.nan)
