"""Where a sensor lies, and how restless it is: two questions, the second of less weight.

Restlessness (`wheeltapper.features.sets.restlessness`) is what a stuck, a noisy or a clipped sensor shows and a mean
does not. But it says nothing of most faults of machines, and every further feature makes each row a little stranger: a
sum over both hears small shifts of the level later.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.detectors.rows import Names
from wheeltapper.features.restless import rows_of


def is_restless(columns: Names) -> NDArray[np.bool_]:
    """Tell which features say how restless a sensor is, shape (n_features,)."""
    return np.array([rows_of(name) is not None for name in columns.tolist()], dtype=bool)
