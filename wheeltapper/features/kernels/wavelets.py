"""Bumps in a window, and how wide they are: tsfresh's features of the wavelet transform.

References
----------
.. [1] P. Du, W. A. Kibbe, S. M. Lin, "Improved peak detection in mass spectrum by incorporating continuous wavelet
   transform-based pattern matching", Bioinformatics 22(17), 2006, doi:10.1093/bioinformatics/btl355
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels._blocks import blocks
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places

_PRECISION = 12
"""PyWavelets' own: it knows its wavelet at 2 to the power of this many points."""
_SHORT = 11
"""Up to this length numpy's convolution leaves the linear-algebra library and adds up in an order of its own."""
_GAP = 1
"""A ridge ends after more than this many rows without a maximum; scipy takes the smallest width, which is 1."""


def cwt_coefficients(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return how much a window's beginning looks like a bump of a given width: transform with the Mexican hat.

    PyWavelets convolves the whole window with the wavelet's integral and takes differences. Here only the required
    places are computed, each by the same dot product: for readings far from zero the difference is small against the
    products, and their last digits show.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        In any unit.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of {"widths": scales in readings, "w": one of them, "coeff": position in the window}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the values' unit; NaN where the window is too short for the coefficient.

    Raises
    ------
    ConfigError
        If w is not among the widths or too narrow, or a coeff is negative.
    """
    for parameter in parameters:
        if parameter["w"] not in parameter["widths"] or parameter["coeff"] < 0:
            raise ConfigError(f"cwt_coefficients needs w to be one of widths, and coeff 0 or more; got {parameter}")
    places = np.array([parameter["coeff"] for parameter in parameters], dtype=np.int64)
    scales = np.array([parameter["w"] for parameter in parameters])
    result = np.full((len(first), len(parameters)), np.nan)
    for which, block in blocks(values, first, last):
        for scale in np.unique(scales).tolist():
            columns = np.flatnonzero((scales == scale) & (places < block.shape[1]))
            if len(columns):
                beginning = _transform(block, scale, int(places[columns].max()) + 1)
                result[which[:, None], columns] = beginning[:, places[columns]]
    return result


def _transform(block: Floats, scale: float, many: int) -> Floats:
    """Return the first coefficients of each row's transform at one scale, shape (n_windows, many)."""
    wavelet = _integral(scale)
    start = (len(wavelet) - 2) // 2
    with np.errstate(all="ignore"):
        return -math.sqrt(scale) * np.diff(_convolve(block, wavelet, start, many + 1), axis=1)


@cache
def _integral(scale: float) -> Floats:
    """Return the Mexican hat's integral, stretched to a scale as PyWavelets does it."""
    import pywt

    integral, points = pywt.integrate_wavelet("mexh", precision=_PRECISION)
    places = (np.arange(scale * (points[-1] - points[0]) + 1) / (scale * (points[1] - points[0]))).astype(np.int64)
    stretched: Floats = integral[places[places < len(integral)]][::-1].copy()
    if len(stretched) < 2:
        raise ConfigError(f"w of cwt_coefficients must be a scale in readings; {scale} is too narrow")
    return stretched


def _convolve(block: Floats, wavelet: Floats, start: int, many: int) -> Floats:
    """Return places start, start + 1, … of ``numpy.convolve(row, wavelet)`` for each row, to the last bit."""
    n, points = block.shape[1], len(wavelet)
    if min(n, points) <= _SHORT:
        return np.array([np.convolve(row, wavelet)[start : start + many] for row in block])
    result = np.empty((len(block), many))
    # numpy turns the shorter of the two round, and adds up along the longer.
    turned = block[:, ::-1].copy() if n < points else wavelet[::-1].copy()
    for column, place in enumerate(range(start, start + many)):
        begin, end = max(0, place - min(n, points) + 1), min(max(n, points), place + 1)
        back = min(n, points) - 1 - place
        if n < points:
            result[:, column] = np.vecdot(turned[:, back + begin : back + end], wavelet[begin:end])
        else:
            result[:, column] = np.vecdot(block[:, begin:end], turned[back + begin : back + end])
    return result


def number_cwt_peaks(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return how many peaks a window has that stay where they are while it is smoothed more and more [1]_.

    Parameters
    ----------
    values, first, last
        As in `cwt_coefficients`.
    parameters : sequence of {"n": the largest width that is tried, in readings}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        Number of peaks.

    Raises
    ------
    ConfigError
        If a largest width is under 1.
    """
    widest = np.array([parameter["n"] for parameter in parameters], dtype=np.int64)
    if (widest < 1).any():
        raise ConfigError(f"n of number_cwt_peaks must be 1 or more; got {widest.tolist()}")
    result = np.empty((len(first), len(parameters)))
    for which, block in blocks(values, first, last):
        transforms = _transforms(block, int(widest.max(initial=1)))
        for column, width in enumerate(widest):
            result[which, column] = _count_ridges(transforms, int(width))
    return result


def _transforms(block: Floats, widest: int) -> Floats:
    """Return each row's transform at the widths 1, 2, … widest; shape (n_windows, widest, n).

    One convolution for each window and width, by the library call that scipy makes: two neighbours of a symmetrical
    bump are equal but for rounding, and whether one of them is a maximum is decided by the last bit.
    """
    count, n = block.shape
    result = np.empty((count, widest, n))
    for width in range(1, widest + 1):
        wavelet = _ricker(min(10 * width, n), width)
        convolve = _convolution(n, len(wavelet))
        with np.errstate(all="ignore"):
            for row in range(count):
                result[row, width - 1] = convolve(block[row], wavelet)
    return result


@cache
def _convolution(n: int, points: int) -> Callable[[Floats, Floats], Floats]:
    """Return the way that scipy takes for arrays of these lengths: directly, or through Fourier transforms."""
    from scipy.signal import choose_conv_method, fftconvolve

    if choose_conv_method(np.ones(n), np.ones(points), mode="same") == "fft":
        return partial(fftconvolve, mode="same")
    return partial(np.convolve, mode="same")


def _ricker(points: int, width: int) -> Floats:
    """Return the Mexican hat at ``points`` places around its middle; it is symmetrical to the last bit."""
    height = 2 / (np.sqrt(3 * width) * np.pi**0.25)
    squares = (np.arange(0, points) - (points - 1.0) / 2) ** 2
    hat: Floats = height * (1 - squares / width**2) * np.exp(-squares / (2 * width**2))
    return hat


def _count_ridges(transforms: Floats, widths: int) -> Floats:
    """Return the number of ridges through the first rows of each transform that are long and high enough."""
    count, _, n = transforms.shape
    lines, room = np.empty((5, widths * n), dtype=np.int64), np.empty(n)
    result = np.empty(count)
    _count_all(transforms, widths, lines, room, result)
    return result


@compiled
def _count_all(transforms: Any, widths: Any, lines: Any, room: Any, result: Any) -> None:
    for window in range(len(transforms)):
        result[window] = _count_one(transforms[window, :widths], lines, room)


@compiled
def _count_one(transform: Any, lines: Any, room: Any) -> Any:
    """Follow maxima from the widest row to the narrowest, joining neighbours to ridges; count the good ridges."""
    columns, rows, lengths, gaps, before = lines[0], lines[1], lines[2], lines[3], lines[4]
    widths, n = transform.shape
    active, good = 0, 0
    for row in range(widths - 1, -1, -1):
        open_ridges = active
        for line in range(open_ridges):
            gaps[line] += 1
            before[line] = columns[line]
        for place in range(1, n - 1):
            here = transform[row, place]
            if not (here > transform[row, place + 1] and here > transform[row, place - 1]):
                continue
            line = _nearest(before, open_ridges, place, (row + 1) / 4)
            if line < 0:
                line = active
                lengths[line] = 0
                active += 1
            columns[line], rows[line], gaps[line] = place, row, 0
            lengths[line] += 1
        kept = 0
        for line in range(active):
            if gaps[line] > _GAP:
                good += _is_good(transform, rows[line], columns[line], lengths[line], room)
            else:
                lines[:4, kept] = lines[:4, line]
                kept += 1
        active = kept
    for line in range(active):
        good += _is_good(transform, rows[line], columns[line], lengths[line], room)
    return good


@compiled
def _nearest(before: Any, open_ridges: Any, place: Any, reach: Any) -> Any:
    """Return the first of the known ridges that was nearest to a place in the row before, or −1 beyond its reach."""
    nearest = -1
    for line in range(open_ridges):
        off = abs(place - before[line])
        if off <= reach and (nearest < 0 or off < abs(place - before[nearest])):
            nearest = line
    return nearest


@compiled
def _is_good(transform: Any, row: Any, column: Any, length: Any, room: Any) -> Any:
    """Tell whether a ridge that ends here spans a quarter of the rows, and is above the noise around its end."""
    widths, n = transform.shape
    if length < math.ceil(widths / 4):
        return False
    half, odd = divmod(math.ceil(n / 20), 2)
    begin, end = max(column - half, 0), min(column + half + odd, n)
    near = room[: end - begin]
    near[:] = transform[0, begin:end]
    near.sort()
    # The tenth percentile, interpolated as scipy.stats.scoreatpercentile does.
    place = 0.1 * (len(near) - 1)
    low = int(place)
    noise = near[low]
    if low != place:
        left, right = low + 1 - place, place - low
        noise = (near[low] * left + near[low + 1] * right) / (left + right)
    return not abs(transform[row, column] / noise) < 1


KERNELS: dict[str, Kernel] = {"cwt_coefficients": cwt_coefficients, "number_cwt_peaks": number_cwt_peaks}
