"""The common part of all detectors of sequences: they find the sequence among the columns of a row, and judge it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows
from wheeltapper.errors import DataError
from wheeltapper.features.columns import Feature, describe

LEAST_STEPS = 4
"""Readings that make a sequence: three say where something is going, and the fourth whether it went there."""

_CHUNK = 4096  # rows at a time: what lies between the layers of a network is many times as large as its rows

Places = NDArray[np.int64]


class SequenceDetector(ArrayDetector):
    """Judges each row by the sequence in it, and by nothing else that may be in the row.

    The sequence is the columns that show one, those of feature set `sequence`; other columns count for nothing. A row
    is a whole sequence of all sensors, so it is scored on its own like every other row.

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
        places = sequence_places(describe(columns.tolist(), self.features), type(self).__name__)
        self._learn(_sequences(values, places))
        self.columns_, self.places_ = columns, places
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return how unusual each row's sequence is."""
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
            values_of_parts = self._parts(_sequences(values[some], self.places_))
            parts[some, self.places_.ravel()] = values_of_parts.reshape(len(values_of_parts), -1)
        return as_frame(parts, self, rows)

    @abstractmethod
    def _learn(self, sequences: Floats) -> None:
        """Learn from training sequences of shape (n_windows, n_steps, n_sensors), the latest reading at the end."""

    @abstractmethod
    def _parts(self, sequences: Floats) -> Floats:
        """Return what each reading adds to its row's score, not negative; same shape as ``sequences``."""


def sequence_places(features: Sequence[Feature], owner: str) -> Places:
    """Return where the sequence's readings are among the columns.

    Parameters
    ----------
    features : sequence of Feature
        What the columns show, in their order.
    owner : str
        The detector's name, for the message.

    Returns
    -------
    ndarray of shape (n_steps, n_sensors)
        Sensors in the order of their names, so that the order of columns decides nothing.

    Raises
    ------
    DataError
        If there are no such columns, too few steps, or a sensor lacks one.
    """
    columns: dict[str, dict[int, int]] = {}
    for column, feature in enumerate(features):
        if feature.shows == "sequence" and feature.place is not None:
            columns.setdefault(feature.sensors[0], {})[feature.place] = column
    if not columns:
        names = [feature.name for feature in features]
        raise DataError(
            f"{owner} looks at sequences, and among the {len(names)} features there is none "
            f"(there are: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}). Add the feature set 'sequence' to "
            "the plant's features."
        )
    steps = 1 + max(max(places) for places in columns.values())
    for sensor, places in columns.items():
        missing = [place for place in range(max(steps, LEAST_STEPS)) if place not in places]
        if missing:
            raise DataError(
                f"{owner} needs the whole sequence of every sensor, at least {LEAST_STEPS} readings; of "
                f"'{sensor}' the reading at place {missing[0]} is missing (it has {len(places)} of "
                f"{max(steps, LEAST_STEPS)}). Give it all columns of the feature set 'sequence'."
            )
    return np.array([[columns[sensor][step] for sensor in sorted(columns)] for step in range(steps)], dtype=np.int64)


def _sequences(values: Floats, places: Places) -> Floats:
    taken: Floats = values.take(places.ravel(), axis=1).reshape(len(values), *places.shape)
    return taken
