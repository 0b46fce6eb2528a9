"""Where a sensor lies, and how restless it is: two questions, the second of less weight.

Restlessness (`wheeltapper.features.sets.restlessness`) is what a stuck, a noisy or a clipped sensor shows and a mean
does not. But it says nothing of most faults of machines, and every further feature makes each row a little stranger: a
sum over both notices small shifts of the level later.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wheeltapper.detectors import Detector
from wheeltapper.detectors.rows import learnt_names
from wheeltapper.features.columns import describe


def is_restless(detector: Detector) -> NDArray[np.bool_]:
    """Tell which of the features that a detector learns from show how restless a sensor is, shape (n_features,)."""
    features = describe(learnt_names(detector), detector.features)
    return np.array([feature.shows == "restlessness" for feature in features], dtype=bool)
