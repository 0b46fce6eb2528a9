"""Frequencies in a window: tsfresh's features of the Fourier transform and of Welch's spectrum.

Windows of equal length are transformed together; `numpy.fft.rfft` works row by row, so a window's digits do not depend
on its neighbours. One transform serves all parameters.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels._blocks import blocks
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places

_ATTRIBUTES = ("real", "imag", "abs", "angle")
_AGGREGATES = ("centroid", "variance", "skew", "kurtosis")
_SEGMENT = 256
"""Welch's longest segment, as in tsfresh: longer windows are cut into segments that overlap by half."""


def fft_coefficient(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return how strongly, and in which phase, a window swings at each of its frequencies.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        In any unit.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of {"coeff": whole periods in the window, "attr": "real", "imag", "abs" or "angle"}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the values' unit, angles in degrees; NaN where the window is too short for the coefficient.

    Raises
    ------
    ConfigError
        If there is no such attr, or a coeff is negative.
    """
    attributes = np.array([_place(parameter["attr"], "attr", _ATTRIBUTES) for parameter in parameters], dtype=np.int64)
    places = np.array([parameter["coeff"] for parameter in parameters], dtype=np.int64)
    if (places < 0).any():
        raise ConfigError(f"coeff of fft_coefficient must be 0 or more; got {places.min()}")
    result = np.empty((len(first), len(parameters)))
    for which, block in blocks(values, first, last):
        with np.errstate(all="ignore"):
            spectra = np.fft.rfft(block, axis=1)
        _pick(spectra, which, places, attributes, result)
    return result


@compiled
def _pick(spectra: Any, which: Any, places: Any, attributes: Any, result: Any) -> None:
    """Write the asked parts of each window's transform into its row."""
    for row in range(len(which)):
        for column in range(len(places)):
            place, attribute = places[column], attributes[column]
            if place >= spectra.shape[1]:
                value = math.nan
            elif attribute == 0:
                value = spectra[row, place].real
            elif attribute == 1:
                value = spectra[row, place].imag
            elif attribute == 2:
                value = math.hypot(spectra[row, place].real, spectra[row, place].imag)
            else:
                value = math.atan2(spectra[row, place].imag, spectra[row, place].real) * (180 / math.pi)
            result[which[row], column] = value


def fft_aggregated(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return where the window's spectrum lies, and its shape: centroid, variance, skew, kurtosis.

    The formula of kurtosis is tsfresh's, which is not the textbook's: its last term is −3·centroid, not −3·centroid⁴.

    Parameters
    ----------
    values, first, last
        As in `fft_coefficient`.
    parameters : sequence of {"aggtype": "centroid", "variance", "skew" or "kurtosis"}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In whole periods per window, and its powers; NaN for a window of zeros, and for skew and kurtosis where the
        variance is under a half.

    Raises
    ------
    ConfigError
        If there is no such aggtype.
    """
    columns = [_place(parameter["aggtype"], "aggtype", _AGGREGATES) for parameter in parameters]
    four = np.empty((len(first), len(_AGGREGATES)))
    for which, block in blocks(values, first, last):
        with np.errstate(all="ignore"):
            strength = np.abs(np.fft.rfft(block, axis=1))
            steps = np.arange(strength.shape[1], dtype=np.float64)
            # vecdot is one dot product a row: the same library call as tsfresh's, and so the same digits.
            sums = np.stack([np.vecdot(strength, steps**power) for power in (1, 2, 3, 4)], axis=1)
            moments = sums / strength.sum(axis=1)[:, None]
        _describe(moments, which, 2.0, 3.0, four)
    return four[:, columns]


@compiled
def _describe(moments: Any, which: Any, two: Any, three: Any, four: Any) -> None:
    """Write centroid, variance, skew and kurtosis of each spectrum, from its first four moments.

    The exponents 2 and 3 come from outside: the compiler would turn what it knows into products, whose last digit is
    not always that of a power, and for a pure tone the variance is a difference of nothing but last digits.
    """
    for row in range(len(which)):
        centroid, second, third, fourth = moments[row, 0], moments[row, 1], moments[row, 2], moments[row, 3]
        variance = second - centroid**two
        skew, kurtosis = math.nan, math.nan
        if not variance < 0.5:
            skew = (third - 3 * centroid * variance - centroid**three) / variance**1.5
            kurtosis = (fourth - 4 * centroid * third + 6 * second * centroid**two - 3 * centroid) / variance**two
        place = which[row]
        four[place, 0], four[place, 1], four[place, 2], four[place, 3] = centroid, variance, skew, kurtosis


def spkt_welch_density(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return how much of a window's power lies at some of its frequencies, by Welch's method [1]_.

    Parameters
    ----------
    values, first, last
        As in `fft_coefficient`.
    parameters : sequence of {"coeff": whole periods in the window, or in 256 readings if it is longer}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the values' unit, squared, times one reading; NaN where the window is too short for the coefficient.

    References
    ----------
    .. [1] P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
       Electroacoust. 15, 1967, doi:10.1109/TAU.1967.1161901
    """
    places = np.array([parameter["coeff"] for parameter in parameters], dtype=np.int64)
    result = np.full((len(first), len(parameters)), np.nan)
    for which, block in blocks(values, first, last):
        power = _welch(block)
        there = np.flatnonzero(places < power.shape[1])
        # Where a window is too short, tsfresh moves what there is to the front, whatever the order of the parameters.
        result[which[:, None], np.arange(len(there))] = power[:, places[there]]
    return result


def fourier_entropy(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return how evenly a window's power is spread over the frequencies: entropy of a histogram of Welch's spectrum.

    Parameters
    ----------
    values, first, last
        As in `fft_coefficient`.
    parameters : sequence of {"bins": number of bins}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In nats; NaN where nothing swings.
    """
    bins = np.array([parameter["bins"] for parameter in parameters], dtype=np.int64)
    result = np.empty((len(first), len(parameters)))
    room = int(bins.max(initial=0))
    edges, counts = np.empty(room + 1), np.empty(room, dtype=np.int64)
    for which, block in blocks(values, first, last):
        power = _welch(block)
        with np.errstate(all="ignore"):
            share = power / power.max(axis=1)[:, None]
        _entropies(share, which, bins, edges, counts, result)
    return result


def _welch(block: Floats) -> Floats:
    """Return Welch's one-sided power density of each row, as ``scipy.signal.welch`` gives it with Hann's window.

    Returns
    -------
    ndarray of shape (n_windows, segment // 2 + 1)
    """
    length = min(block.shape[1], _SEGMENT)
    hop = length - length // 2
    segments = (block.shape[1] - length // 2) // hop
    taper = _taper(length)
    power: Floats = np.zeros((len(block), length // 2 + 1))
    with np.errstate(all="ignore"):
        for segment in range(segments):
            part = block[:, segment * hop : segment * hop + length]
            # numpy sums up each row by itself, in the order of a single series.
            spectra = np.fft.rfft((part - part.mean(axis=1, keepdims=True)) * taper, axis=1)
            energy = spectra.real**2 + spectra.imag**2
            energy[:, 1 : -1 if length % 2 == 0 else None] *= 2
            power += energy
        power /= segments
    return power


@cache
def _taper(length: int) -> Floats:
    """Return Hann's window, scaled so that squares of the transform are a density per reading."""
    from scipy.signal import get_window

    taper = get_window("hann", length)
    # Added up one by one, as scipy does: a share of power that lies on the edge of a bin must fall on the same side.
    scaled: Floats = taper * (1 / np.sqrt(sum((taper**2).tolist())))
    return scaled


@compiled
def _entropies(share: Any, which: Any, bins: Any, edges: Any, counts: Any, result: Any) -> None:
    """Write the entropy of each row's histogram, for each number of bins."""
    for row in range(len(which)):
        for column in range(len(bins)):
            result[which[row], column] = _binned_entropy(share[row], bins[column], edges, counts)


@compiled
def _binned_entropy(values: Any, bins: Any, edges: Any, counts: Any) -> Any:
    """Return the entropy of ``numpy.histogram(values, bins)``; NaN if a value is."""
    low, high = values[0], values[0]
    for value in values:
        if math.isnan(value):
            return math.nan
        low, high = min(low, value), max(high, value)
    if low == high:
        low, high = low - 0.5, high + 0.5
    for place in range(bins):
        edges[place] = place * ((high - low) / bins) + low
        counts[place] = 0
    edges[bins] = high
    for value in values:
        place = min(int((value - low) / (high - low) * bins), bins - 1)
        # numpy's own correction of a quotient that rounding has put beyond an edge.
        if value < edges[place]:
            place -= 1
        elif value >= edges[place + 1] and place != bins - 1:
            place += 1
        counts[place] += 1
    entropy = 0.0
    for place in range(bins):
        if counts[place]:
            share = counts[place] / len(values)
            entropy -= share * math.log(share)
    return entropy


def _place(value: Any, key: str, allowed: tuple[str, ...]) -> int:
    """Return the position of a parameter's value among the allowed ones."""
    if value not in allowed:
        raise ConfigError(f"{key} must be one of {', '.join(allowed)}; got {value!r}")
    return allowed.index(value)


KERNELS: dict[str, Kernel] = {
    "fft_coefficient": fft_coefficient,
    "fft_aggregated": fft_aggregated,
    "spkt_welch_density": spkt_welch_density,
    "fourier_entropy": fourier_entropy,
}
