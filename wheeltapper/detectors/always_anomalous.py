"""Baseline: raises an alarm all the time. A better model must raise fewer alarms."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd

from wheeltapper.detectors import Floats
from wheeltapper.detectors.rows import ArrayDetector, Names, learn_rows


class AlwaysAnomalous(ArrayDetector):
    """Call every window anomalous: severity 2, twice its own threshold.

    It finds every fault and is worthless. Where faults are long it gets a high F1 (0.70 on a public pump testbed),
    which is why F1 alone decides nothing here.
    """

    is_baseline: ClassVar[bool] = True
    always_alarms: ClassVar[bool] = True
    own_threshold: float | None = 1.0
    notices: ClassVar[Literal["every sensor", "some sensors", "nothing"]] = "nothing"
    columns_: Names

    def fit(self, rows: pd.DataFrame) -> Self:
        """Remember which features there are; there is nothing else to learn."""
        self.columns_, _ = learn_rows(rows)
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return 2 for every row, shape (n_windows,), unitless."""
        return np.full(len(values), 2.0)
