"""Whether numbers are finite and not too large, compiled: one look at each and no copy of them all."""

from __future__ import annotations

from wheeltapper.compiled import compiled
from wheeltapper.detectors import Floats


@compiled
def are_within(values: Floats, limit: float) -> bool:
    """Tell whether all numbers lie between ± ``limit``; NaN does not."""
    for row in range(values.shape[0]):
        outside = 0
        for column in range(values.shape[1]):
            outside += not abs(values[row, column]) <= limit
        if outside:
            return False
    return True
