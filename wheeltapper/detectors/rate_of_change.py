"""Rate of change: sensors that move faster than they ever do are unusual."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors._squares import SumOfSquares
from wheeltapper.detectors.rows import Names, learn_rows
from wheeltapper.errors import DataError
from wheeltapper.features.columns import Feature, describe

_LEAST_SPREAD = 0.1  # rows are normalised: below a tenth of a usual deviation a difference is not worth hearing about


class RateOfChange(SumOfSquares):
    """Judge nothing but how fast the sensors change: the mean square of their rates, in standard deviations.

    Meters and counters tell little by their level (it follows the season and the tenant) and much by their change.
    Sensors that all move at once count together.

    It does not notice a level that is wrong and stays wrong, nor a slow drift; and where normal running switches often,
    the switching itself decides the threshold. As a candidate beside others, or as a member of an `ensemble`.

    Parameters
    ----------
    suffix : str, optional
        Look at the columns whose names end like this instead of those that show a rate: ``__change_3`` for the changes
        of the feature set `lags`; an empty text for every column.

    References
    ----------
    .. [1] M. Basseville, I. V. Nikiforov, "Detection of Abrupt Changes", Prentice Hall 1993, ch. 2.1 (filtered
           derivatives).
    """

    example_options: ClassVar[dict[str, Any]] = {"suffix": ""}
    other_values: ClassVar[dict[str, Any]] = {"suffix": "__change"}
    columns_: Names
    weight_: Floats
    centre_: Floats

    def __init__(self, suffix: str | None = None) -> None:
        if suffix is not None and (not isinstance(suffix, str) or (suffix and not suffix.startswith("__"))):
            raise ValueError(
                f"rate_of_change's option 'suffix' must be a text that starts with '__', such as '__rate', or empty, "
                f"got {suffix!r}"
            )
        self.suffix = suffix

    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn how fast each sensor usually changes.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
            If no column holds a rate.
        """
        columns, values = learn_rows(rows)
        is_rate = np.array([self._is_rate(feature) for feature in describe(columns.tolist(), self.features)])
        if not is_rate.any():
            sought = "show a rate" if self.suffix is None else f"end in '{self.suffix}'"
            raise DataError(
                f"rate_of_change looks at columns that {sought}, but the plan has none among its "
                f"{len(columns)} (the first: {', '.join(columns[:5].tolist())}). Add the feature set rates to the "
                "plant's features, or leave rate_of_change out of the candidates."
            )
        self.columns_ = columns
        self.centre_ = values.mean(axis=0)
        self.weight_ = np.where(is_rate, 1.0 / np.maximum(values.std(axis=0), _LEAST_SPREAD) ** 2 / is_rate.sum(), 0.0)
        return self

    def _is_rate(self, feature: Feature) -> bool:
        return feature.shows == "rate" if self.suffix is None else feature.name.endswith(self.suffix)

    def _squares(self, values: Floats) -> Floats:
        squares: Floats = self.weight_ * (values - self.centre_) ** 2
        return squares
