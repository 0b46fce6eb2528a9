"""Sums in the order in which numpy adds them, so that compiled loops give numpy's own digits.

Where a true sum is 0, numpy's result is a rounding error, and tsfresh's comparisons (`x > 0`, `variance == 0`) depend
on it. Another order of adding would give other results.

References
----------
.. [1] N. J. Higham, "The Accuracy of Floating Point Summation", SIAM J. Sci. Comput. 14(4), 1993, doi:10.1137/0914050
   (pairwise summation; numpy/_core/src/umath/loops_utils.h.src has the blocks of 128 and the eight partial sums)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wheeltapper.compiled import compiled

_BLOCK = 128
_TWO_BLOCKS, _FOUR_BLOCKS = 240, 464
"""Up to here both halves are short enough for the size before; the second may be 15 longer than the first."""
_LEVELS = 64


@compiled
def total(values: Any, begin: Any, n: Any) -> Any:
    """Return ``numpy.sum(values[begin : begin + n])``, to the last bit.

    A function that calls itself would say it in four lines, but numba's cache crashes on those. So the parts that
    wait, and the sums that wait for their other half, are kept with their level: two of one level make one of the next.
    """
    if n <= _TWO_BLOCKS:
        return _short(values, begin, n)
    if n <= _FOUR_BLOCKS:
        half = n // 2
        half -= half % 8
        return _short(values, begin, half) + _short(values, begin + half, n - half)
    sizes, levels = np.empty(_LEVELS, dtype=np.int64), np.empty(_LEVELS, dtype=np.int64)
    sums, heights = np.empty(_LEVELS), np.empty(_LEVELS, dtype=np.int64)
    sizes[0], levels[0], left, done = n, 0, 1, 0
    while left:
        left -= 1
        size, level = sizes[left], levels[left]
        if size > _TWO_BLOCKS:
            half = size // 2
            half -= half % 8
            sizes[left], levels[left] = size - half, level + 1
            sizes[left + 1], levels[left + 1] = half, level + 1
            left += 2
            continue
        subtotal = _short(values, begin, size)
        begin += size
        while done and heights[done - 1] == level:
            done -= 1
            subtotal = sums[done] + subtotal
            level -= 1
        sums[done], heights[done] = subtotal, level
        done += 1
    return sums[0]


@compiled
def variance(values: Any, begin: Any, n: Any, room: Any) -> Any:
    """Return ``numpy.var(values[begin : begin + n])``, to the last bit; ``room`` is scratch for n values."""
    mean = total(values, begin, n) / n
    for place in range(n):
        off = values[begin + place] - mean
        room[place] = off * off
    return total(room, 0, n) / n


@compiled
def _short(values: Any, begin: Any, n: Any) -> Any:
    """Sum up at most 240 values: one block or two."""
    if n <= _BLOCK:
        return _block(values, begin, n)
    half = n // 2
    half -= half % 8
    return _block(values, begin, half) + _block(values, begin + half, n - half)


@compiled
def _block(values: Any, begin: Any, n: Any) -> Any:
    """Sum up at most 128 values, in eight partial sums from 8 on."""
    if n < 8:
        few = 0.0
        for place in range(begin, begin + n):
            few += values[place]
        return few
    s0, s1, s2, s3 = values[begin], values[begin + 1], values[begin + 2], values[begin + 3]
    s4, s5, s6, s7 = values[begin + 4], values[begin + 5], values[begin + 6], values[begin + 7]
    full = begin + n - n % 8
    for place in range(begin + 8, full, 8):
        s0 += values[place]
        s1 += values[place + 1]
        s2 += values[place + 2]
        s3 += values[place + 3]
        s4 += values[place + 4]
        s5 += values[place + 5]
        s6 += values[place + 6]
        s7 += values[place + 7]
    subtotal = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for place in range(full, begin + n):
        subtotal += values[place]
    return subtotal
