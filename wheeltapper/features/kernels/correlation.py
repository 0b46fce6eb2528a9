"""tsfresh's features of a window against itself a few readings later: autocorrelation and its relatives.

All lags of a window share one mean and one set of deviations. Sums are added up in numpy's order, or by BLAS where
numpy leaves them to BLAS.

It does not work for a window that is nearly a straight line or a pure wave: each step of the Levinson-Durbin recursion
[1]_ divides by the variance that earlier steps left unexplained, here almost 0. Such windows go to tsfresh.

References
----------
.. [1] J. Durbin, "The Fitting of Time-Series Models", Revue de l'Institut International de Statistique 28(3), 1960,
   doi:10.2307/1401322
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.features.kernels import _tsfresh
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places
from wheeltapper.features.kernels._sums import total, variance

_STILL = 1e-8
"""Variance up to which tsfresh has no autocorrelation (``numpy.isclose`` to 0)."""
_VERY_STILL = 1e-10
"""Variance below which tsfresh's aggregated autocorrelation is that of zeros."""
_EXPLAINED = 1e-6
"""Share of the variance below which what is left unexplained has lost ten digits."""
_UNDERFLOW = 1e-290
_BY_FFT = 1250
"""Readings above which tsfresh correlates by Fourier transform."""
_TRANSFORMABLE = 1e140
"""Size of a sum of deviations from which the square of a transform may overflow."""
_COMPILED_AGGREGATES = ("mean", "var", "std", "median")


def autocorrelation(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Say how much a reading resembles the one ``lag`` readings later: 1 fully, 0 not at all, −1 its opposite.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``lag``, in readings.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        NaN where the window is no longer than the lag, or its variance is 1e-8 or less.
    """
    return _filled(_autocorrelations, values, first, last, parameters, "lag")


def agg_autocorrelation(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the mean, variance, … of a window's autocorrelations at lags 1 to ``maxlag``.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``f_agg``: name of a function of numpy; ``maxlag``: highest lag, in readings.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
    """
    result = np.empty((len(first), len(parameters)))
    n = last - first + 1
    lags = np.empty((len(first), max(parameter["maxlag"] for parameter in parameters)))
    counts = np.empty(len(first), dtype=np.int64)
    _correlogram(values, first, last, np.empty(int(n.max(initial=1))), lags, counts)
    for column, parameter in enumerate(parameters):
        if parameter["f_agg"] in _COMPILED_AGGREGATES:
            used = np.minimum(counts, int(parameter["maxlag"]))
            kind = _COMPILED_AGGREGATES.index(parameter["f_agg"])
            _aggregate(lags, used, kind, np.empty(lags.shape[1]), result[:, column])
        else:
            aggregate = getattr(np, parameter["f_agg"])
            for window, count in enumerate(counts):
                result[window, column] = aggregate(lags[window, :count][: int(parameter["maxlag"])])
    overflown = [
        window
        for window in np.flatnonzero(n > _BY_FFT)
        if not np.ptp(values[first[window] : last[window] + 1]) * n[window] < _TRANSFORMABLE
    ]
    if overflown:
        result[overflown] = _tsfresh.calculate(
            "agg_autocorrelation", parameters, values, first[overflown], last[overflown]
        )
    return result


def partial_autocorrelation(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Say how much a reading resembles the one ``lag`` readings later beyond what the readings between them explain.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``lag``, in readings.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        NaN for lags from half of the window on.
    """
    most = max(parameter["lag"] for parameter in parameters)
    table = np.full((len(first), most + 1), np.nan)
    todo = np.zeros(len(first), dtype=np.int64)
    room = np.empty(int((last - first).max(initial=0)) + 1)
    _partial(values, first, last, most, room, np.empty((3, most + 1)), table, todo)
    rest = np.flatnonzero(todo)
    result = table[:, [parameter["lag"] for parameter in parameters]]
    if len(rest):
        result[rest] = _tsfresh.calculate("partial_autocorrelation", parameters, values, first[rest], last[rest])
    return result


def c3(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the mean product of three readings ``lag`` apart: far from 0 for a lopsided signal.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``lag``, in readings.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the unit's cube; 0 for a window of 2·lag readings or fewer.

    References
    ----------
    .. [1] T. Schreiber, A. Schmitz, "Discrimination power of measures for nonlinearity in a time series",
       Physical Review E 55(5), 1997, doi:10.1103/PhysRevE.55.5443
    """
    return _filled(_threes, values, first, last, parameters, "lag")


def time_reversal_asymmetry_statistic(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Say how much a signal would change if it ran backwards: rises that are steeper than falls, or the other way.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``lag``, in readings.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the unit's cube; 0 for a window of 2·lag readings or fewer.

    References
    ----------
    .. [1] B. D. Fulcher, N. S. Jones, "Highly comparative feature-based time-series classification",
       IEEE TKDE 26(12), 2014, doi:10.1109/TKDE.2014.2316504
    """
    return _filled(_asymmetries, values, first, last, parameters, "lag")


def cid_ce(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Say how much goes on in a window: the length of all its steps taken together.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``normalize``: true if readings are first brought to mean 0 and standard deviation 1.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the values' unit, or without one if normalised.

    References
    ----------
    .. [1] G. Batista et al., "CID: an efficient complexity-invariant distance for time series",
       Data Mining and Knowledge Discovery 28, 2014, doi:10.1007/s10618-013-0312-3
    """
    return _filled(_complexities, values, first, last, parameters, "normalize")


def _filled(fill: Any, values: Floats, first: Places, last: Places, parameters: Parameters, key: str) -> Floats:
    """Let a compiled function fill in the table for all values of its one whole-numbered parameter."""
    result = np.empty((len(first), len(parameters)))
    room = np.empty((2, int((last - first).max(initial=0)) + 1))
    fill(values, first, last, np.array([parameter[key] for parameter in parameters], dtype=np.int64), room, result)
    return result


@compiled
def _autocorrelations(values: Any, first: Any, last: Any, lags: Any, room: Any, result: Any) -> None:
    apart, products = room[0], room[1]
    for window in range(len(first)):
        begin = first[window]
        n = last[window] + 1 - begin
        mean = total(values, begin, n) / n
        spread = variance(values, begin, n, products)
        for place in range(n):
            apart[place] = values[begin + place] - mean
        for column in range(len(lags)):
            lag = lags[column]
            pairs = n - lag
            if pairs < 0 or spread <= _STILL:
                result[window, column] = np.nan
                continue
            for place in range(pairs):
                products[place] = apart[place] * apart[place + lag]
            result[window, column] = total(products, 0, pairs) / (pairs * spread)


@compiled
def _correlogram(values: Any, first: Any, last: Any, apart: Any, lags: Any, counts: Any) -> None:
    """Fill in each window's autocorrelations at lags 1, 2, … as statsmodels has them, and say how many there are."""
    most = lags.shape[1]
    for window in range(len(first)):
        begin = first[window]
        n = last[window] + 1 - begin
        mean = total(values, begin, n) / n
        if n == 1 or variance(values, begin, n, apart) < _VERY_STILL:
            counts[window] = min(n, most)
            lags[window, : counts[window]] = 0.0
            continue
        for place in range(n):
            apart[place] = values[begin + place] - mean
        whole = np.dot(apart[:n], apart[:n]) / n
        counts[window] = min(n - 1, most)
        for lag in range(1, counts[window] + 1):
            lags[window, lag - 1] = np.dot(apart[lag:n], apart[: n - lag]) / (n - lag) / whole


@compiled
def _aggregate(lags: Any, counts: Any, kind: Any, room: Any, result: Any) -> None:
    """Aggregate each window's first lags; ``kind`` counts through `_COMPILED_AGGREGATES`."""
    for window in range(len(counts)):
        n = counts[window]
        if kind == 3:
            ordered = np.sort(lags[window, :n])
            result[window] = ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2
            if ordered[n - 1] != ordered[n - 1]:
                result[window] = np.nan
            continue
        mean = total(lags[window], 0, n) / n
        if kind == 0:
            result[window] = mean
            continue
        spread = variance(lags[window], 0, n, room)
        result[window] = spread if kind == 1 else math.sqrt(spread)


@compiled
def _partial(values: Any, first: Any, last: Any, most: Any, apart: Any, room: Any, table: Any, todo: Any) -> None:
    """Run the recursion for each window; mark in ``todo`` where it loses its digits."""
    for window in range(len(first)):
        begin = first[window]
        n = last[window] + 1 - begin
        order = most if most < n // 2 else n // 2 - 1
        if order < 1:
            continue
        mean = total(values, begin, n) / n
        for place in range(n):
            apart[place] = values[begin + place] - mean
        covariances = room[0]
        for lag in range(order + 1):
            covariances[lag] = np.dot(apart[lag:n], apart[: n - lag]) / (n - lag)
        table[window, 0] = 1.0
        if covariances[0] == 0.0:
            continue
        if not _UNDERFLOW < covariances[0] < np.inf or not _recursion(covariances, order, room, table[window]):
            todo[window] = 1


@compiled
def _recursion(covariances: Any, order: Any, room: Any, result: Any) -> Any:
    """Fill in the partial autocorrelations of lags 1 to ``order``; return whether enough stayed unexplained."""
    past, now = room[1], room[2]
    left = covariances[0]
    for k in range(1, order + 1):
        product = covariances[k]
        for j in range(1, k):
            product -= past[j] * covariances[k - j]
        now[k] = product / left
        for j in range(1, k):
            now[j] = past[j] - now[k] * past[k - j]
        left *= 1.0 - now[k] * now[k]
        result[k] = now[k]
        past[1 : k + 1] = now[1 : k + 1]
        if not abs(left) > _EXPLAINED * covariances[0]:
            return False
    return True


@compiled
def _threes(values: Any, first: Any, last: Any, lags: Any, room: Any, result: Any) -> None:
    products = room[0]
    for window in range(len(first)):
        begin = first[window]
        for column in range(len(lags)):
            lag = lags[column]
            n = last[window] + 1 - begin - 2 * lag
            if n <= 0:
                result[window, column] = 0.0
                continue
            for place in range(n):
                at = begin + place
                products[place] = values[at + 2 * lag] * values[at + lag] * values[at]
            result[window, column] = total(products, 0, n) / n


@compiled
def _asymmetries(values: Any, first: Any, last: Any, lags: Any, room: Any, result: Any) -> None:
    products = room[0]
    for window in range(len(first)):
        begin = first[window]
        for column in range(len(lags)):
            lag = lags[column]
            n = last[window] + 1 - begin - 2 * lag
            if n <= 0:
                result[window, column] = 0.0
                continue
            for place in range(n):
                early, middle, late = (
                    values[begin + place],
                    values[begin + place + lag],
                    values[begin + place + 2 * lag],
                )
                products[place] = late * late * middle - middle * early * early
            result[window, column] = total(products, 0, n) / n


@compiled
def _complexities(values: Any, first: Any, last: Any, normalised: Any, room: Any, result: Any) -> None:
    steps = room[0]
    for window in range(len(first)):
        begin = first[window]
        n = last[window] + 1 - begin
        mean = total(values, begin, n) / n
        deviation = math.sqrt(variance(values, begin, n, steps))
        for column in range(len(normalised)):
            if normalised[column] and deviation == 0.0:
                result[window, column] = 0.0
                continue
            for place in range(n - 1):
                here, there = values[begin + place], values[begin + place + 1]
                if normalised[column]:
                    here, there = (here - mean) / deviation, (there - mean) / deviation
                steps[place] = there - here
            result[window, column] = math.sqrt(np.dot(steps[: n - 1], steps[: n - 1]))


KERNELS: dict[str, Kernel] = {
    "autocorrelation": autocorrelation,
    "agg_autocorrelation": agg_autocorrelation,
    "partial_autocorrelation": partial_autocorrelation,
    "c3": c3,
    "time_reversal_asymmetry_statistic": time_reversal_asymmetry_statistic,
    "cid_ce": cid_ce,
}
