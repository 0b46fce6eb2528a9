"""Baseline: never raises an alarm. A better model must find something."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors.rows import ArrayDetector, Names, learn_rows


class AlwaysNormal(ArrayDetector):
    """Call every window normal: severity 0.

    It shows what silence costs. Where faults are rare it looks accurate, which is why accuracy is not reported.
    """

    is_baseline: ClassVar[bool] = True
    own_threshold: float | None = 1.0
    notices: ClassVar[Literal["every sensor", "some sensors", "nothing"]] = "nothing"
    columns_: Names

    def fit(self, rows: pd.DataFrame) -> Self:
        """Remember which features there are; there is nothing else to learn."""
        self.columns_, _ = learn_rows(rows)
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return 0 for every row, shape (n_windows,), unitless."""
        return np.zeros(len(values))
