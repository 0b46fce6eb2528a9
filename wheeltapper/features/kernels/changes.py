"""tsfresh's features of a window's steps: how far it moves from reading to reading, and how much energy it holds."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places
from wheeltapper.features.kernels._sums import total

NAMES = (
    *("mean_change", "mean_abs_change", "absolute_sum_of_changes", "mean_second_derivative_central"),
    *("abs_energy",),
)
"""The features in the order of the columns of `_five`."""


def _only(name: str, values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return one of the five, once for each (empty) parameter dict, in the values' unit (the energy: its square).

    The mean change of one reading and the mean second derivative of two do not exist: NaN, as in tsfresh.
    """
    table = np.empty((len(first), len(NAMES)))
    _five(values, first, last, np.empty(int((last - first).max(initial=0)) + 1), table)
    return np.repeat(table[:, [NAMES.index(name)]], len(parameters), axis=1)


@compiled
def _five(values: Any, first: Any, last: Any, steps: Any, table: Any) -> None:
    """Fill the table in the order of `NAMES`."""
    for window in range(len(first)):
        begin, end = first[window], last[window]
        n = end - begin
        for place in range(n):
            steps[place] = abs(values[begin + place + 1] - values[begin + place])
        moved = total(steps, 0, n)
        table[window, 0] = (values[end] - values[begin]) / n if n else np.nan
        table[window, 1] = moved / n if n else np.nan
        table[window, 2] = moved
        table[window, 3] = np.nan
        if n > 1:
            table[window, 3] = (values[end] - values[end - 1] - values[begin + 1] + values[begin]) / (2 * (n - 1))
        table[window, 4] = np.dot(values[begin : end + 1], values[begin : end + 1])


KERNELS: dict[str, Kernel] = {name: partial(_only, name) for name in NAMES}
