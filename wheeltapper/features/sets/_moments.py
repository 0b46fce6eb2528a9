"""Means, spreads and extremes of many windows, compiled; imported only to compute features, as numba opens slowly.

Windows are put together from runs of 1, 2, 4, … values. Runs of a block of windows stay in the processor's cache, so a
million windows take little time each, and one window alone takes next to none. Whether a window is computed alone or
among others, its value comes from the same operations in the same order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wheeltapper.compiled import compiled

BLOCK = 2048
"""Windows that are computed at a time, where they are not much longer than this."""


@compiled
def block_of(first: Any, last: Any, begin: Any) -> Any:
    """Return the end of the block of windows that starts with window ``begin``."""
    longest = last[begin] - first[begin] + 1
    return min(len(first), begin + max(BLOCK, 2 * longest))


@compiled
def bounds(first: Any, last: Any, begin: Any, end: Any) -> Any:
    """Return the first and the last place, and the longest length, of some windows."""
    low, high, longest = first[begin], last[begin], 0
    for window in range(begin, end):
        low, high = min(low, first[window]), max(high, last[window])
        longest = max(longest, last[window] - first[window] + 1)
    return low, high, longest


@compiled
def copy(values: Any, low: Any, n: Any, runs: Any) -> None:
    """Copy n values to the first row of ``runs``; numba compiles ``runs[0] = …`` for seconds."""
    for place in range(n):
        runs[0, place] = values[low + place]


@compiled
def all_moments(values: Any, first: Any, last: Any, mean: Any, std: Any) -> None:
    """Fill mean and standard deviation of each window; NaN where it lacks a value."""
    begin = 0
    while begin < len(first):
        end = block_of(first, last, begin)
        low, high, longest = bounds(first, last, begin, end)
        runs, squares = np.empty((2, high - low + 1)), np.zeros((2, high - low + 1))
        copy(values, low, high - low + 1, runs)
        part = slice(begin, end)
        moments(runs, squares, high - low + 1, first[part] - low, last[part] - low, longest, mean[part], std[part])
        begin = end


@compiled
def moments(runs: Any, squares: Any, n: Any, first: Any, last: Any, longest: Any, mean: Any, std: Any) -> None:
    """Fill mean and standard deviation of windows of the first n values of ``runs[0]``, which is used up.

    ``squares[0]`` is zero and is used up, too; ``runs[1]`` and ``squares[1]`` are scratch.
    """
    now, size = 0, 1
    for window in range(len(first)):
        mean[window], std[window] = np.nan, np.nan
    while size <= longest:
        for window in range(len(first)):
            length = last[window] - first[window] + 1
            if length & size:
                covered = length & (size - 1)
                at = first[window] + covered
                if covered:
                    delta = runs[now, at] - mean[window]
                    mean[window] += delta * (size / (covered + size))
                    std[window] = std[window] + squares[now, at] + delta * delta * (covered * size / (covered + size))
                else:
                    mean[window], std[window] = runs[now, at], squares[now, at]
        half = size / 2
        for place in range(n - 2 * size + 1):
            delta = runs[now, place + size] - runs[now, place]
            runs[1 - now, place] = runs[now, place] + delta * 0.5
            squares[1 - now, place] = squares[now, place] + squares[now, place + size] + delta * delta * half
        now, size = 1 - now, 2 * size
    for window in range(len(first)):
        std[window] = np.sqrt(std[window] / (last[window] - first[window] + 1))


@compiled
def all_means(values: Any, first: Any, last: Any, mean: Any) -> None:
    """Fill the mean of each window; NaN where it lacks a value."""
    begin = 0
    while begin < len(first):
        end = block_of(first, last, begin)
        low, high, longest = bounds(first, last, begin, end)
        runs = np.empty((2, high - low + 1))
        copy(values, low, high - low + 1, runs)
        means(runs, high - low + 1, first[begin:end] - low, last[begin:end] - low, longest, mean[begin:end])
        begin = end


@compiled
def means(runs: Any, n: Any, first: Any, last: Any, longest: Any, mean: Any) -> None:
    """Fill the mean of windows of the first n values of ``runs[0]``, which is used up; ``runs[1]`` is scratch."""
    now, size = 0, 1
    for window in range(len(first)):
        mean[window] = np.nan
    while size <= longest:
        for window in range(len(first)):
            length = last[window] - first[window] + 1
            if length & size:
                covered = length & (size - 1)
                run = runs[now, first[window] + covered]
                mean[window] = mean[window] + (run - mean[window]) * (size / (covered + size)) if covered else run
        for place in range(n - 2 * size + 1):
            runs[1 - now, place] = runs[now, place] + (runs[now, place + size] - runs[now, place]) * 0.5
        now, size = 1 - now, 2 * size


@compiled
def extremes(runs: Any, n: Any, first: Any, last: Any, longest: Any, is_highest: Any, extreme: Any) -> None:
    """Fill the lowest or highest value of windows of the first n values of ``runs[0]``; ``runs[1]`` is scratch."""
    now, size = 0, 1
    while size <= longest:
        for window in range(len(first)):
            length = last[window] - first[window] + 1
            if size <= length < 2 * size:
                begins, ends = runs[now, first[window]], runs[now, last[window] + 1 - size]
                extreme[window] = furthest(begins, ends, is_highest)
        for place in range(n - 2 * size + 1):
            runs[1 - now, place] = furthest(runs[now, place], runs[now, place + size], is_highest)
        now, size = 1 - now, 2 * size


@compiled
def furthest(value: Any, other_value: Any, is_highest: Any) -> Any:
    """Return the higher or the lower of two numbers."""
    if is_highest:
        return value if value > other_value else other_value
    return value if value < other_value else other_value
