"""How a window's readings are spread: tsfresh's quantiles, changes inside corridors, and the shape around the mean."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.errors import ConfigError
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places
from wheeltapper.features.kernels._sums import total
from wheeltapper.features.kernels.minimal import together

_AGGREGATES = ("mean", "var")


def quantile(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the level under which a given share of the window's readings lies.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        In any unit.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of {"q": share of the readings, 0 to 1}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the values' unit; between two readings it is interpolated.

    Raises
    ------
    ConfigError
        If a share is not from 0 to 1.
    """
    shares = np.array([parameter["q"] for parameter in parameters], dtype=np.float64)
    if ((shares < 0) | (shares > 1)).any():
        raise ConfigError(f"q of quantile must be from 0 to 1; got {shares.tolist()}")
    result = np.empty((len(first), len(parameters)))
    _quantiles(values, first, last, shares, np.empty(_longest(first, last)), result)
    return result


@compiled
def _quantiles(values: Any, first: Any, last: Any, shares: Any, ordered: Any, result: Any) -> None:
    for window in range(len(first)):
        n = last[window] - first[window] + 1
        ordered[:n] = values[first[window] : last[window] + 1]
        ordered[:n].sort()
        for column in range(len(shares)):
            result[window, column] = _level(ordered, n, shares[column])


@compiled
def _level(ordered: Any, n: Any, share: Any) -> Any:
    """Return ``numpy.quantile`` of n sorted values, to the last bit."""
    place = (n - 1) * share
    if place >= n - 1:
        return ordered[n - 1]
    low = int(place)
    beyond = place - low
    step = ordered[low + 1] - ordered[low]
    if beyond >= 0.5:
        return ordered[low + 1] - step * (1 - beyond)
    return ordered[low] + step * beyond


def change_quantiles(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return how much the readings change from one to the next while they stay in a corridor between two quantiles.

    Parameters
    ----------
    values, first, last
        As in `quantile`.
    parameters : sequence of {"ql", "qh": the corridor's quantiles, "isabs": changes without their sign, \
"f_agg": "mean" or "var"}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the values' unit, the variance in its square; 0 where no change lies in the corridor.

    Raises
    ------
    ConfigError
        If there is no such f_agg here.
    """
    corridors = sorted({(float(parameter["ql"]), float(parameter["qh"])) for parameter in parameters})
    columns = [4 * corridors.index((parameter["ql"], parameter["qh"])) + _which(parameter) for parameter in parameters]
    four = np.empty((len(first), 4 * len(corridors)))
    room = np.empty((4, _longest(first, last)))
    _changes(values, first, last, np.array(corridors).reshape(-1, 2), room, four)
    return four[:, columns]


def _which(parameter: dict[str, Any]) -> int:
    """Return the position among mean, var, mean of sizes, var of sizes."""
    if parameter["f_agg"] not in _AGGREGATES:
        raise ConfigError(f"f_agg of change_quantiles must be mean or var here; got {parameter['f_agg']!r}")
    return 2 * bool(parameter["isabs"]) + _AGGREGATES.index(parameter["f_agg"])


@compiled
def _changes(values: Any, first: Any, last: Any, corridors: Any, room: Any, four: Any) -> None:
    """Write mean and variance of the changes, and of their sizes, inside each corridor."""
    ordered, changes, squares = room[0], room[1], room[2]
    for window in range(len(first)):
        begin, n = first[window], last[window] - first[window] + 1
        ordered[:n] = values[begin : begin + n]
        ordered[:n].sort()
        for corridor in range(len(corridors)):
            below, above = corridors[corridor, 0], corridors[corridor, 1]
            at = 4 * corridor
            four[window, at : at + 4] = 0.0
            # tsfresh gives 0 for what is no corridor, instead of an error.
            if below >= above or below < 0 or above > 1:
                continue
            low, high = _level(ordered, n, below), _level(ordered, n, above)
            many = 0
            was_inside = low <= values[begin] <= high
            for place in range(begin + 1, begin + n):
                is_inside = low <= values[place] <= high
                if was_inside and is_inside:
                    changes[many] = values[place] - values[place - 1]
                    many += 1
                was_inside = is_inside
            if many:
                four[window, at], four[window, at + 1] = _mean_and_variance(changes, many, squares)
                for place in range(many):
                    changes[place] = abs(changes[place])
                four[window, at + 2], four[window, at + 3] = _mean_and_variance(changes, many, squares)


@compiled
def _mean_and_variance(values: Any, n: Any, squares: Any) -> Any:
    """Return ``numpy.mean`` and ``numpy.var`` of the first n values, to the last bit."""
    mean = total(values, 0, n) / n
    for place in range(n):
        off = values[place] - mean
        squares[place] = off * off
    return mean, total(squares, 0, n) / n


def symmetry_looking(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Tell whether mean and median lie close together, seen against the window's range.

    Parameters
    ----------
    values, first, last
        As in `quantile`.
    parameters : sequence of {"r": share of the range}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        1 or 0.
    """
    statistics = together(values, first, last)
    with np.errstate(all="ignore"):
        apart = np.abs(statistics["mean"] - statistics["median"])
        return _as_numbers(apart[:, None] < _column(parameters, "r") * _range(statistics)[:, None])


def large_standard_deviation(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Tell whether the standard deviation is more than a share of the window's range.

    Parameters
    ----------
    values, first, last
        As in `quantile`.
    parameters : sequence of {"r": share of the range}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        1 or 0.
    """
    statistics = together(values, first, last)
    with np.errstate(all="ignore"):
        return _as_numbers(
            statistics["standard_deviation"][:, None] > _column(parameters, "r") * _range(statistics)[:, None]
        )


def variance_larger_than_standard_deviation(
    values: Floats, first: Places, last: Places, parameters: Parameters
) -> Floats:
    """Tell whether the variance is more than 1, in the square of the values' unit: 1 or 0 for each window."""
    variance = together(values, first, last)["variance"]
    return _same(_as_numbers(variance > np.sqrt(variance)), parameters)


def variation_coefficient(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the standard deviation over the mean of each window, unitless; NaN where the mean is 0."""
    statistics = together(values, first, last)
    with np.errstate(all="ignore"):
        ratio = statistics["standard_deviation"] / statistics["mean"]
    return _same(np.where(statistics["mean"] == 0, np.nan, ratio), parameters)


def ratio_beyond_r_sigma(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the share of readings that lie more than r standard deviations from the window's mean.

    Parameters
    ----------
    values, first, last
        As in `quantile`.
    parameters : sequence of {"r": number of standard deviations}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        0 to 1.
    """
    statistics = together(values, first, last)
    with np.errstate(all="ignore"):
        limits = statistics["standard_deviation"][:, None] * _column(parameters, "r")
    result = np.empty((len(first), len(parameters)))
    _beyond(values, first, last, statistics["mean"], limits, result)
    return result


@compiled
def _beyond(values: Any, first: Any, last: Any, means: Any, limits: Any, result: Any) -> None:
    for window in range(len(first)):
        n = last[window] - first[window] + 1
        for column in range(limits.shape[1]):
            mean, limit, many = means[window], limits[window, column], 0
            for place in range(first[window], last[window] + 1):
                many += abs(values[place] - mean) > limit
            result[window, column] = many / n


def skewness(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return how lopsided each window's readings are, unitless; NaN under three readings or where all are alike."""
    return _same(_shapes(values, first, last)[:, 0], parameters)


def kurtosis(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return how heavy the tails of each window's readings are, unitless, 0 for the normal distribution.

    It is NaN under four readings, or where all are alike.
    """
    return _same(_shapes(values, first, last)[:, 1], parameters)


def _shapes(values: Floats, first: Places, last: Places) -> Floats:
    """Return skewness and excess kurtosis of each window, without bias, as ``pandas.Series.skew`` and ``kurt`` do.

    References
    ----------
    .. [1] D. N. Joanes, C. A. Gill, "Comparing Measures of Sample Skewness and Kurtosis", The Statistician 47, 1998,
       doi:10.1111/1467-9884.00122 (G1 and G2)
    .. [2] P. Pébay, T. B. Terriberry, H. Kolla, J. Bennett, "Numerically stable, scalable formulas for parallel and
       online computation of higher-order multivariate central moments with arbitrary weights", Comput. Stat. 31, 2016,
       doi:10.1007/s00180-015-0637-z
    """
    two = np.empty((len(first), 2))
    _skew_and_tails(values, first, last, two)
    return two


@compiled
def _skew_and_tails(values: Any, first: Any, last: Any, two: Any) -> None:
    """Write skewness and excess kurtosis, from moments around the mean that are corrected for its rounding [2]_.

    The first reading is taken off all, so that a stuck sensor has a spread of exactly 0, and 1e6 ± 1e-3 keeps its
    digits: pandas' result does, too.
    """
    for window in range(len(first)):
        n = float(last[window] - first[window] + 1)
        origin, mean = values[first[window]], 0.0
        for place in range(first[window], last[window] + 1):
            mean += values[place] - origin
        mean /= n
        m1, m2, m3, m4 = 0.0, 0.0, 0.0, 0.0
        for place in range(first[window], last[window] + 1):
            off = (values[place] - origin) - mean
            square = off * off
            m1 += off
            m2 += square
            m3 += square * off
            m4 += square * square
        error = m1 / n
        m4 -= error * (4.0 * m3 - error * (6.0 * m2 - 3.0 * error * m1))
        m3 -= error * (3.0 * m2 - 2.0 * error * m1)
        m2 -= error * m1
        two[window, 0], two[window, 1] = math.nan, math.nan
        if n >= 3:
            two[window, 0] = m3 / (m2 * math.sqrt(m2)) * (n * math.sqrt(n - 1.0) / (n - 2.0))
        if n >= 4:
            inner = n * (n + 1.0) * (m4 / (m2 * m2)) - 3.0 * (n - 1.0)
            two[window, 1] = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * inner


def mean_n_absolute_max(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Return the mean of the largest readings of a window, without their sign.

    Parameters
    ----------
    values, first, last
        As in `quantile`.
    parameters : sequence of {"number_of_maxima": how many readings}

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In the values' unit; NaN for a window that has no more readings than that.

    Raises
    ------
    ConfigError
        If `number_of_maxima` is below 1.
    """
    numbers = np.array([parameter["number_of_maxima"] for parameter in parameters], dtype=np.int64)
    if (numbers < 1).any():
        raise ConfigError(f"number_of_maxima of mean_n_absolute_max must be 1 or more; got {numbers.tolist()}")
    result = np.empty((len(first), len(parameters)))
    _largest(values, first, last, numbers, np.empty(_longest(first, last)), result)
    return result


@compiled
def _largest(values: Any, first: Any, last: Any, numbers: Any, ordered: Any, result: Any) -> None:
    for window in range(len(first)):
        n = last[window] - first[window] + 1
        for place in range(n):
            ordered[place] = abs(values[first[window] + place])
        ordered[:n].sort()
        for column in range(len(numbers)):
            many = numbers[column]
            result[window, column] = total(ordered, n - many, many) / many if n > many else math.nan


def _longest(first: Places, last: Places) -> int:
    """Return the number of readings of the longest window."""
    return int((last - first).max(initial=-1)) + 1


def _range(statistics: dict[str, Floats]) -> Floats:
    return statistics["maximum"] - statistics["minimum"]


def _column(parameters: Parameters, key: str) -> Floats:
    return np.array([parameter[key] for parameter in parameters], dtype=np.float64)


def _as_numbers(answers: Any) -> Floats:
    return np.asarray(answers, dtype=np.float64)


def _same(column: Floats, parameters: Parameters) -> Floats:
    """Repeat one column for each (empty) parameter dict."""
    return np.repeat(column[:, None], len(parameters), axis=1)


KERNELS: dict[str, Kernel] = {
    "quantile": quantile,
    "change_quantiles": change_quantiles,
    "symmetry_looking": symmetry_looking,
    "large_standard_deviation": large_standard_deviation,
    "variance_larger_than_standard_deviation": variance_larger_than_standard_deviation,
    "variation_coefficient": variation_coefficient,
    "ratio_beyond_r_sigma": ratio_beyond_r_sigma,
    "skewness": skewness,
    "kurtosis": kurtosis,
    "mean_n_absolute_max": mean_n_absolute_max,
}
