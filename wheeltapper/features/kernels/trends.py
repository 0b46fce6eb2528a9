"""The slope of a window, and where in it the weight lies: straight lines, and shares of energy and mass.

tsfresh's straight lines come from a covariance that a linear-algebra library sums up in its own order. Here the same
library computes the same small product, one window at a time, because on a perfectly straight line the standard error
is the rounding error of that product.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels._blocks import blocks
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places
from wheeltapper.features.kernels._sums import total, variance

_ATTRIBUTES = ("slope", "intercept", "rvalue", "stderr", "pvalue")
_AGGREGATES = ("max", "min", "mean", "var")
_TINY = 1e-20
"""scipy's guard against dividing by 0 in the t statistic."""


def linear_trend(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the straight line through a window: readings against their position, by least squares.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        In any unit.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of {"attr": "slope", "intercept", "rvalue", "stderr" or "pvalue"}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        slope and stderr in the values' unit per reading, intercept in the values' unit; NaN for a single reading.

    Raises
    ------
    ConfigError
        If there is no such attr.
    """
    columns = [_place(parameter["attr"], "attr", _ATTRIBUTES) for parameter in parameters]
    five = np.empty((len(first), len(_ATTRIBUTES)))
    for which, block in blocks(values, first, last):
        five[which] = _lines(block)
    return five[:, columns]


def agg_linear_trend(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the straight line through the maxima (minima, means, variances) of a window's pieces.

    Parameters
    ----------
    values, first, last
        As in `linear_trend`.
    parameters : sequence of {"attr": as in `linear_trend`, "chunk_len": readings in a piece, \
"f_agg": "max", "min", "mean" or "var"}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        As in `linear_trend`, per piece; NaN for a window that is no longer than a piece.

    Raises
    ------
    ConfigError
        If there is no such attr, or no such f_agg here.
    """
    attributes = [_place(parameter["attr"], "attr", _ATTRIBUTES) for parameter in parameters]
    aggregates = [_place(parameter["f_agg"], "f_agg", _AGGREGATES) for parameter in parameters]
    lengths = [int(parameter["chunk_len"]) for parameter in parameters]
    result = np.full((len(first), len(parameters)), np.nan)
    for which, block in blocks(values, first, last):
        for length in {length for length in lengths if length < block.shape[1]}:
            pieces = _pieces(block, length)
            for aggregate in {kind for size, kind in zip(lengths, aggregates, strict=True) if size == length}:
                lines = _lines(pieces[aggregate])
                for column, pair in enumerate(zip(lengths, aggregates, strict=True)):
                    if pair == (length, aggregate):
                        result[which, column] = lines[:, attributes[column]]
    return result


def _pieces(block: Floats, length: int) -> Floats:
    """Return maximum, minimum, mean and variance of each row's pieces, shape (4, n_windows, n_pieces).

    The last piece is shorter where the length does not divide the window.
    """
    four = np.empty((len(_AGGREGATES), len(block), -(-block.shape[1] // length)))
    _describe_pieces(block, length, np.empty(length), four)
    return four


@compiled
def _describe_pieces(block: Any, length: Any, room: Any, four: Any) -> None:
    for row in range(len(block)):
        readings = block[row]
        for piece in range(four.shape[2]):
            begin = piece * length
            n = min(length, len(readings) - begin)
            highest, lowest = readings[begin], readings[begin]
            for place in range(begin + 1, begin + n):
                highest, lowest = max(highest, readings[place]), min(lowest, readings[place])
            four[0, row, piece] = highest
            four[1, row, piece] = lowest
            four[2, row, piece] = total(readings, begin, n) / n
            four[3, row, piece] = variance(readings, begin, n, room)


def _lines(block: Floats) -> Floats:
    """Return slope, intercept, rvalue, stderr and pvalue of each row, as ``scipy.stats.linregress`` gives them.

    Parameters
    ----------
    block : ndarray of shape (n_windows, n)
        Points at the places 0, 1, …, n − 1; may hold inf and NaN, where squares have left the numbers' range.

    Returns
    -------
    ndarray of shape (n_windows, 5)
    """
    n = block.shape[1]
    if n == 1:
        return np.full((len(block), len(_ATTRIBUTES)), np.nan)
    with np.errstate(all="ignore"):
        means = block.mean(axis=1)
        points = np.empty((len(block), 2, n))
        points[:, 0] = np.arange(n) - (n - 1) / 2
        points[:, 1] = block - means[:, None]
        # One product of a small table with itself for each window, as in numpy.cov, so the digits are the same.
        covariances = np.matmul(points, points.transpose(0, 2, 1)) * (1 / n)
        five, t = np.empty((len(block), len(_ATTRIBUTES))), np.empty(len(block))
        _solve(covariances, means, np.ascontiguousarray(block), five, t)
        if n > 2:
            five[:, 4] = _chance(t, n - 2)
    five[np.isnan(block).any(axis=1)] = np.nan
    return five


@compiled
def _solve(covariances: Any, means: Any, block: Any, five: Any, t: Any) -> None:
    """Write the straight lines and their t statistics; the p-value only where there are two points."""
    n = block.shape[1]
    for row in range(len(means)):
        along, covariance, across = covariances[row, 0, 0], covariances[row, 0, 1], covariances[row, 1, 1]
        if across == 0.0:
            r = math.nan if covariance == 0.0 else 0.0
        else:
            r = covariance / math.sqrt(along * across)
            if r > 1.0:
                r = 1.0
            elif r < -1.0:
                r = -1.0
        slope = covariance / along
        five[row, 0], five[row, 1], five[row, 2] = slope, means[row] - slope * ((n - 1) / 2), r
        if n == 2:
            five[row, 3] = 0.0
            five[row, 4] = 1.0 if block[row, 0] == block[row, 1] else 0.0
        else:
            five[row, 3] = math.sqrt((1 - r * r) * across / along / (n - 2))
            t[row] = r * math.sqrt((n - 2) / ((1.0 - r + _TINY) * (1.0 + r + _TINY)))


def _chance(t: Floats, freedom: int) -> Floats:
    """Return the chance of a t statistic this far from 0, in either direction, where there is no trend."""
    from scipy.special import stdtr

    chance: Floats = 2 * stdtr(freedom, -np.abs(t))
    return chance


def energy_ratio_by_chunks(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return which share of the window's energy (its squares summed up) lies in one of its segments.

    Parameters
    ----------
    values, first, last
        As in `linear_trend`.
    parameters : sequence of {"num_segments": how many, "segment_focus": which of them, from 0}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        0 to 1; NaN where all readings are 0.

    Raises
    ------
    ConfigError
        If there are fewer segments than `segment_focus` needs.
    """
    segments = np.array(
        [(parameter["num_segments"], parameter["segment_focus"]) for parameter in parameters], dtype=np.int64
    )
    segments = segments.reshape(-1, 2)
    if (segments[:, 1] >= segments[:, 0]).any():
        raise ConfigError(f"segment_focus must be less than num_segments; got {parameters}")
    result = np.empty((len(first), len(parameters)))
    _energies(values, first, last, segments, np.empty(_longest(first, last)), result)
    return result


@compiled
def _energies(values: Any, first: Any, last: Any, segments: Any, squares: Any, result: Any) -> None:
    for window in range(len(first)):
        n = last[window] - first[window] + 1
        for place in range(n):
            squares[place] = values[first[window] + place] * values[first[window] + place]
        whole = total(squares, 0, n)
        for column in range(len(segments)):
            many, focus = segments[column, 0], segments[column, 1]
            # The first of the segments are longer by one reading, where they cannot all be equal.
            begin = focus * (n // many) + min(focus, n % many)
            length = n // many + (1 if focus < n % many else 0)
            result[window, column] = total(squares, begin, length) / whole if whole != 0 else math.nan


def index_mass_quantile(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return how far into the window a share of its mass (its readings without sign, summed up) is reached.

    Parameters
    ----------
    values, first, last
        As in `linear_trend`.
    parameters : sequence of {"q": share of the mass}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        Share of the window's length, above 0 and up to 1; NaN where all readings are 0.
    """
    shares = np.array([parameter["q"] for parameter in parameters], dtype=np.float64)
    result = np.empty((len(first), len(parameters)))
    _masses(values, first, last, shares, np.empty(_longest(first, last)), result)
    return result


@compiled
def _masses(values: Any, first: Any, last: Any, shares: Any, sizes: Any, result: Any) -> None:
    for window in range(len(first)):
        n = last[window] - first[window] + 1
        for place in range(n):
            sizes[place] = abs(values[first[window] + place])
        whole = total(sizes, 0, n)
        for place in range(1, n):
            sizes[place] += sizes[place - 1]
        for column in range(len(shares)):
            at = 0
            while at < n and not sizes[at] / whole >= shares[column]:
                at += 1
            # A share that is never reached counts as reached at once: so numpy's argmax has it.
            result[window, column] = math.nan if whole == 0 else ((at if at < n else 0) + 1) / n


def _longest(first: Places, last: Places) -> int:
    """Return the number of readings of the longest window."""
    return int((last - first).max(initial=-1)) + 1


def _place(value: Any, key: str, allowed: tuple[str, ...]) -> int:
    """Return the position of a parameter's value among the allowed ones."""
    if value not in allowed:
        raise ConfigError(f"{key} must be one of {', '.join(allowed)} here; got {value!r}")
    return allowed.index(value)


KERNELS: dict[str, Kernel] = {
    "linear_trend": linear_trend,
    "agg_linear_trend": agg_linear_trend,
    "energy_ratio_by_chunks": energy_ratio_by_chunks,
    "index_mass_quantile": index_mass_quantile,
}
