"""Where a sensor lies, and how restless it is: two questions that a detector must not mix.

Restlessness (`wheeltapper.features.sets.restlessness`) is what a stuck, a noisy or a clipped sensor shows and a mean
does not. But it says nothing of most faults of machines, and every further feature makes each row a little stranger: a
sum over both hears small shifts of the level later. So it gets a say of its own, and a smaller one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.detectors._rows import Names
from wheeltapper.features.restless import rows_of

WEIGHT = 0.2
"""What restlessness counts beside the level. Chosen by benchmarks/quality.py: with a fifth, next to nothing is lost
where levels tell the faults, and much is found of what only restlessness tells; with a third, some is lost."""


def is_restless(columns: Names) -> NDArray[np.bool_]:
    """Tell which features say how restless a sensor is, shape (n_features,)."""
    return np.array([rows_of(name) is not None for name in columns.tolist()], dtype=bool)
