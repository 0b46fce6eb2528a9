"""What all detectors of sequences share: they find a row's sequence by the names of its columns, and judge it."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Detector, Floats
from wheeltapper.detectors.rows import Names, as_frame, learn_rows, read_rows
from wheeltapper.errors import DataError

LEAST_STEPS = 4
"""Readings that make a sequence: three say where something is going, and the fourth whether it went there."""

_COLUMN = re.compile(r"(?P<sensor>.+)__at_(?P<place>0|[1-9][0-9]*)")
_CHUNK = 4096  # rows at a time: what lies between the layers of a network is many times as large as its rows

Places = NDArray[np.int64]


class SequenceDetector(Detector):
    """Judges each row by the sequence in it, and by nothing else that may be in the row.

    The sequence is the columns ``<sensor>__at_0``, ``<sensor>__at_1``, … of feature set `sequence`; other columns
    count for nothing. A row is a whole sequence of all sensors, so it is scored on its own like every other row.

    A kind of it says how to `_learn` from sequences, and what each reading adds to the score, its `_parts`.
    """

    reads_sequences: ClassVar[bool] = True
    columns_: Names
    places_: Places

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn how sensors usually move.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            In time order, with the columns of feature set `sequence`.

        Raises
        ------
        DataError
            If the sequence's columns are missing, or some of them.
        """
        columns, values = learn_rows(rows)
        places = sequence_places(columns.tolist(), type(self).__name__)
        self._learn(_sequences(values, places))
        self.columns_, self.places_ = columns, places
        return self

    def score(self, rows: pd.DataFrame) -> Floats:
        """Return how unusual each row's sequence is.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features)

        Returns
        -------
        ndarray of shape (n_windows,)

        Raises
        ------
        NotFittedError, DataError
        """
        values = read_rows(self, rows)
        scores = np.empty(len(values))
        for start in range(0, len(values), _CHUNK):
            some = slice(start, start + _CHUNK)
            scores[some] = self._parts(_sequences(values[some], self.places_)).sum(axis=(1, 2))
        return scores

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return what each reading of the sequence adds to the score, never negative; every row adds up to its score.

        Raises
        ------
        NotFittedError, DataError
        """
        values = read_rows(self, rows)
        parts = np.zeros_like(values)
        for start in range(0, len(values), _CHUNK):
            some = slice(start, start + _CHUNK)
            found = self._parts(_sequences(values[some], self.places_))
            parts[some, self.places_.ravel()] = found.reshape(len(found), -1)
        return as_frame(parts, self, rows)

    @abstractmethod
    def _learn(self, sequences: Floats) -> None:
        """Learn from training sequences of shape (n_windows, n_steps, n_sensors), the latest reading at the end."""

    @abstractmethod
    def _parts(self, sequences: Floats) -> Floats:
        """Return what each reading adds to its row's score, not negative; same shape as ``sequences``."""


def sequence_places(names: list[str], owner: str) -> Places:
    """Return where the sequence's readings are among the columns.

    Parameters
    ----------
    names : list of str
        The features' names, in order.
    owner : str
        Who asks, for the message.

    Returns
    -------
    ndarray of shape (n_steps, n_sensors)
        Sensors in the order of their names, so that the order of columns decides nothing.

    Raises
    ------
    DataError
        If there are no such columns, too few steps, or a sensor lacks one.
    """
    found: dict[str, dict[int, int]] = {}
    for column, name in enumerate(names):
        match = _COLUMN.fullmatch(name)
        if match:
            found.setdefault(match["sensor"], {})[int(match["place"])] = column
    if not found:
        raise DataError(
            f"{owner} listens to sequences, and among the {len(names)} features there is none "
            f"(there are: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}). Add the feature set 'sequence' to "
            "the plant's features: its columns are <sensor>__at_0, <sensor>__at_1, …"
        )
    steps = 1 + max(max(places) for places in found.values())
    for sensor, places in found.items():
        missing = [place for place in range(max(steps, LEAST_STEPS)) if place not in places]
        if missing:
            raise DataError(
                f"{owner} needs the whole sequence of every sensor, at least {LEAST_STEPS} readings; of "
                f"'{sensor}' the column {sensor}__at_{missing[0]} is missing (it has {len(places)} of "
                f"{max(steps, LEAST_STEPS)}). Give it all columns of the feature set 'sequence'."
            )
    return np.array([[found[sensor][step] for sensor in sorted(found)] for step in range(steps)], dtype=np.int64)


def _sequences(values: Floats, places: Places) -> Floats:
    taken: Floats = values[:, places.ravel()].reshape(len(values), *places.shape)
    return taken
