"""The loops of feature sets, compiled; imported only where features are computed, as numba opens slowly.

Each fills the rows of a table from ``at`` on: a column of the plan is a row of the table, a window is a column. They
take `Block`'s arrays and the windows' places; ``chosen`` are the rows of ``values`` that have features.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wheeltapper.compiled import compiled
from wheeltapper.features.sets._moments import BLOCK, all_means, all_moments, bounds, copy, extremes, means, moments

MEAN, STD, MIN, MAX = 0, 1, 2, 3
"""The statistics of `over_spans`."""

NONE, ANY, ALL = -1, -2, -3
"""In place of an operating state's number: none; any, the same for all that count; all, whatever they are."""

FAR = 1e70
"""Changes beyond this count as this: their fourth powers are still numbers."""


@compiled
def latest(chosen: Any, block: Any, first: Any, last: Any, table: Any, at: Any) -> None:
    """Fill each sensor's value at the window's end."""
    for row in range(len(chosen)):
        series, out = block.values[chosen[row]], table[at + row]
        for window in range(len(last)):
            out[window] = series[last[window]]
        blank_incomplete(series, first, last, out)


@compiled
def rates(chosen: Any, unit: Any, block: Any, first: Any, last: Any, table: Any, at: Any) -> None:
    """Fill each sensor's change since the reading before the last, per unit of time."""
    for row in range(len(chosen)):
        series, out = block.values[chosen[row]], table[at + row]
        for window in range(len(last)):
            end = last[window]
            out[window] = np.nan
            if end > block.opens:
                elapsed = (block.seconds[end] - block.seconds[end - 1]) / unit
                out[window] = (series[end] - series[end - 1]) / elapsed
        blank_incomplete(series, first, last, out)


@compiled
def rolling(chosen: Any, block: Any, first: Any, last: Any, table: Any, at: Any) -> None:
    """Fill mean and standard deviation of each sensor."""
    for row in range(len(chosen)):
        all_moments(block.values[chosen[row]], first, last, table[at + 2 * row], table[at + 2 * row + 1])


@compiled
def pairs(ratios: Any, smallest: Any, products: Any, block: Any, first: Any, last: Any, table: Any, at: Any) -> None:
    """Fill quotients of window means, then window means of products; a divisor is never closer to zero than allowed."""
    divisor = np.empty(len(last))
    for row in range(len(ratios)):
        out = table[at + row]
        all_means(block.values[ratios[row, 0]], first, last, out)
        all_means(block.values[ratios[row, 1]], first, last, divisor)
        for window in range(len(last)):
            divides = smallest[row] if abs(divisor[window]) < smallest[row] else divisor[window]
            out[window] = out[window] / divides
    if not len(last):
        return
    low, high, _ = bounds(first, last, 0, len(last))
    product = np.empty(high - low + 1)
    for row in range(len(products)):
        for place in range(len(product)):
            product[place] = block.values[products[row, 0], low + place] * block.values[products[row, 1], low + place]
        all_means(product, first - low, last - low, table[at + len(ratios) + row])


@compiled
def over_spans(
    chosen: Any,
    rows: Any,
    spans: Any,
    grace: Any,
    whole: Any,
    by_state: Any,
    present: Any,
    statistics: Any,
    block: Any,
    first: Any,
    last: Any,
    table: Any,
    at: Any,
) -> None:
    """Fill statistics over look backs in time (``spans``, microseconds), then in readings (``rows``).

    ``begins`` holds the first place that a look back sees; −1 where the stretch must go back so far and does not.
    """
    looks, windows = len(spans) + len(rows), len(last)
    begins = np.empty((looks, windows), dtype=np.int64)
    for window in range(windows):
        fill_begins(rows, spans, grace, whole, block, last[window], begins[:, window])
    start = 0
    while start < windows:
        furthest = last[start]
        for look in range(looks):
            furthest = min(furthest, begins[look, start])
        end = min(windows, start + max(BLOCK, 2 * (last[start] - furthest + 1)))
        part = slice(start, end)
        for row in range(len(chosen)):
            series, rows_from = block.values[chosen[row]], at + row * looks * len(statistics)
            out = table[rows_from : rows_from + looks * len(statistics), part]
            of_block(series, block.states, begins[:, part], last[part], by_state, present, statistics, out)
        start = end
    for row in range(len(chosen)):
        for column in range(looks * len(statistics)):
            blank_incomplete(block.values[chosen[row]], first, last, table[at + row * looks * len(statistics) + column])


@compiled
def fill_begins(rows: Any, spans: Any, grace: Any, whole: Any, block: Any, last: Any, begins: Any) -> None:
    """Fill the first place that each look back of one window sees."""
    opened, ended = in_micros(block.seconds[block.opens]), in_micros(block.seconds[last])
    for look in range(len(spans)):
        begin = ended - spans[look]
        # One step of grace: with readings at 1:00, 2:00, … the six hours up to 6:00 begin with the one at 1:00.
        is_enough = opened <= begin + grace or not whole
        begins[look] = place_after(block.seconds, block.opens, last, begin) if is_enough else -1
    for look in range(len(rows)):
        begin = last - rows[look] + 1
        begins[len(spans) + look] = begin if begin >= block.opens else (-1 if whole else block.opens)


@compiled
def in_micros(seconds: Any) -> Any:
    """Return an instant as whole microseconds, as in the tables."""
    return np.int64(np.rint(seconds * 1e6))


@compiled
def of_block(
    series: Any, states: Any, begins: Any, last: Any, by_state: Any, present: Any, statistics: Any, out: Any
) -> None:
    """Fill the statistics of one sensor for a block of windows, state by state."""
    out[:] = np.nan
    looks, windows = begins.shape
    low, high = last[0], last[-1]
    for look in range(looks):
        for window in range(windows):
            if begins[look, window] >= 0:
                low = min(low, begins[look, window])
    n = high - low + 1
    runs, squares = np.empty((2, n)), np.zeros((2, n))
    # How many readings count before each place, and how many of them have a value.
    expected, so_far = np.zeros(n + 1, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    look_backs = np.empty((4, looks * windows), dtype=np.int64)
    mean, std = np.empty(looks * windows), np.empty(looks * windows)
    is_done = np.zeros(windows, dtype=np.bool_)
    for window in range(windows):
        state = states[last[window]] if by_state else ANY
        if is_done[window] or state == NONE:
            continue
        for later_window in range(window, windows):
            is_done[later_window] |= state == ANY or states[last[later_window]] == state
        for place in range(n):
            counts = state == ANY or states[low + place] == state
            has_value = counts and not np.isnan(series[low + place])
            expected[place + 1] = expected[place] + counts
            so_far[place + 1] = so_far[place] + has_value
            if has_value:
                runs[0, so_far[place]] = series[low + place]
        n_look_backs, longest = list_look_backs(states, state, low, expected, so_far, present, begins, last, look_backs)
        fill_statistics(runs, squares, so_far[n], look_backs, n_look_backs, longest, statistics, mean, std, out)


@compiled
def list_look_backs(
    states: Any, state: Any, low: Any, expected: Any, so_far: Any, present: Any, begins: Any, last: Any, look_backs: Any
) -> Any:
    """List the look backs of one state that have enough values, and return how many there are and the longest.

    ``look_backs`` gets, for each, the places of its first and last value among those that count, its number and its
    window.
    """
    n_look_backs, longest = 0, 0
    for look in range(len(begins)):
        for window in range(len(last)):
            begun, ended = begins[look, window] - low, last[window] - low + 1
            if begun + low < 0 or (state != ANY and states[last[window]] != state):
                continue
            counted = so_far[ended] - so_far[begun]
            if counted > 0 and counted >= present * (expected[ended] - expected[begun]):
                look_backs[0, n_look_backs], look_backs[1, n_look_backs] = so_far[begun], so_far[ended] - 1
                look_backs[2, n_look_backs], look_backs[3, n_look_backs] = look, window
                n_look_backs, longest = n_look_backs + 1, max(longest, counted)
    return n_look_backs, longest


@compiled
def fill_statistics(
    runs: Any,
    squares: Any,
    n: Any,
    look_backs: Any,
    n_look_backs: Any,
    longest: Any,
    statistics: Any,
    mean: Any,
    std: Any,
    out: Any,
) -> None:
    """Fill the statistics of look backs on the first n values of ``runs[0]``."""
    begin, end, looks, windows = (
        look_backs[0, :n_look_backs],
        look_backs[1, :n_look_backs],
        look_backs[2, :n_look_backs],
        look_backs[3, :n_look_backs],
    )
    values, has_mean, has_std = np.empty(n), False, False
    for statistic in statistics:
        has_mean |= statistic == MEAN
        has_std |= statistic == STD
    for place in range(n):
        values[place], squares[0, place] = runs[0, place], 0.0
    if has_std:
        moments(runs, squares, n, begin, end, longest, mean[:n_look_backs], std[:n_look_backs])
    elif has_mean:
        means(runs, n, begin, end, longest, mean[:n_look_backs])
    for place in range(len(statistics)):
        column = std if statistics[place] == STD else mean
        if statistics[place] == MIN or statistics[place] == MAX:
            copy(values, 0, n, runs)
            column = np.empty(n_look_backs)
            extremes(runs, n, begin, end, longest, statistics[place] == MAX, column)
        for which in range(n_look_backs):
            out[looks[which] * len(statistics) + place, windows[which]] = column[which]


@compiled
def place_after(seconds: Any, opens: Any, last: Any, micros: Any) -> Any:
    """Return the place of the first reading after an instant, at most the one after ``last``."""
    low, high = opens, last + 1
    while low < high:
        middle = (low + high) // 2
        if in_micros(seconds[middle]) <= micros:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def restless(chosen: Any, rows: Any, block: Any, first: Any, last: Any, table: Any, at: Any) -> None:
    """Fill the eighth root of the mean square change over each look back of each sensor."""
    start, most = 0, 0
    for count in rows:
        most = max(most, count)
    while start < len(last):
        end = min(len(last), start + max(BLOCK, 2 * most))
        part = slice(start, end)
        for row in range(len(chosen)):
            out = table[at + row * len(rows) : at + (row + 1) * len(rows), part]
            restless_block(block.values[chosen[row]], block.states, block.opens, rows, most, last[part], out)
        start = end
    for row in range(len(chosen)):
        for look in range(len(rows)):
            blank_incomplete(block.values[chosen[row]], first, last, table[at + row * len(rows) + look])


@compiled
def restless_block(series: Any, states: Any, opens: Any, rows: Any, most: Any, last: Any, out: Any) -> None:
    """Fill the restlessness of one sensor for a block of windows.

    The changes within the state that a window ends in are used; if there are none, those within any one state; if there
    are none either, all changes.
    """
    out[:] = np.nan
    looks, windows = out.shape
    low = max(last[0] - most + 2, opens + 1)
    n = last[-1] - low + 1
    if n < 1:
        return
    square, runs = np.empty(n), np.empty((2, n))
    for place in range(n):
        change = series[low + place] - series[low + place - 1]
        change = min(max(change, -FAR), FAR) if not np.isnan(change) else change
        square[place] = change * change
    so_far = np.zeros(n + 1, dtype=np.int64)
    look_backs, mean = np.empty((4, looks * windows), dtype=np.int64), np.empty(looks * windows)
    is_done = np.zeros(windows, dtype=np.bool_)
    for window in range(windows):
        state = states[last[window]]
        if is_done[window] or state == NONE:
            continue
        for later_window in range(window, windows):
            is_done[later_window] |= states[last[later_window]] == state
        fill_restless(square, states, low, opens, rows, last, state, runs, so_far, look_backs, mean, out)
    for any_state in (ANY, ALL):
        is_open = False
        for look in range(looks):
            for window in range(windows):
                is_open |= np.isnan(out[look, window])
        if is_open:
            fill_restless(square, states, low, opens, rows, last, any_state, runs, so_far, look_backs, mean, out)


@compiled
def fill_restless(
    square: Any,
    states: Any,
    low: Any,
    opens: Any,
    rows: Any,
    last: Any,
    state: Any,
    runs: Any,
    so_far: Any,
    look_backs: Any,
    mean: Any,
    out: Any,
) -> None:
    """Fill the windows that have no value yet, from the changes within one state, within any one, or all changes."""
    looks, windows = out.shape
    for place in range(len(square)):
        at = low + place
        is_within = states[at] == states[at - 1] and (state < 0 or states[at] == state)
        counts = (state == ALL or is_within) and not np.isnan(square[place])
        so_far[place + 1] = so_far[place] + counts
        if counts:
            runs[0, so_far[place]] = square[place]
    n_look_backs, longest = 0, 0
    for look in range(looks):
        for window in range(windows):
            if not np.isnan(out[look, window]) or (state >= 0 and states[last[window]] != state):
                continue
            begun = max(last[window] - rows[look] + 2, opens + 1)
            counted = so_far[last[window] - low + 1] - so_far[begun - low] if begun <= last[window] else 0
            if counted > 0:
                look_backs[0, n_look_backs], look_backs[1, n_look_backs] = (
                    so_far[begun - low],
                    so_far[last[window] - low + 1] - 1,
                )
                look_backs[2, n_look_backs], look_backs[3, n_look_backs] = look, window
                n_look_backs, longest = n_look_backs + 1, max(longest, counted)
    means(
        runs,
        so_far[len(square)],
        look_backs[0, :n_look_backs],
        look_backs[1, :n_look_backs],
        longest,
        mean[:n_look_backs],
    )
    for which in range(n_look_backs):
        out[look_backs[2, which], look_backs[3, which]] = np.sqrt(np.sqrt(np.sqrt(mean[which])))


@compiled
def blank_incomplete(series: Any, first: Any, last: Any, out: Any) -> None:
    """Take the value of each window that lacks one of its readings."""
    if not len(last):
        return
    low, _, _ = bounds(first, last, 0, len(last))
    place, missing = low, low - 1
    for window in range(len(last)):
        while place <= last[window]:
            if np.isnan(series[place]):
                missing = place
            place += 1
        if missing >= first[window]:
            out[window] = np.nan
