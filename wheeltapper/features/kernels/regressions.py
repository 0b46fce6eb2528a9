"""tsfresh's features that fit a straight combination of past readings: ``ar_coefficient``, ``augmented_dickey_fuller``.

Both are least squares. A Householder triangularisation [1]_ solves them; for the Dickey-Fuller test one triangle gives
the residuals of all numbers of lags at once, where statsmodels fits each anew. tsfresh's own values come out of a
pseudo-inverse, whose rounding errors grow with the square of the matrix's condition. So a window whose matrix is not
well-conditioned (readings far from zero next to their own spread) is solved through that same pseudo-inverse; and one
that leaves no clear winner among the lags (a valve with two positions) is fitted lag by lag, as statsmodels does. A
window that mostly rises by the same step goes to tsfresh.

References
----------
.. [1] G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th ed., Johns Hopkins, 2013, sections 5.2 and 5.3
.. [2] J. G. MacKinnon, "Approximate Asymptotic Distribution Functions for Unit-Root and Cointegration Tests",
   J. Business & Economic Statistics 12(2), 1994, doi:10.1080/07350015.1994.10510005
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import ndtr

from wheeltapper.compiled import compiled
from wheeltapper.features.kernels import _tsfresh
from wheeltapper.features.kernels._kernel import Floats, Kernel, Parameters, Places

_WELL = 2000.0
"""Condition up to which triangle and pseudo-inverse agree: to 4e-11 on 1 400 windows of 55 real sensors."""
_SINGULAR = 1e10
"""Condition from which statsmodels may find columns that depend on others, and count fewer of them."""
_CLEAR = 1e-7
"""Least distance between the best two values of Akaike's criterion, each known to about 1e-10."""
_PERFECT = 1e-10
"""Share of the squares left to the residuals below which they are rounding errors, and so is all that follows."""
_ZERO = 1e-6
"""Size below which a coefficient (next to the largest) or a statistic may be a zero with rounding errors on it."""
_REFIT, _ALL_LAGS = 1, 2

# MacKinnon [2]_, one series, regression with a constant: above and below these, p is 1 and 0; the bend; both curves.
_P_IS_ONE, _P_IS_ZERO, _BEND = 2.74, -18.83, -1.61
_BELOW = (2.1659, 1.4412, 3.8269e-2)
_ABOVE = (1.7339, 9.3202e-1, -1.2745e-1, -1.0368e-2)


def ar_coefficient(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Say how much of each reading is the reading before it, the one before that, and so on.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``k``: number of past readings; ``coeff``: which coefficient, 0 is the constant.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        NaN for a window with fewer than 2·k + 1 readings; there, like tsfresh, 0 for the coefficient k.
    """
    result = np.empty((len(first), len(parameters)))
    for k in {parameter["k"] for parameter in parameters}:
        table = _fit(values, first, last, k)
        short = last - first + 1 < 2 * k + 1
        for column, parameter in enumerate(parameters):
            if parameter["k"] == k:
                result[:, column] = table[:, parameter["coeff"]] if parameter["coeff"] <= k else np.nan
                if parameter["coeff"] == k:
                    result[short, column] = 0.0
    return result


def _fit(values: Floats, first: Places, last: Places, k: int) -> Floats:
    """Return the constant and the k coefficients of each window, shape (n_windows, k + 1)."""
    table = np.full((len(first), k + 1), np.nan)
    todo = np.zeros(len(first), dtype=np.int64)
    longest = int((last - first).max(initial=0)) + 1
    _autoregressions(values, first, last, k, np.empty((k + 2, longest)), table, todo)
    for window in np.flatnonzero(todo):
        readings = values[first[window] : last[window] + 1]
        rows = len(readings) - k
        lags = [readings[k - lag : k - lag + rows] for lag in range(1, k + 1)]
        table[window] = _pseudo_inverse(np.column_stack([np.ones(rows), *lags]), readings[k:])[0]
    return table


def augmented_dickey_fuller(values: Floats, first: Places, last: Places, parameters: Parameters) -> Floats:
    """Test whether a window wanders off for good (p near 1) or is pulled back to its level (p near 0).

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        One sensor in any unit, finite inside every window.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    parameters : sequence of dict
        ``attr``: "teststat", "pvalue" or "usedlag" (readings); ``autolag``: how the lags are chosen, "AIC" unless said.

    Returns
    -------
    ndarray of shape (n_windows, len(parameters))
        NaN for a window that is constant or shorter than four readings.
    """
    result = np.full((len(first), len(parameters)), np.nan)
    other = [column for column, parameter in enumerate(parameters) if parameter.get("autolag", "AIC") != "AIC"]
    if other:
        result[:, other] = _tsfresh.calculate(
            "augmented_dickey_fuller", [parameters[column] for column in other], values, first, last
        )
    if len(other) < len(parameters):
        table = dict(zip(("teststat", "pvalue", "usedlag"), _dickey_fuller(values, first, last).T, strict=True))
        for column, parameter in enumerate(parameters):
            if column not in other and parameter["attr"] in table:
                result[:, column] = table[parameter["attr"]]
    return result


def _dickey_fuller(values: Floats, first: Places, last: Places) -> Floats:
    """Return test statistic, p-value and used lag of each window, shape (n_windows, 3)."""
    n = last - first + 1
    # Schwert's rule, 12·(n/100)^(1/4), as statsmodels writes it.
    most = np.minimum(n // 2 - 2, np.ceil(12.0 * np.power(n / 100.0, 1 / 4.0)).astype(np.int64))
    table = np.full((len(first), 3), np.nan)
    todo = np.zeros(len(first), dtype=np.int64)
    room = np.empty((int(most.max(initial=0)) + 3, int(n.max(initial=1))))
    _unit_roots(values, first, last, most, room, table, todo)
    for window in np.flatnonzero(todo == _REFIT):
        table[window, 0] = _refitted(values[first[window] : last[window] + 1], int(table[window, 2]))
    special = []
    for window in np.flatnonzero(todo == _ALL_LAGS):
        readings = values[first[window] : last[window] + 1]
        if _has_constant(readings, int(most[window])):
            special.append(window)
            continue
        table[window, 2] = lag = _lag(readings, int(most[window]))
        table[window, 0] = _refitted(readings, lag)
    table[:, 1] = _p_values(table[:, 0])
    if special:
        attributes = [{"attr": name} for name in ("teststat", "pvalue", "usedlag")]
        table[special] = _tsfresh.calculate(
            "augmented_dickey_fuller", attributes, values, first[special], last[special]
        )
    return table


def _p_values(statistic: Floats) -> Floats:
    """Return MacKinnon's probability of a statistic this small, where a series does wander [2]_."""
    with np.errstate(all="ignore"):  # an endless statistic, of a perfect fit
        curve = np.where(statistic <= _BEND, np.polyval(_BELOW[::-1], statistic), np.polyval(_ABOVE[::-1], statistic))
    p = np.where(statistic > _P_IS_ONE, 1.0, np.where(statistic < _P_IS_ZERO, 0.0, ndtr(curve)))
    return np.asarray(np.where(np.isnan(statistic), np.nan, p))


def _has_constant(readings: Floats, most: int) -> bool:
    """Tell whether the level or a past step stays the same: statsmodels then adds no constant of its own."""
    lags, level, _ = _equation(readings, most)
    return any(column[0] != 0 and np.ptp(column) == 0 for column in (level, *lags))


def _lag(readings: Floats, most: int) -> int:
    """Return the lag with the best Akaike criterion, every lag fitted on its own as in statsmodels.

    Columns of zeros leave the criterion of two lags alike but for its last digits, and those decide.
    """
    lags, level, target = _equation(readings, most)
    rows = len(target)
    matrix = np.column_stack([np.ones(rows), level, *lags])
    criteria = []
    with np.errstate(all="ignore"):
        for columns in range(2, most + 3):
            coefficients, _, rank = _pseudo_inverse(matrix[:, :columns], target)
            residuals = target - np.dot(matrix[:, :columns], coefficients)
            squares = np.sum(residuals**2)
            likelihood = -rows / 2.0 * np.log(2 * np.pi) - rows / 2.0 * np.log(squares / rows) - rows / 2.0
            criteria.append((-2 * likelihood + 2 * rank, columns - 2))
    return min(criteria)[1]


def _refitted(readings: Floats, lag: int) -> float:
    """Return the test statistic of one window and lag as in statsmodels."""
    lags, level, target = _equation(readings, lag)
    rows = len(target)
    matrix = np.column_stack([level, *lags, np.ones(rows)])
    coefficients, inverse, rank = _pseudo_inverse(matrix, target)
    residuals = target - np.dot(matrix, coefficients)
    with np.errstate(all="ignore"):
        scale = np.dot(residuals, residuals) / (rows - rank)
        return float(coefficients[0] / np.sqrt(scale * np.dot(inverse, inverse.T)[0, 0]))


def _equation(readings: Floats, lag: int) -> tuple[list[Floats], Floats, Floats]:
    """Return what explains a step and the steps: past steps, one array a lag; the level before; the steps."""
    steps = np.diff(readings)
    rows = len(steps) - lag
    lags = [steps[lag - back : lag - back + rows] for back in range(1, lag + 1)]
    return lags, readings[lag : lag + rows], steps[lag:]


def _pseudo_inverse(matrix: Floats, target: Floats) -> tuple[Floats, Floats, int]:
    """Return coefficients, pseudo-inverse and rank as statsmodels computes them, rounding errors included."""
    from statsmodels.tools.tools import pinv_extended

    inverse, singular = pinv_extended(matrix)
    rank = int(np.sum(singular > singular.max() * len(singular) * np.finfo(float).eps))
    return np.dot(inverse, target), inverse, rank


@compiled
def _autoregressions(values: Any, first: Any, last: Any, k: Any, room: Any, table: Any, todo: Any) -> None:
    """Fit each window on a constant and its k past readings; mark in ``todo`` what must be done more carefully."""
    for window in range(len(first)):
        begin = first[window]
        rows = last[window] + 1 - begin - k
        if rows < k + 1:
            continue
        for row in range(rows):
            room[0, row] = 1.0
            for lag in range(1, k + 1):
                room[lag, row] = values[begin + k + row - lag]
            room[k + 1, row] = values[begin + k + row]
        _triangle(room, rows, k + 1)
        if not _condition(room, k + 1) <= _WELL:
            todo[window] = _REFIT
            continue
        for i in range(k, -1, -1):
            rest = room[k + 1, i]
            for j in range(i + 1, k + 1):
                rest -= room[j, i] * table[window, j]
            table[window, i] = rest / room[i, i]
        size = np.abs(table[window])
        if size.min() < _ZERO * size.max():
            todo[window] = _REFIT


@compiled
def _unit_roots(values: Any, first: Any, last: Any, most: Any, room: Any, table: Any, todo: Any) -> None:
    """Find the best number of lags and its statistic; mark in ``todo`` what must be done more carefully."""
    for window in range(len(first)):
        begin, end = first[window], last[window] + 1
        if most[window] < 0 or _is_constant(values, begin, end):
            continue
        k = most[window] + 2
        _fill(values, begin, end, most[window], 0, room)
        rows = end - begin - 1 - most[window]
        _triangle(room, rows, k)
        if not _condition(room, k) <= _SINGULAR:
            todo[window] = _ALL_LAGS
            continue
        best, is_clear = _akaike(room[k], rows, k)
        if not is_clear:
            todo[window] = _ALL_LAGS
            continue
        lag = best - 2
        _fill(values, begin, end, lag, 1, room)
        rows = end - begin - 1 - lag
        _triangle(room, rows, best)
        table[window, 2] = lag
        if not _condition(room, best) <= _WELL:
            todo[window] = _REFIT
            continue
        squares = 0.0
        for row in range(best, rows):
            squares += room[best, row] * room[best, row]
        statistic = room[best, best - 1] / math.sqrt(squares / (rows - best))
        table[window, 0] = statistic if room[best - 1, best - 1] > 0.0 else -statistic
        if abs(statistic) < _ZERO:
            todo[window] = _REFIT


@compiled
def _is_constant(values: Any, begin: Any, end: Any) -> Any:
    place = begin
    while place < end and values[place] == values[begin]:
        place += 1
    return place == end


@compiled
def _fill(values: Any, begin: Any, end: Any, lag: Any, level: Any, room: Any) -> None:
    """Lay out constant, level and past steps, then the steps: level second (0), or last as the triangle likes (1)."""
    for row in range(end - begin - 1 - lag):
        place = begin + lag + row
        room[0, row] = 1.0
        room[lag + 1 if level else 1, row] = values[place]
        for back in range(1, lag + 1):
            room[back if level else back + 1, row] = values[place - back + 1] - values[place - back]
        room[lag + 2, row] = values[place + 1] - values[place]


@compiled
def _akaike(target: Any, rows: Any, k: Any) -> Any:
    """Return how many columns Akaike's criterion keeps (2 to k), and whether it is clear about it.

    The rotated target's entries from column j on are what j columns leave unexplained.
    """
    squares = 0.0
    for row in range(k, rows):
        squares += target[row] * target[row]
    least = squares
    best, best_criterion, second = k, rows * math.log(squares) + 2.0 * k, math.inf
    for columns in range(k - 1, 1, -1):
        squares += target[columns] * target[columns]
        criterion = rows * math.log(squares) + 2.0 * columns
        if criterion <= best_criterion:
            second = best_criterion
            best, best_criterion = columns, criterion
        elif criterion < second:
            second = criterion
    whole = squares + target[0] * target[0] + target[1] * target[1]
    return best, second - best_criterion > _CLEAR and least > _PERFECT * whole


@compiled
def _triangle(room: Any, rows: Any, k: Any) -> None:
    """Rotate k columns into a triangle, and column k (the target) along with them; each line of room is a column."""
    for j in range(k):
        squares = 0.0
        for row in range(j, rows):
            squares += room[j, row] * room[j, row]
        if squares == 0.0:
            continue
        length = -math.copysign(math.sqrt(squares), room[j, j])
        lead = room[j, j] - length
        half = -length * lead
        for other in range(j + 1, k + 1):
            product = lead * room[other, j]
            for row in range(j + 1, rows):
                product += room[j, row] * room[other, row]
            product /= half
            room[other, j] -= product * lead
            for row in range(j + 1, rows):
                room[other, row] -= product * room[j, row]
        room[j, j] = length


@compiled
def _condition(room: Any, k: Any) -> Any:
    """Return the triangle's condition in the Frobenius norm, NaN or inf if it is singular.

    Entry (i, j) of the inverse is left in room[i, j + 1], below the triangle, where nothing is needed any more.
    """
    size, inverse_size = 0.0, 0.0
    for j in range(k):
        for i in range(j, -1, -1):
            size += room[j, i] * room[j, i]
            rest = 1.0 if i == j else 0.0
            for m in range(i + 1, j + 1):
                rest -= room[m, i] * room[m, j + 1]
            room[i, j + 1] = rest / room[i, i]
            inverse_size += room[i, j + 1] * room[i, j + 1]
    return math.sqrt(size) * math.sqrt(inverse_size)


KERNELS: dict[str, Kernel] = {
    "ar_coefficient": ar_coefficient,
    "augmented_dickey_fuller": augmented_dickey_fuller,
}
