"""The types that all kernels share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
"""Positions in an array of readings."""
Parameters = Sequence[dict[str, Any]]
"""tsfresh's list of parameter dicts of one calculator; ``[{}]`` where it takes none."""
Kernel = Callable[[Floats, Places, Places, Parameters], Floats]
"""``kernel(values, first, last, parameters)`` → array of shape (n_windows, len(parameters)).

Window i is ``values[first[i] : last[i] + 1]``; windows may overlap and differ in length, and hold finite values only.
"""
