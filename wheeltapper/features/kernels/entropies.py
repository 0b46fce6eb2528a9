"""tsfresh's features of disorder: how a window's readings, patterns and leading digits are spread.

A property of a reading that does not depend on its window (its leading digit, the order of it and the readings after
it) is computed once for all windows that hold it. Logarithms come from the C library and not from numpy's vector loops;
the two may differ in the last bit.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.features.kernels import _tsfresh
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places
from wheeltapper.features.kernels._sums import total

_LONGEST_PATTERN = 15
"""Readings in a pattern whose order, written in base 15, still fits 63 bits."""
_ROWS = 2**15
"""Patterns put in order at a time, to bound memory."""


def binned_entropy(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Say how evenly a window's readings fill the range between its lowest and its highest.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``max_bins``: number of bins of equal width.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In nats: 0 for a constant window, log(max_bins) at most.

    Raises
    ------
    ValueError
        By numpy, as in tsfresh, if a window's readings differ so little that doubles have no room for the bins.
    """
    result = np.empty((len(first), len(parameters)))
    todo = np.zeros(len(first), dtype=np.int64)
    for column, parameter in enumerate(parameters):
        _binned(values, first, last, parameter["max_bins"], result[:, column], todo)
        rest = np.flatnonzero(todo)
        if len(rest):
            result[rest, column] = _tsfresh.calculate("binned_entropy", [parameter], values, first[rest], last[rest])[
                :, 0
            ]
    return result


def lempel_ziv_complexity(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Say how poorly a window could be compressed: how many new words it has for its length.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``bins``: number of letters, each a part of equal width of the window's range.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        Words a reading.

    References
    ----------
    .. [1] J. Ziv, A. Lempel, "Compression of individual sequences via variable-rate coding",
       IEEE Trans. Information Theory 24(5), 1978, doi:10.1109/TIT.1978.1055934
    """
    result = np.empty((len(first), len(parameters)))
    tree = np.empty((3, int((last - first).max(initial=0)) + 2), dtype=np.int64)
    for column, parameter in enumerate(parameters):
        _words(values, first, last, parameter["bins"], tree, result[:, column])
    return result


def permutation_entropy(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Say how evenly the possible ups and downs of a few readings in a row occur in a window.

    Which of two equal readings counts as the lower one is left to numpy's sort, as in tsfresh: it differs between
    processors.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``dimension``: readings in a pattern; ``tau``: readings from the start of one pattern to that of the next.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        In nats; NaN for a window shorter than a pattern.

    References
    ----------
    .. [1] C. Bandt, B. Pompe, "Permutation Entropy: A Natural Complexity Measure for Time Series",
       Physical Review Letters 88, 2002, doi:10.1103/PhysRevLett.88.174102
    """
    result = np.empty((len(first), len(parameters)))
    if len(first) == 0:
        return result
    longest = int((last - first).max()) + 1
    origin = int(first.min())
    covered = values[origin : int(last.max()) + 1]
    for column, parameter in enumerate(parameters):
        dimension, tau = parameter["dimension"], parameter["tau"]
        if not 2 <= dimension <= _LONGEST_PATTERN or tau < 1:
            result[:, [column]] = _tsfresh.calculate("permutation_entropy", [parameter], values, first, last)
            continue
        orders = _orders(covered, dimension)
        _patterns(
            orders, first - origin, last - origin, dimension, tau,
            np.empty(longest, dtype=np.int64), np.empty(longest), result[:, column],
        )  # fmt: skip
    return result


def benford_correlation(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Say how well the readings' leading digits follow Benford's law (30 % begin with 1, 18 % with 2, …).

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        Empty ones.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        Correlation, −1 to 1; NaN for a window of zeros.

    References
    ----------
    .. [1] F. Benford, "The law of anomalous numbers", Proc. American Philosophical Society 78(4), 1938
    """
    result = np.empty(len(first))
    todo = np.zeros(len(first), dtype=np.int64)
    if len(first):
        origin = int(first.min())
        digits = _leading_digits(values[origin : int(last.max()) + 1])
        law = np.log10(1 + 1 / np.arange(1.0, 10.0))
        _benford(digits, first - origin, last - origin, law, result, todo)
    rest = np.flatnonzero(todo)
    if len(rest):
        result[rest] = _tsfresh.calculate("benford_correlation", [{}], values, first[rest], last[rest])[:, 0]
    return np.repeat(result[:, None], len(parameters), axis=1)


def _orders(values: Floats, dimension: int) -> Places:
    """Return the order of each run of readings as one number: the ranks of its readings as digits."""
    runs = max(len(values) - dimension + 1, 0)
    numbers = np.empty(runs, dtype=np.int64)
    for start in range(0, runs, _ROWS):
        part = values[start : min(start + _ROWS, runs) + dimension - 1]
        order = np.argsort(np.lib.stride_tricks.sliding_window_view(part, dimension))
        _number(order, numbers[start : start + _ROWS])
    return numbers


@cache
def _first_with_digit() -> tuple[Floats, Places]:
    """Return the doubles from which on the shortest decimal text begins with another digit, and these digits.

    They are the doubles next to 1e-323, …, 9e308: a double's text is the shortest that reads back as the double, and
    to no other double's text does a larger double have a smaller one.
    """
    steps = {float(f"{digit}e{power}") for power in range(-324, 309) for digit in range(1, 10)}
    at = np.array(sorted(step for step in steps if 0.0 < step < math.inf))
    return at, np.array([int(np.format_float_scientific(step)[0]) for step in at])


def _leading_digits(values: Floats) -> Places:
    """Return the first digit of each reading's shortest decimal text, 0 for 0."""
    at, digits = _first_with_digit()
    place = np.searchsorted(at, np.abs(values), side="right")
    return np.concatenate([[0], digits])[place]


@compiled
def _binned(values: Any, first: Any, last: Any, bins: Any, result: Any, todo: Any) -> None:
    """Fill in the entropy of ``numpy.histogram``; mark in ``todo`` what numpy refuses."""
    edges, terms = np.empty(bins + 1), np.empty(bins)
    counts = np.empty(bins, dtype=np.int64)
    for window in range(len(first)):
        begin, end = first[window], last[window] + 1
        low, high = _range(values, begin, end)
        if low == high:
            low, high = low - 0.5, high + 0.5
        _split(low, high, edges)
        todo[window] = 0
        for place in range(bins):
            if edges[place] >= edges[place + 1]:
                todo[window] = 1
        if todo[window]:
            continue
        counts[:] = 0
        for place in range(begin, end):
            at = min(int((values[place] - low) / (high - low) * bins), bins - 1)
            if values[place] < edges[at]:
                at -= 1
            elif values[place] >= edges[at + 1] and at != bins - 1:
                at += 1
            counts[at] += 1
        for at in range(bins):
            share = counts[at] / (end - begin)
            terms[at] = share * math.log(share) if counts[at] else 0.0
        result[window] = -total(terms, 0, bins)


@compiled
def _words(values: Any, first: Any, last: Any, bins: Any, tree: Any, result: Any) -> None:
    """Count words: each is the longest one known, and the letter after it.

    The known words make a tree; a node's children are chained from ``child`` through ``sibling``.
    """
    edges = np.empty(bins + 1)
    child, sibling, letters = tree[0], tree[1], tree[2]
    for window in range(len(first)):
        begin, end = first[window], last[window] + 1
        low, high = _range(values, begin, end)
        _split(low, high, edges)
        child[0] = 0
        words, node = 0, 0
        for place in range(begin, end):
            letter = _letter(values[place], low, high, edges)
            at = child[node]
            while at != 0 and letters[at] != letter:
                at = sibling[at]
            if at != 0:
                node = at
                continue
            words += 1
            letters[words] = letter
            child[words] = 0
            sibling[words] = child[node]
            child[node] = words
            node = 0
        result[window] = words / (end - begin)


@compiled
def _letter(value: Any, low: Any, high: Any, edges: Any) -> Any:
    """Return how many edges but the first lie below a value: a guess by proportion, put right by the edges."""
    bins = len(edges) - 1
    if not low < high:
        return 0
    at = min(max(int((value - low) / (high - low) * bins), 0), bins - 1)
    while at < bins and edges[at + 1] < value:
        at += 1
    while at > 0 and edges[at] >= value:
        at -= 1
    return at


@compiled
def _range(values: Any, begin: Any, end: Any) -> Any:
    low, high = values[begin], values[begin]
    for place in range(begin + 1, end):
        low = min(low, values[place])
        high = max(high, values[place])
    return low, high


@compiled
def _split(low: Any, high: Any, edges: Any) -> None:
    """Fill in ``numpy.linspace(low, high, len(edges))``, to the last bit."""
    bins = len(edges) - 1
    step = (high - low) / bins
    for place in range(bins):
        edges[place] = (place * step if step != 0.0 else place / bins * (high - low)) + low
    edges[bins] = high


@compiled
def _number(order: Any, numbers: Any) -> None:
    """Read each row's ranks, the inverse of its order, as the digits of one number."""
    runs, dimension = order.shape
    ranks = np.empty(dimension, dtype=np.int64)
    for run in range(runs):
        for rank in range(dimension):
            ranks[order[run, rank]] = rank
        number = 0
        for place in range(dimension):
            number = number * dimension + ranks[place]
        numbers[run] = number


@compiled
def _patterns(orders: Any, first: Any, last: Any, dimension: Any, tau: Any, room: Any, terms: Any, result: Any) -> None:
    """Fill in the entropy of each window's orders, taken every ``tau`` readings."""
    for window in range(len(first)):
        n = (last[window] + 1 - first[window] - dimension) // tau + 1
        if n < 1:
            result[window] = np.nan
            continue
        for place in range(n):
            room[place] = orders[first[window] + place * tau]
        ordered = room[:n]
        ordered.sort()
        different, count = 0, 0
        for place in range(n):
            count += 1
            if place == n - 1 or ordered[place + 1] != ordered[place]:
                share = count / n
                terms[different] = share * math.log(share)
                different += 1
                count = 0
        result[window] = -total(terms, 0, different)


@compiled
def _benford(digits: Any, first: Any, last: Any, law: Any, result: Any, todo: Any) -> None:
    """Correlate the shares of the digits 1 to 9 with the law; mark in ``todo`` shares that are all alike."""
    counts = np.empty(10, dtype=np.int64)
    shares = np.empty(9)
    expected = total(law, 0, 9) / 9
    for window in range(len(first)):
        counts[:] = 0
        for place in range(first[window], last[window] + 1):
            counts[digits[place]] += 1
        for digit in range(9):
            shares[digit] = counts[digit + 1] / (last[window] + 1 - first[window])
        todo[window] = counts[1] > 0 and shares.min() == shares.max()
        mean = total(shares, 0, 9) / 9
        covariance, variance, law_variance = 0.0, 0.0, 0.0
        for digit in range(9):
            covariance += (shares[digit] - mean) * (law[digit] - expected)
            variance += (shares[digit] - mean) ** 2
            law_variance += (law[digit] - expected) ** 2
        result[window] = covariance / math.sqrt(law_variance) / math.sqrt(variance)


KERNELS: dict[str, Kernel] = {
    "binned_entropy": binned_entropy,
    "lempel_ziv_complexity": lempel_ziv_complexity,
    "permutation_entropy": permutation_entropy,
    "benford_correlation": benford_correlation,
}
