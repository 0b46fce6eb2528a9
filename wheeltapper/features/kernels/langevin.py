"""tsfresh's features of a drift: the usual step of a reading as a polynomial of its value (Friedrich [1]_).

Readings are sorted into bins of equal counts, the mean step of each bin is set against its mean reading, and a
polynomial is fitted. Fit and roots are numpy's own, because both magnify the smallest difference: readings of
80 ± 0.5 make the polynomial's powers so alike that the tenth digit depends on the order of the sums. So the bins are
pandas', edges and all, computed without pandas.

References
----------
.. [1] R. Friedrich et al., "Extracting model equations from experimental data", Physics Letters A 271, 2000,
   doi:10.1016/S0375-9601(00)00334-0
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.compiled import compiled
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels import _tsfresh
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places

_NO_BINS, _TOO_CLOSE, _IN_ORDER = -1, -2, -3
_SAME = 1e-14
"""Edges closer than this, next to their size, may get the same label from pandas; tsfresh itself looks at these."""
_LEAST, _MOST = 1e-280, 1e280
"""Sizes between which pandas can round edges to a label without losing them."""


def friedrich_coefficients(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the polynomial that says how strongly readings are driven away from, or back to, where they are.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``m``: degree; ``r``: number of bins; ``coeff``: which coefficient, 0 is that of the highest power.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        NaN where bins of equal counts cannot be made (equal readings across an edge).

    Raises
    ------
    ConfigError
        If a coefficient's number is below 0.
    """
    negative = [parameter["coeff"] for parameter in parameters if parameter["coeff"] < 0]
    if negative:
        raise ConfigError(f"friedrich_coefficients has no coeff {negative[0]}; count from 0, the highest power")
    result = np.full((len(first), len(parameters)), np.nan)
    for m, r in {(parameter["m"], parameter["r"]) for parameter in parameters}:
        table = _coefficients(values, first, last, m, r)
        for column, parameter in enumerate(parameters):
            if (parameter["m"], parameter["r"]) == (m, r) and parameter["coeff"] <= m:
                result[:, column] = table[:, parameter["coeff"]]
    return result


def max_langevin_fixed_point(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the highest reading at which nothing drives a sensor up or down.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``m``: degree; ``r``: number of bins.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the values' unit; NaN where `friedrich_coefficients` is.
    """
    columns = [
        _highest_roots(_coefficients(values, first, last, parameter["m"], parameter["r"])) for parameter in parameters
    ]
    return np.stack(columns, axis=1)


def _coefficients(values: Floats, first: Places, last: Places, m: int, r: int) -> Floats:
    """Return the polynomial of degree m of each window, highest power first, shape (n_windows, m + 1)."""
    table = np.full((len(first), m + 1), np.nan)
    longest = int((last - first).max(initial=0)) + 1
    room = np.empty((6, max(longest, r + 1)))
    matrix, target, scale = np.empty((r, m + 1)), np.empty(r), np.empty(m + 1)
    quantiles = _quantiles(r)
    with np.errstate(all="ignore"):
        for window, (begin, end) in enumerate(zip(first.tolist(), (last + 1).tolist(), strict=True)):
            bins = _bins(values[begin:end], quantiles, room, matrix, target, scale)
            if bins == _TOO_CLOSE:
                table[window] = _by_tsfresh(values[begin:end], m, r)
            elif bins == _IN_ORDER:
                table[window] = _fit_in_order(values[begin:end], room[0, : r + 1], m)
            elif bins != _NO_BINS:
                table[window] = _fit(matrix[:bins], target[:bins], scale)
    return table


def _quantiles(r: int) -> Floats:
    """Return pandas' r + 1 quantiles: rounded up where binary cannot hold them."""
    quantiles = np.linspace(0, 1, r + 1)
    np.putmask(quantiles, r * quantiles != np.arange(r + 1), np.nextafter(quantiles, 1))
    return quantiles


def _fit(matrix: Floats, target: Floats, scale: Floats) -> Floats:
    """Finish what ``numpy.polyfit`` does, without its warning of a fit that hangs on too few bins."""
    if not np.isfinite(matrix).all():  # a reading's power overflowed; LAPACK would say so on the terminal
        return np.full(len(scale), np.nan)
    try:
        coefficients = np.linalg.lstsq(matrix, target, rcond=len(target) * np.finfo(float).eps)[0]
    except np.linalg.LinAlgError:
        return np.full(len(scale), np.nan)
    return np.asarray(coefficients / scale)


def _fit_in_order(readings: Floats, edges: Floats, m: int) -> Floats:
    """Fit a window whose bins follow each other in time: from 3.1 on, pandas adds such bins up in another order."""
    bins = np.maximum(np.searchsorted(edges, readings[:-1]), 1)
    where, step = (
        np.asarray(pd.Series(series).groupby(bins).mean(), dtype=np.float64)
        for series in (readings[:-1], np.diff(readings))
    )
    matrix = np.vander(where, m + 1)
    scale: Floats = np.sqrt((matrix * matrix).sum(axis=0))
    return _fit(matrix / scale, step, scale)


def _by_tsfresh(readings: Floats, m: int, r: int) -> Floats:
    settings = [{"coeff": coefficient, "m": m, "r": r} for coefficient in range(m + 1)]
    whole = np.array([0]), np.array([len(readings) - 1])
    result: Floats = _tsfresh.calculate("friedrich_coefficients", settings, np.ascontiguousarray(readings), *whole)[0]
    return result


def _highest_roots(table: Floats) -> Floats:
    """Return the largest real part of each polynomial's roots, the companion's eigenvalues as in ``numpy.roots``."""
    highest = np.full(len(table), np.nan)
    are_finite = np.isfinite(table).all(axis=1)
    with np.errstate(all="ignore"):
        tops = -table[:, 1:] / table[:, :1]
        are_plain = are_finite & (table[:, 0] != 0) & (table[:, -1] != 0) & np.isfinite(tops).all(axis=1)
        for window in np.flatnonzero(are_finite & ~are_plain):
            highest[window] = _highest_root(table[window])
    if are_plain.any():
        degree = table.shape[1] - 1
        companions = np.broadcast_to(np.eye(degree, k=-1), (int(are_plain.sum()), degree, degree)).copy()
        companions[:, 0, :] = tops[are_plain]
        highest[are_plain] = np.real(np.linalg.eigvals(companions)).max(axis=1)
    return highest


def _highest_root(polynomial: Floats) -> float:
    """Return the largest real part of the roots of a polynomial that begins or ends in zeros, or NaN if it has none."""
    try:
        return float(np.max(np.real(np.roots(polynomial))))
    except (np.linalg.LinAlgError, ValueError):
        return math.nan


@compiled
def _bins(readings: Any, quantiles: Any, room: Any, matrix: Any, target: Any, scale: Any) -> Any:
    """Bin a window's steps by where they begin; return the number of bins filled, or why there are none.

    Fills ``matrix`` with the scaled powers of the bins' mean readings, ``target`` with their mean steps, ``scale``.
    """
    n = len(readings) - 1
    if n < 1:
        return _NO_BINS
    edges = room[0, : len(quantiles)]
    _quantile_edges(readings[:-1], quantiles, room[1, :n], edges)
    problem = _usable(edges)
    if problem != 0:
        return problem
    sums, sum_slips = room[1, : len(edges)], room[2, : len(edges)]
    steps, step_slips = room[3, : len(edges)], room[4, : len(edges)]
    counts = room[5, : len(edges)]
    room[1:, : len(edges)] = 0.0
    before, in_order = 0, True
    for place in range(n):
        at = max(_place(edges, readings[place]), 1)
        in_order = in_order and at >= before
        before = at
        _add(sums, sum_slips, at, readings[place])
        _add(steps, step_slips, at, readings[place + 1] - readings[place])
        counts[at] += 1
    if in_order:
        return _IN_ORDER
    return _powers(sums, steps, counts, matrix, target, scale)


@compiled
def _place(edges: Any, value: Any) -> Any:
    """Return how many edges lie below a value: ``numpy.searchsorted``, which numba takes seconds to compile."""
    low, high = 0, len(edges)
    while low < high:
        middle = (low + high) // 2
        if edges[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _quantile_edges(readings: Any, quantiles: Any, ordered: Any, edges: Any) -> None:
    """Fill in the quantiles; between two readings on a straight line, each half of it from its own end as in numpy."""
    n = len(readings)
    ordered[:] = readings
    ordered.sort()
    for place in range(len(quantiles)):
        at = (n - 1) * quantiles[place]
        if at >= n - 1:
            edges[place] = ordered[n - 1]
            continue
        below = math.floor(at)
        share = at - below
        low, high = ordered[int(below)], ordered[int(below) + 1]
        distance = high - low
        edges[place] = high - distance * (1 - share) if share >= 0.5 else low + distance * share


@compiled
def _usable(edges: Any) -> Any:
    """Return 0 if all edges differ clearly, or why they do not."""
    is_close = False
    for place in range(len(edges)):
        size = abs(edges[place])
        is_close = is_close or size > _MOST or 0.0 < size < _LEAST
        if place > 0:
            if edges[place] == edges[place - 1]:
                return _NO_BINS
            apart = edges[place] - edges[place - 1]
            is_close = is_close or not apart > _SAME * max(size, abs(edges[place - 1]))
    return _TOO_CLOSE if is_close else 0


@compiled
def _add(sums: Any, slips: Any, at: Any, value: Any) -> None:
    """Add a value to a sum as pandas does, carrying along what rounding lost (Kahan)."""
    value -= slips[at]
    total = sums[at] + value
    slip = total - sums[at] - value
    slips[at] = 0.0 if math.isnan(slip) else slip
    sums[at] = total


@compiled
def _powers(sums: Any, steps: Any, counts: Any, matrix: Any, target: Any, scale: Any) -> Any:
    """Turn sums into means, means into columns of powers of length one; return how many bins are not empty."""
    bins = 0
    degree = len(scale) - 1
    scale[:] = 0.0
    for at in range(1, len(counts)):
        if counts[at] == 0:
            continue
        mean = sums[at] / counts[at]
        power = 1.0
        for column in range(degree, -1, -1):
            matrix[bins, column] = power
            scale[column] += power * power
            power = power * mean
        target[bins] = steps[at] / counts[at]
        bins += 1
    for column in range(degree + 1):
        scale[column] = math.sqrt(scale[column])
        for line in range(bins):
            matrix[line, column] /= scale[column]
    return bins


KERNELS: dict[str, Kernel] = {
    "friedrich_coefficients": friedrich_coefficients,
    "max_langevin_fixed_point": max_langevin_fixed_point,
}
